# SPDX-License-Identifier: GPL-3.0-or-later
"""One mail host with Dovecot 2.3 and one with 2.4, each with a second Dovecot to which the other one forwards logins.

All logins of all paths are done once, on both hosts at the same time, and the tests look at what came of them.
"""

from __future__ import annotations

import dataclasses
import itertools
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.backends.berkeley_pages import items
from support.documentation import blocks
from support.playbook import play
from support.waiting import wait_until

from .mail_client import PORTS, TLS_PORTS, Session
from .paths import PATHS
from .settings import CERTIFICATE, REFUSING_SCRIPT, files, second_instance, second_users

RELEASES = {"bookworm": "2.3", "trixie": "2.4"}
# Belongs to the client as a whole, so that each login has an address that no other one has; RFC 2544 sets it aside.
MANY = "198.18.0.0/16"
DATABASE = "/etc/mail/relayers.db"
KEY_FILE = "/etc/vsmtprelay/recorder-key.conf"
# A client that gets no answer within this time was not let in.
NO_ANSWER_SECONDS = 1.0
# Within them the recorder has sent its line to the journal.
JOURNAL_SECONDS = 1.0
PATIENCE_SECONDS = 20
# As many clients log in to a host at the same time.
AT_A_TIME = 4
PREPARE = """
ip address add {second}/32 dev lo
ip route add {many} via {client}
for user in carol locked expired; do
    useradd --create-home "$user"
    echo "$user:$user-secret" | chpasswd
done
usermod --lock locked
chage --expiredate 0 expired
# Those whose password is wrong need not wait here.
sed -i 's/pam_unix.so nullok/& nodelay/' /etc/pam.d/common-auth
mkdir /etc/dovecot2
openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=fine -days 30 -keyout /root/key.pem -out {certificate} 2>/dev/null
cat /root/key.pem {certificate} > /root/client.pem
"""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of a login: whether the client was let in, what the server said, and who had recorded it by then.

    ``listed`` is whether this host had, ``listed_there`` whether the other one had, ``listed_later`` and
    ``listed_there_later`` the same some time later.
    """

    let_in: bool
    answer: str
    listed: bool
    listed_there: bool
    listed_later: bool = False
    listed_there_later: bool = False


class Host:
    """A mail host, by its release; ``second_address`` is that of its second Dovecot."""

    def __init__(self, lab, client, release, number):
        self.release = release
        self.guest = lab.guest(f"logins-{release}", release=release)
        self.second_address = f"192.0.2.{number}"
        self._client = client
        self._numbers = itertools.count(256 * number)

    def prepare(self):
        """Do what an administrator has done before the playbook runs."""
        script = PREPARE.format(second=self.second_address, many=MANY, client=self._client.address4, certificate=CERTIFICATE)
        self.guest.run(["sh", "-ec", script])

    def start_second(self, other):
        """Start the second Dovecot, which trusts what the host ``other`` says about its clients, as the page has it."""
        reports, events = blocks("logins.md", "console")
        # Only Dovecot 2.3 sends events.
        for line in [*reports.splitlines(), *(events.splitlines() if self.guest.path(KEY_FILE).exists() else ())]:
            self.guest.run(["sh", "-ec", line.partition("# ")[2]])
        self.guest.write("/etc/dovecot2/users", second_users(self.release))
        self.guest.write("/etc/dovecot2/dovecot.conf", second_instance(self.release, self.second_address, other.guest.address4))
        command = ["systemd-run", "--quiet", "--unit=dovecot2", "dovecot", "-F", "-c", "/etc/dovecot2/dovecot.conf"]
        self.guest.run(command)
        wait_until(lambda: self._answers(self.second_address))

    def write_accounts(self, other):
        """Write the passwd-files, and have Dovecot no longer read Debian's own databases, for use()."""
        self.guest.run(["sed", "-i", "s/^!include auth-system.conf.ext/#&/", "/etc/dovecot/conf.d/10-auth.conf"])
        for name, text in files(self.release, self.guest.address4, other.second_address).items():
            self.guest.write(name, text, mode=0o755 if name == REFUSING_SCRIPT else None)

    def use(self, setting, other):
        """Have the first Dovecot run with ``setting``; it forwards logins to the second one of ``other``."""
        text = setting.text(self.release, self.guest.address4, other.second_address)
        self.guest.write("/etc/dovecot/conf.d/96-logins.conf", text)
        # systemd limits how often a service is started.
        self.guest.run(["sh", "-ec", "systemctl reset-failed dovecot; systemctl restart dovecot"])
        wait_until(lambda: self._answers(self.guest.address4))

    def _answers(self, address):
        try:
            for port in PORTS.values():
                self._client.namespace.connect(address, port, 2).close()
        except OSError:
            return False
        return True

    def new_address(self):
        """Return an address of the client's that no login has come from."""
        number = next(self._numbers)
        return f"198.18.{number >> 8}.{number & 255}"

    def listed(self):
        """Return the addresses in relayers.db, as a set of bytes."""
        data = self.guest.path(DATABASE).read_bytes()
        return {key for keys, _ in items(data) for key in keys}

    def has_delayed(self, key):
        """Return whether the recorder says that it let the client with this address in before it had recorded it."""
        time.sleep(JOURNAL_SECONDS)
        said = self.guest.run(["journalctl", "--unit=vsmtprelay-recorder", "--lines=100", "--output=cat"]).stdout
        return f"delayed {key.decode()} " in said

    def connect(self, service, source="", address="", tls=False, certificate=False):
        """Return a new session of the client, from its address ``source`` to this host's ``address``."""
        port = (TLS_PORTS if tls else PORTS)[service]
        own = str(self.guest.path("/root/client.pem")) if certificate else ""
        return Session(self.plain_connection(address or self.guest.address4, port, source), service, tls, own)

    def plain_connection(self, address, port, source=""):
        """Return a TCP connection from the client's address ``source``, "" for its usual one."""
        return self._client.namespace.connect(address, port, PATIENCE_SECONDS, source)

    def link_local_addresses(self):
        """Return the client's IPv6 address of this kind, and this host's with the client's interface as its scope."""
        show = ["ip", "-6", "-oneline", "address", "show", "scope", "link"]
        (_, interface, _, client, *_), *_ = (line.split() for line in self._client.run(show).stdout.splitlines())
        (_, _, _, server, *_), *_ = (line.split() for line in self.guest.run(show).stdout.splitlines())
        return client.partition("/")[0], f"{server.partition('/')[0]}%{interface}"


