# SPDX-License-Identifier: GPL-3.0-or-later
"""Courier in Dovecot's place on a Debian 12 host: PAM hands each login to the same recorder, and stops nobody.

The host begins as most will: it has Dovecot and runs the role, and then changes over.
"""

from __future__ import annotations

import statistics
import time

import pytest

from support.fingerprint import fingerprint
from support.mail import log_in, rcpt
from support.playbook import play
from support.stopped_recorder import stop_recorder
from support.throttles import lift_throttles
from support.waiting import wait_until

HOST = "courierhost"
PAM = ("-e", "pop_before_smtp_recorder=pam")
CHANGE_OVER = """
export DEBIAN_FRONTEND=noninteractive
apt-get install --yes --quiet --no-install-recommends courier-pop courier-imap dovecot-core-
for user in alice bob; do su $user -c 'maildirmake ~/Maildir'; done
"""
PAM_FILES = "find /etc/pam.d -printf '%p %U:%G %m %l\\n' | sort; find /etc/pam.d -type f | sort | xargs sha256sum"
BLOCK = """\
# BEGIN vsmtp.relay: reports logins to the recorder; see vsmtprelay(8)
account [default=ignore] pam_exec.so quiet /usr/local/sbin/vsmtprelay-pam
# END vsmtp.relay: reports logins to the recorder; see vsmtprelay(8)
"""
# Far more than the 250 ms that a login waits at most: other tests may keep this machine busy.
WAITED_SECONDS = 2.0


@pytest.fixture(scope="module")
def site(lab):
    """Return what runs vsmtp.relay.site, or another playbook, on the host with Courier alone."""

    def site(*options, playbook="vsmtp.relay.site", status=0):
        run = play(lab, playbook, "--limit", HOST, *options)
        assert (run.status == 0) == (status == 0), run.output
        return run

    return site


@pytest.fixture(scope="module")
def courier_host(lab, site):
    """A host that ran Dovecot and the role, with Courier and nothing done to it since."""
    guest = lab.guest(HOST, release="bookworm")
    lab.boot([guest])
    lift_throttles(guest)
    site()
    guest.run(["sh", "-ec", CHANGE_OVER])
    return guest


@pytest.fixture(scope="module")
def untouched_pam(courier_host):
    return courier_host.run(["sh", "-ec", PAM_FILES]).stdout


@pytest.fixture(scope="module")
def seconds_without(courier_host, readers):
    """How long a login takes while PAM does not know of the recorder."""
    return measure(courier_host, readers[0])


@pytest.fixture(scope="module")
def readers(lab):
    """Clients of people who read mail."""
    return [lab.client(f"courier-reader-{number}", address4=f"192.0.2.{110 + number}") for number in range(1, 4)]


@pytest.fixture(scope="module")
def changed_over(courier_host, untouched_pam, seconds_without, site):
    """The run of the playbook that has PAM report logins."""
    return site(*PAM)


@pytest.fixture
def mail_host(courier_host, changed_over):
    """The host with the recorder at work and nobody listed."""
    courier_host.run(["systemctl", "start", "vsmtprelay-recorder.socket", "vsmtprelay-recorder.service"])
    for line in listed(courier_host).split("\n")[1::2]:
        courier_host.run(["vsmtprelay", "delete", line.split()[0]])
    assert listed(courier_host) == ""
    return courier_host


def listed(host):
    return host.run(["vsmtprelay", "dump"]).stdout


def measure(host, client, protocol="pop3", times=9):
    """Return the seconds that logins take, shortest first."""
    taken = []
    for _ in range(times):
        start = time.monotonic()
        assert log_in(client, host.address4, protocol)
        taken.append(time.monotonic() - start)
    return sorted(taken)


def tell(what, seconds):
    """Print how long logins took: a report of the test run shows it."""
    print(f"\nlogin by POP {what}: median {statistics.median(seconds) * 1000:.0f} ms, longest {seconds[-1] * 1000:.0f} ms")


def journal(host, identifier, since):
    host.run(["journalctl", "--sync"])
    command = ["journalctl", "--output=cat", f"--identifier={identifier}", f"--since=@{since}"]
    return host.run(command).stdout.splitlines()


def wait_until_relayed(client, host):
    deadline = time.monotonic() + 60
    while rcpt(client, host.address4)[0] != 250:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_the_change_over_from_dovecot_leaves_nothing_of_it(mail_host, changed_over):
    assert changed_over.counts[HOST]["failed"] == 0
    for path in ("/etc/dovecot/conf.d/95-vsmtprelay.conf", "/etc/vsmtprelay/recorder-key.conf"):
        assert not mail_host.path(path).exists(), path
    sockets = mail_host.run(["ss", "--listening", "--no-header", "--tcp", "--numeric", "sport = :785"]).stdout
    assert sockets == ""
    assert mail_host.run(["stat", "-c", "%U:%G %a", "/run/vsmtprelay-recorder.sock"]).stdout == "root:root 660\n"


