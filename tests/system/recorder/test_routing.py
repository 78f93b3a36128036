# SPDX-License-Identifier: GPL-3.0-or-later
"""Several virtual servers behind one Dovecot: which one a login goes to, which logins are none of ours, whose Dovecot it is."""

from __future__ import annotations

import imaplib
import json
import threading
from pathlib import Path

import pytest

from support.fingerprint import fingerprint
from support.mail import Imap4, log_in
from support.playbook import play
from support.releases import releases
from support.throttles import lift_throttles
from support.waiting import wait_until

from .conftest import RELEASES

OURS = "/etc/dovecot/conf.d/95-vsmtprelay.conf"
USERS = ("me@a.example", "me@b.example", "me@elsewhere.example")
DOVECOT = releases(
    {
        "bookworm": """
passdb {
  driver = passwd-file
  args = /etc/dovecot/test-users
}
userdb {
  driver = static
  args = uid=alice gid=alice home=/home/alice
}
""",
        "trixie": """
passdb passwd-file {
  passwd_file_path = /etc/dovecot/test-users
}
userdb static {
  fields {
    uid = alice
    gid = alice
    home = /home/alice
  }
}
""",
    }
)
# The first has a local address of its own, the second a login domain; each belongs to a user, and has a sendmail.cf.
PREPARE = """
ip address add {address} dev lo
for user in alice bob; do
    mkdir -p /srv/$user/etc
    cp /etc/mail/sendmail.cf /srv/$user/etc/sendmail.cf
    chown -R $user: /srv/$user
    chmod 755 /srv/$user /srv/$user/etc
done
"""
# The inodes of the files without a name that the recorder holds open in a directory.
PREPARED = """
for file in /proc/$(systemctl show --property=MainPID --value vsmtprelay-recorder.service)/fd/*; do
    case $(readlink "$file") in
        "$1"/*" (deleted)") stat --dereference --format %i "$file" ;;
    esac
done
"""
FILES = {"a": "/srv/alice/etc/relayers.db", "b": "/srv/bob/etc/relayers.db", "rest": "/etc/mail/relayers.db"}


class Session:
    """An IMAP session in use. Dovecot ends one that was idle for 10 seconds when it reloads (imap_die() in imap/main.c)."""

    def __init__(self, client, server):
        self._imap = Imap4(client, server, 143)
        self._imap.login("alice", "alice-secret")
        self._stopped = threading.Event()
        self._answers = []
        self._thread = threading.Thread(target=self._use)
        self._thread.start()

    def _use(self):
        while not self._stopped.wait(1):
            try:
                self._answers.append(self._imap.noop()[0])
            except imaplib.IMAP4.abort as error:
                self._answers.append(str(error))
                return

    def leave(self):
        """Return what the server answered, as a set."""
        self._stopped.set()
        self._thread.join()
        return set(self._answers)


class Host:
    """A mail host with three virtual servers, and what was seen while the playbook made it one."""

    def __init__(self, lab, client, release, number):
        self.guest = lab.guest(f"routing-{release}", release=release)
        self.own_address = f"192.0.2.{number}"
        self._client = client

    def prepare(self):
        lift_throttles(self.guest)
        self.guest.run(["sh", "-ec", PREPARE.format(address=f"{self.own_address}/32")])
        self.guest.write("/etc/dovecot/test-users", "".join(f"{user}:{{PLAIN}}secret\n" for user in USERS))
        # Before Debian's own, so that it is asked first.
        self.guest.write("/etc/dovecot/conf.d/05-test.conf", DOVECOT[self.guest.release])
        self.guest.run(["doveadm", "reload"])
        self.session = Session(self._client, self.guest.address4)
        self.before = self.dovecot_files()

    def dovecot_files(self):
        return {line for line in fingerprint(self.guest).splitlines() if "/etc/dovecot" in line}

    @property
    def variables(self):
        servers = [
            {"name": "a", "root": "/srv/alice", "addresses": [self.own_address]},
            {"name": "b", "root": "/srv/bob", "domains": ["b.example"]},
            {"name": "rest"},
        ]
        return {"pop_before_smtp_virtual_servers": servers, "pop_before_smtp_ignore": ["192.0.2.151", "2001:db8:99::4:0/112"]}

    def play(self, lab, *options):
        return play(lab, "vsmtp.relay.site", "-e", json.dumps(self.variables), "--limit", self.guest.name, *options)

    def listed(self):
        """Return the addresses that each virtual server has, and forget them."""
        found = {}
        for name in FILES:
            lines = self.guest.run(["vsmtprelay", "--server", name, "dump"]).stdout.splitlines()[1::2]
            found[name] = [line.split()[0] for line in lines]
        self.guest.run(["vsmtprelay", "--all", "expire"])
        return found


@pytest.fixture(scope="module")
def routed_hosts(lab, client):
    hosts = {release: Host(lab, client, release, number) for number, release in enumerate(RELEASES, start=60)}
    lab.boot(host.guest for host in hosts.values())
    for host in hosts.values():
        host.prepare()
        host.first = host.play(lab)
        host.answers = host.session.leave()
        assert host.first.status == 0, host.first.output
    return hosts


@pytest.fixture(params=RELEASES, ids=RELEASES.values())
def routed(request, routed_hosts):
    """Each of the hosts in turn, with nobody listed."""
    host = routed_hosts[request.param]
    host.listed()
    return host


@pytest.fixture(scope="module")
def webmail(lab):
    """A client whose logins are not to be recorded."""
    return lab.client("webmail", address4="192.0.2.151", address6="2001:db8:99::4:1")


def test_reloading_dovecot_drops_no_session_in_use(routed):
    assert routed.answers == {"OK"}