def log_in(host, other, path, service):
    """Log in on ``path``; return the outcome, and the client's address as the key of its entry.

    On a busy machine Dovecot, which has just been started, may answer the recorder too late. Such a login is made once more.
    """
    outcome, key = _log_in(host, other, path, service)
    if path.is_recorded and outcome.let_in and not outcome.listed and host.has_delayed(key):
        outcome, key = _log_in(host, other, path, service)
    return outcome, key


def _log_in(host, other, path, service):
    source = host.new_address()
    first = None
    if path.before:
        first = host.connect(service, source if path.before == "another session" else host.new_address())
        assert first.log_in(path.mechanism, path.user, path.password).startswith("OK")
        host.guest.run(["vsmtprelay", "delete", source], check=False)
        assert source.encode() not in host.listed()
    session = host.connect(service, source, tls=path.tls, certificate=path.certificate)
    if path.before == "a session from elsewhere":
        session.answers_within(NO_ANSWER_SECONDS)
    answer = session.log_in(path.mechanism, path.user, path.password)
    key = source.encode()
    listed, listed_there = key in host.listed(), key in other.listed()
    let_in = answer.startswith("OK") and session.is_open()
    session.close()
    if first:
        first.close()
    return Outcome(let_in, answer, listed, listed_there), key


def log_in_with(host, other, setting):
    """Log in on all paths of ``setting``, which ``host`` uses; return (path, service) → outcome and key."""
    logins = [(path, service) for path in PATHS if path.setting is setting for service in path.services]
    with ThreadPoolExecutor(1 if setting.in_order else AT_A_TIME) as pool:
        return dict(zip(logins, pool.map(lambda login: log_in(host, other, *login), logins), strict=True))


def all_logins(lab, hosts):
    """Log in on all paths, on both hosts at a time; return release → (path, service) → outcome and key."""
    done = {release: {} for release in hosts}
    all_settings = list(dict.fromkeys(path.setting for path in PATHS))

    def work(pair, settings, prepared=False):
        host, other = pair
        for setting in settings:
            if not prepared:
                host.use(setting, other)
            done[host.release].update(log_in_with(host, other, setting))

    with ThreadPoolExecutor(len(hosts)) as pool:
        list(pool.map(lambda pair: work(pair, [each for each in all_settings if not each.needs_run]), pairs(hosts)))
        for setting in [each for each in all_settings if each.needs_run]:
            for host, other in pairs(hosts):
                host.use(setting, other)
            site(lab)
            list(pool.map(lambda pair, setting=setting: work(pair, [setting], prepared=True), pairs(hosts)))
    return done


@pytest.fixture(scope="session")
def hosts(lab, client):
    """The hosts by release, each with its own Dovecot set up by the playbook, and the second one by hand."""
    hosts = {release: Host(lab, client, release, 80 + number) for number, release in enumerate(RELEASES)}
    lab.boot(host.guest for host in hosts.values())
    for host in hosts.values():
        host.prepare()
    site(lab)
    for host, other in pairs(hosts):
        host.write_accounts(other)
        # From now on it leaves the other address to the second Dovecot.
        host.use(PATHS[0].setting, other)
        host.start_second(other)
    return hosts


def pairs(hosts):
    """Return each host with the other one."""
    first, second = hosts.values()
    return [(first, second), (second, first)]


def site(lab):
    """Run the playbook on the hosts; return the run."""
    run = play(lab, "vsmtp.relay.site", "--limit", "logins-*")
    assert run.status == 0, run.output
    return run


@pytest.fixture(scope="session")
def outcomes(lab, hosts):
    """release → (path, service) → Outcome, of all paths in their order."""
    done = all_logins(lab, hosts)
    later = {release: host.listed() for release, host in hosts.items()}
    return {
        host.release: {
            (path, service): dataclasses.replace(
                outcome, listed_later=key in later[host.release], listed_there_later=key in later[other.release]
            )
            for path in PATHS
            for service in path.services
            for outcome, key in [done[host.release][path, service]]
        }
        for host, other in pairs(hosts)
    }