def test_one_line_is_added_for_pop_and_for_imap(mail_host, untouched_pam):
    for service in ("pop3", "imap"):
        text = mail_host.read(f"/etc/pam.d/{service}")
        assert text.endswith("@include common-session\n" + BLOCK)
        assert text.count("vsmtprelay-pam") == 1
    now = set(mail_host.run(["sh", "-ec", PAM_FILES]).stdout.splitlines())
    assert {line.split()[-1] for line in now - set(untouched_pam.splitlines())} == {"/etc/pam.d/pop3", "/etc/pam.d/imap"}


@pytest.mark.parametrize("protocol", ["pop3", "pop3s", "imap", "imaps"])
def test_a_login_opens_the_relay_for_the_session_right_after_it(mail_host, readers, protocol):
    for reader in readers:
        assert rcpt(reader, mail_host.address4)[0] == 550
        assert log_in(reader, mail_host.address4, protocol)
        assert rcpt(reader, mail_host.address4)[0] == 250


def test_a_login_is_recorded_before_the_client_sees_it_succeed(mail_host, readers):
    for number in range(30):
        reader = readers[number % len(readers)]
        mail_host.run(["vsmtprelay", "expire"])
        assert log_in(reader, mail_host.address4)
        assert rcpt(reader, mail_host.address4)[0] == 250


def test_another_address_stays_refused(mail_host, readers):
    assert log_in(readers[0], mail_host.address4)
    assert rcpt(readers[1], mail_host.address4)[0] == 550


@pytest.mark.parametrize("protocol", ["pop3", "imap"])
@pytest.mark.parametrize(("user", "password"), [("alice", "wrong"), ("nobody-of-that-name", "alice-secret")])
@pytest.mark.fault("wrong-password")
def test_a_wrong_password_or_user_records_nothing(mail_host, readers, protocol, user, password):
    assert not log_in(readers[0], mail_host.address4, protocol, user, password)
    assert listed(mail_host) == ""
    assert rcpt(readers[0], mail_host.address4)[0] == 550


def test_loopback_is_never_recorded(mail_host):
    script = "import poplib; p = poplib.POP3('127.0.0.1'); p.user('alice'); p.pass_('alice-secret'); p.quit()"
    mail_host.run(["python3", "-c", script])
    assert listed(mail_host) == ""


def test_the_journal_tells_address_user_service_and_virtual_server(mail_host, readers):
    since = time.time()
    assert log_in(readers[0], mail_host.address4, "pop3", "alice", "alice-secret")
    assert log_in(readers[1], mail_host.address4, "imap", "bob", "bob-secret")
    expected = [
        f"recorded {readers[0].address4} user='alice' service=pop3 server={HOST}",
        f"recorded {readers[1].address4} user='bob' service=imap server={HOST}",
    ]
    # Those of earlier logins can come a little later than these began.
    wait_until(lambda: journal(mail_host, "vsmtprelay-recorder", since)[-2:] == expected)


def test_the_status_counts_the_logins(mail_host, readers):
    mail_host.run(["systemctl", "restart", "vsmtprelay-recorder.service"])
    for _ in range(3):
        assert log_in(readers[0], mail_host.address4)
    deadline = time.monotonic() + 30
    while ": recorded 3, delayed 0, ignored 0, refused 0" not in mail_host.run(["vsmtprelay-recorder", "--status"]).stdout:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_login_takes_hardly_longer_than_without_the_recorder(mail_host, readers, seconds_without):
    taken = measure(mail_host, readers[0])
    tell("as Debian has it", seconds_without)
    tell("with the recorder", taken)
    assert statistics.median(taken) < statistics.median(seconds_without) + WAITED_SECONDS


@pytest.mark.parametrize("protocol", ["pop3", "imap"])
@pytest.mark.fault("recorder-stopped")
def test_a_stopped_recorder_keeps_nobody_from_reading_mail(mail_host, readers, seconds_without, protocol):
    stop_recorder(mail_host)
    since = time.time()
    taken = measure(mail_host, readers[0], protocol, times=5)
    tell(f"({protocol}) with the recorder and its socket stopped", taken)
    assert taken[-1] < seconds_without[-1] + WAITED_SECONDS
    assert listed(mail_host) == ""
    assert rcpt(readers[0], mail_host.address4)[0] == 550
    (line, *_) = journal(mail_host, "vsmtprelay-pam", since)
    assert line.startswith("/run/vsmtprelay-recorder.sock: [Errno ")


def test_a_login_while_only_the_service_is_stopped_starts_it_and_is_recorded(mail_host, readers):
    mail_host.run(["systemctl", "stop", "vsmtprelay-recorder.service"])
    assert log_in(readers[0], mail_host.address4)
    wait_until_relayed(readers[0], mail_host)


@pytest.mark.fault("recorder-hanging")
def test_a_hanging_recorder_keeps_nobody_from_reading_mail_and_its_successor_records_the_logins(
    mail_host, readers, seconds_without
):
    recorder = mail_host.run(["systemctl", "show", "--property=MainPID", "--value", "vsmtprelay-recorder"]).stdout.strip()
    mail_host.run(["kill", "-STOP", recorder])
    # systemd's watchdog ends it after a second.
    taken = sorted(seconds for reader in readers for seconds in measure(mail_host, reader, times=2))
    tell("with a hanging recorder", taken)
    assert taken[-1] < seconds_without[-1] + WAITED_SECONDS
    for reader in readers:
        wait_until_relayed(reader, mail_host)