def test_of_dovecot_s_configuration_one_file_is_ours_and_nothing_else_is_touched(routed):
    after = routed.dovecot_files()
    assert routed.before <= after
    assert all(OURS in line for line in after - routed.before)


def test_a_second_run_changes_nothing(routed, lab):
    second = routed.play(lab)
    assert second.counts[routed.guest.name]["changed"] == 0, second.output


def test_a_login_goes_to_the_server_that_has_its_local_address(routed, client):
    assert log_in(client, routed.own_address, user="me@elsewhere.example", password="secret")
    assert routed.listed() == {"a": [client.address4], "b": [], "rest": []}


def test_else_to_the_one_that_has_its_domain(routed, client):
    assert log_in(client, routed.guest.address4, user="me@b.example", password="secret")
    assert routed.listed() == {"a": [], "b": [client.address4], "rest": []}


def test_the_address_comes_before_the_domain(routed, client):
    assert log_in(client, routed.own_address, user="me@b.example", password="secret")
    assert routed.listed() == {"a": [client.address4], "b": [], "rest": []}


@pytest.mark.parametrize(("user", "password"), [("me@elsewhere.example", "secret"), ("alice", "alice-secret")])
def test_else_to_the_one_that_has_neither(routed, client, user, password):
    assert log_in(client, routed.guest.address4, "imap", user=user, password=password)
    assert routed.listed() == {"a": [], "b": [], "rest": [client.address4]}


def test_every_database_keeps_its_owner(routed, client):
    log_in(client, routed.own_address, user="me@a.example", password="secret")
    log_in(client, routed.guest.address4, user="me@b.example", password="secret")
    owners = routed.guest.run(["stat", "-c", "%U %a", *FILES.values()]).stdout.splitlines()
    assert owners == ["alice 640", "bob 640", "smmta 640"]


@pytest.mark.parametrize("name", ["b", "rest"])
def test_the_file_for_the_next_login_is_prepared_and_becomes_the_database(routed, name):
    """Whoever owns the database: the recorder is root here, with few of root's rights."""

    def log_in_from(address):
        user = {"b": "me@b.example", "rest": "me@elsewhere.example"}[name]
        routed.guest.run(["doveadm", "auth", "test", "-x", "service=imap", "-x", f"rip={address}", user, "secret"])

    def log_in_and_look():
        # Nothing is prepared after a write that took long, as it may on a busy machine.
        log_in_from("198.51.100.5")
        routed.guest.run(["vsmtprelay", "--server", name, "expire"])
        log_in_from("198.51.100.5")
        return routed.guest.run(["sh", "-c", PREPARED, "sh", str(Path(FILES[name]).parent)]).stdout.split()

    found = []
    wait_until(lambda: found.append(log_in_and_look()) or len(found[-1]) == 1)
    log_in_from("198.51.100.6")
    owner = {"b": "bob", "rest": "smmta"}[name]
    assert routed.guest.run(["stat", "--format", "%i %U", FILES[name]]).stdout.split() == [*found[-1], owner]
    assert sorted(routed.listed()[name]) == ["198.51.100.5", "198.51.100.6"]


@pytest.mark.parametrize("family", ["address4", "address6"])
@pytest.mark.fault("proxied-login")
def test_a_login_from_an_ignored_network_is_not_recorded(routed, webmail, family):
    assert log_in(webmail, getattr(routed.guest, family))
    assert routed.listed() == {"a": [], "b": [], "rest": []}


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_login_over_loopback_is_not_recorded(routed, address):
    script = f"import poplib; p = poplib.POP3('{address}'); p.user('alice'); p.pass_('alice-secret'); p.quit()"
    routed.guest.run(["python3", "-c", script])
    assert routed.listed() == {"a": [], "b": [], "rest": []}


@pytest.mark.parametrize(
    ("service", "address", "listed"),
    [
        ("pop3", "198.51.100.5", ["198.51.100.5"]),
        ("imap", "::ffff:198.51.100.5", ["198.51.100.5"]),
        ("imap", "2001:db8::5", ["ipv6:2001:db8:0:0:0:0:0:5"]),
        ("smtp", "198.51.100.5", []),
        ("sieve", "198.51.100.5", []),
        ("imap", "", []),
    ],
)
@pytest.mark.fault("other-service")
def test_what_dovecot_checks_for_others_than_pop_and_imap_is_not_recorded(routed, service, address, listed):
    words = ["-x", f"service={service}", *(["-x", f"rip={address}"] if address else [])]
    routed.guest.run(["doveadm", "auth", "test", *words, "me@elsewhere.example", "secret"])
    assert routed.listed() == {"a": [], "b": [], "rest": listed}


def test_a_configuration_that_dovecot_refuses_is_not_made_and_dovecot_goes_on(routed, lab, client):
    guest = routed.guest
    before = guest.read(OURS)
    guest.write("/etc/dovecot/conf.d/99-broken.conf", "no_such_setting = yes\n")
    guest.run(["rm", OURS])
    try:
        run = routed.play(lab)
        assert run.status != 0
        assert "no_such_setting" in run.output
        assert not guest.path(OURS).exists()
    finally:
        guest.path("/etc/dovecot/conf.d/99-broken.conf").unlink()
        guest.write(OURS, before)
    assert log_in(client, guest.address4)


def test_absent_takes_our_file_away_and_leaves_theirs(routed, lab, client):
    run = routed.play(lab, "-e", "pop_before_smtp_state=absent")
    assert run.status == 0, run.output
    assert routed.dovecot_files() == routed.before
    assert log_in(client, routed.guest.address4)
    assert not routed.guest.path("/var/lib/vsmtprelay-recorder").exists()
    assert not routed.guest.path("/run/vsmtprelay-recorder.sock").exists()
