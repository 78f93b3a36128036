# SPDX-License-Identifier: GPL-3.0-or-later
"""Who logs in by POP or IMAP may relay at once; nobody else may, and mail to local users is nobody's permission."""

from __future__ import annotations

import time

import pytest

from support.mail import LOCAL, PROTOCOLS, log_in, rcpt
from support.releases import release


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_login_opens_the_relay_for_the_session_right_after_it(closed_relay, reader, protocol):
    server = closed_relay.address4
    assert rcpt(reader, server)[0] == 550
    assert log_in(reader, server, protocol)
    assert rcpt(reader, server)[0] == 250


def test_a_login_is_recorded_before_the_client_sees_it_succeed(closed_relay, reader):
    for _ in range(50):
        closed_relay.run(["vsmtprelay", "expire"])
        assert log_in(reader, closed_relay.address4)
        assert rcpt(reader, closed_relay.address4)[0] == 250


def test_a_login_over_ipv6_opens_the_relay_over_ipv6(closed_relay, reader):
    server = closed_relay.address6
    assert rcpt(reader, server)[0] == 550
    assert log_in(reader, server)
    assert rcpt(reader, server)[0] == 250
    assert "ipv6:2001:db8:99:0:0:0:0:101 " in closed_relay.run(["vsmtprelay", "dump"]).stdout


@pytest.mark.parametrize("protocol", ["pop3", "imap"])
def test_a_wrong_password_records_nothing(closed_relay, stranger, protocol):
    assert not log_in(stranger, closed_relay.address4, protocol, password="wrong")
    assert closed_relay.run(["vsmtprelay", "dump"]).stdout == ""
    assert rcpt(stranger, closed_relay.address4)[0] == 550


def test_another_address_stays_refused(closed_relay, reader, stranger):
    assert log_in(reader, closed_relay.address4)
    code, text = rcpt(stranger, closed_relay.address4)
    assert code == 550
    assert "Relaying denied" in text


def test_swaks_agrees(closed_relay, reader, stranger):
    words = [
        "swaks",
        "--server",
        closed_relay.address4,
        "--from",
        "sender@example.org",
        "--to",
        "somebody@remote.example",
    ]
    words += ["--helo", "client.example.org", "--quit-after", "RCPT"]
    log_in(reader, closed_relay.address4)
    assert "<-  250 2.1.5" in reader.run(words).stdout
    refused = stranger.run(words, check=False)
    assert refused.returncode == 24  # swaks: no recipient was accepted
    assert "<** 550 5.7.1" in refused.stdout


def test_mail_to_local_users_is_accepted_from_anybody(closed_relay, reader, stranger):
    log_in(reader, closed_relay.address4)
    for client in (reader, stranger):
        assert rcpt(client, closed_relay.address4, LOCAL)[0] == 250


FAULTS = {
    "is missing": "rm relayers.db",
    "is empty": ": > relayers.db",
    "is garbage": "head -c 20000 /dev/urandom > relayers.db",
    "is cut off": "truncate -s 5000 relayers.db",
    "has pages overwritten": "dd if=/dev/urandom of=relayers.db bs=4096 seek=1 count=2 conv=notrunc",
    "is a directory": "rm relayers.db; mkdir relayers.db",
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.fault("unreadable-database")
def test_whatever_the_database_is_strangers_are_refused_and_local_mail_is_accepted(closed_relay, stranger, fault):
    closed_relay.run(["vsmtprelay", "add", "192.0.2.77"])
    closed_relay.run(["sh", "-ec", f"cd /etc/mail; cp -a relayers.db /root/kept.db; {fault}"])
    try:
        assert rcpt(stranger, closed_relay.address4)[0] in (550, 451)
        assert rcpt(stranger, closed_relay.address4, LOCAL)[0] == 250
    finally:
        closed_relay.run(["sh", "-ec", "cd /etc/mail; rm -rf relayers.db; mv /root/kept.db relayers.db"])


def test_reading_mail_works_while_the_recorder_hangs_and_its_successor_records_the_login(closed_relay, reader):
    log_in(reader, closed_relay.address4)
    closed_relay.run(["vsmtprelay", "expire"])
    recorder = closed_relay.run(["systemctl", "show", "--property=MainPID", "--value", "vsmtprelay-recorder"]).stdout.strip()
    closed_relay.run(["kill", "-STOP", recorder])
    assert log_in(reader, closed_relay.address4)
    # systemd's watchdog ends it after a second.
    deadline = time.monotonic() + 60
    while rcpt(reader, closed_relay.address4)[0] != 250:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_login_never_shortens_a_permission(closed_relay, reader):
    address = reader.address4
    closed_relay.run(["vsmtprelay", "add", address, "4102444800"])
    assert log_in(reader, closed_relay.address4)
    assert f"{address} 4102444800\n" in closed_relay.run(["vsmtprelay", "dump"]).stdout


@pytest.mark.fault("proxied-login")
def test_loopback_is_never_recorded(closed_relay):
    script = "import poplib; p = poplib.POP3('127.0.0.1'); p.user('alice'); p.pass_('alice-secret'); p.quit()"
    closed_relay.run(["python3", "-c", script])
    assert closed_relay.run(["vsmtprelay", "dump"]).stdout == ""


@pytest.mark.skipif(release("bookworm") != "bookworm", reason="Dovecot 2.4 has no secret: its socket is a file")
def test_a_report_without_the_secret_is_refused(closed_relay):
    script = (
        "import urllib.request, urllib.error\n"
        'report = b\'{"rip": "6.6.6.6", "service": "pop3", "user": "eve"}\'\n'
        "try: urllib.request.urlopen('http://127.0.0.1:785/login?command=allow', data=report)\n"
        "except urllib.error.HTTPError as error: print(error.code)\n"
    )
    assert closed_relay.run(["su", "bob", "-s", "/bin/sh", "-c", 'python3 -c "$(cat)"'], input=script).stdout == "403\n"
    assert closed_relay.run(["vsmtprelay", "dump"]).stdout == ""