FAULTS = ("rm -r /usr/local/lib/vsmtprelay", "chmod 0 {helper}", "rm {helper}", "printf 'x' > {helper}")


@pytest.mark.parametrize("fault", FAULTS, ids=["no library", "not executable", "no helper", "no program"])
def test_a_broken_helper_keeps_nobody_from_reading_mail(mail_host, readers, fault):
    helper = "/usr/local/sbin/vsmtprelay-pam"
    mail_host.run(["sh", "-ec", f"cp -a {helper} /usr/local/lib/vsmtprelay /root; {fault.format(helper=helper)}"])
    try:
        assert log_in(readers[0], mail_host.address4)
    finally:
        mail_host.run(["sh", "-ec", f"cp -a /root/vsmtprelay-pam {helper}; cp -aT /root/vsmtprelay /usr/local/lib/vsmtprelay"])
    assert log_in(readers[0], mail_host.address4)
    assert rcpt(readers[0], mail_host.address4)[0] == 250


# The helper's success must not count: it would let those in whom all "sufficient" modules refuse.
@pytest.mark.parametrize(
    ("account", "let_in"),
    [
        ("account sufficient pam_deny.so", False),
        ("account requisite pam_deny.so", False),
        ("account required pam_deny.so", False),
        ("account required pam_permit.so", True),
    ],
)
def test_the_account_lines_of_the_host_alone_decide_who_may_log_in(mail_host, readers, account, let_in):
    kept = mail_host.read("/etc/pam.d/pop3")
    assert "@include common-account\n" in kept
    mail_host.write("/etc/pam.d/pop3", kept.replace("@include common-account\n", account + "\n"))
    try:
        assert log_in(readers[0], mail_host.address4) == let_in
        # PAM ends at a requisite line that failed, and goes on to the helper after others; docs/other_servers.md tells.
        if "requisite" in account:
            assert listed(mail_host) == ""
    finally:
        mail_host.write("/etc/pam.d/pop3", kept)


@pytest.mark.fault("expired-account")
def test_an_expired_account_is_neither_let_in_nor_recorded(mail_host, readers):
    mail_host.run(["chage", "--expiredate", "1", "bob"])
    try:
        assert not log_in(readers[0], mail_host.address4, "pop3", "bob", "bob-secret")
        assert listed(mail_host) == ""
    finally:
        mail_host.run(["chage", "--expiredate", "-1", "bob"])
    assert log_in(readers[0], mail_host.address4, "pop3", "bob", "bob-secret")


def test_the_second_run_changes_nothing(mail_host, site):
    before = fingerprint(mail_host)
    run = site(*PAM)
    assert run.counts[HOST]["changed"] == 0, run.output
    assert fingerprint(mail_host) == before


@pytest.mark.parametrize(
    ("services", "problem"),
    [
        ('["pop3", "qpopper", "imap4"]', "no /etc/pam.d/qpopper and no /etc/pam.d/imap4: set pop_before_smtp_pam_services to"),
        ('["pop3", "chpasswd"]', "neither pop nor imap in the name of chpasswd (pop_before_smtp_pam_services)"),
    ],
)
def test_a_service_that_is_none_is_told_in_one_line_and_nothing_is_changed(mail_host, site, services, problem):
    before = fingerprint(mail_host)
    run = site(*PAM, "-e", f'{{"pop_before_smtp_pam_services": {services}}}', status=2)
    assert problem in run.output
    assert fingerprint(mail_host) == before


def test_a_service_that_is_no_longer_listed_is_as_before(mail_host, site, untouched_pam):
    site(*PAM, "-e", '{"pop_before_smtp_pam_services": ["pop3"]}')
    now = set(mail_host.run(["sh", "-ec", PAM_FILES]).stdout.splitlines())
    assert {line.split()[-1] for line in now - set(untouched_pam.splitlines())} == {"/etc/pam.d/pop3"}


@pytest.mark.parametrize(
    ("playbook", "options"),
    [("vsmtp.relay.site", ("-e", "pop_before_smtp_recorder=none")), ("vsmtp.relay.remove", ())],
    ids=["recorder none", "remove"],
)
def test_without_it_pam_is_byte_for_byte_as_before(courier_host, readers, site, untouched_pam, playbook, options):
    site(*PAM)
    assert courier_host.read("/etc/pam.d/imap").endswith(BLOCK)
    site(*options, playbook=playbook)
    assert courier_host.run(["sh", "-ec", PAM_FILES]).stdout == untouched_pam
    assert not courier_host.path("/usr/local/sbin/vsmtprelay-pam").exists()
    assert log_in(readers[0], courier_host.address4)
    assert site(*options, playbook=playbook).counts[HOST]["changed"] == 0
