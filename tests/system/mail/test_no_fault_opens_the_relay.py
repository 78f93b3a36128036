# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults that no other test makes: whatever is wrong, nobody relays for whom there is no entry."""

from __future__ import annotations

import time

import pytest

from support.mail import LOCAL, rcpt

DATABASE = "/etc/mail/relayers"
# By a name: what is in the place of /bin/date, which the ruleset asks what time it is.
CLOCKS = {
    "is missing": None,
    "fails": "#!/bin/sh\nexit 1\n",
    "says nothing": "#!/bin/sh\n",
    "says something else": "#!/bin/sh\necho Tue Nov 24 22:52:00 UTC 2026\n",
    "says a number with more behind it": "#!/bin/sh\necho 1700000000 0\n",
    "says a number that sendmail would read as octal": "#!/bin/sh\necho 017\n",
    "says a negative number": "#!/bin/sh\necho -5\n",
}


@pytest.fixture
def clock(closed_relay):
    """Return what puts something else in the place of /bin/date; it is back when the test is over."""

    def put(content):
        closed_relay.run(["mv", "/bin/date", "/bin/date.kept"])
        if content is not None:
            closed_relay.write("/bin/date", content, mode=0o755)

    yield put
    closed_relay.run(["mv", "-f", "/bin/date.kept", "/bin/date"])


@pytest.mark.parametrize("content", CLOCKS.values(), ids=CLOCKS)
@pytest.mark.fault("no-clock")
def test_without_a_clock_everybody_is_refused_and_local_mail_accepted(closed_relay, reader, stranger, clock, content):
    closed_relay.run(["vsmtprelay", "add", reader.address4])
    assert rcpt(reader, closed_relay.address4)[0] == 250
    clock(content)
    for client in (reader, stranger):
        assert rcpt(client, closed_relay.address4)[0] == 550
        assert rcpt(client, closed_relay.address4, LOCAL)[0] == 250


# Keys that are not the address of the client with the addresses {4} and {6}, though near to it.
KEYS = [
    "192.0.2",
    "192.0.2.",
    "192",
    "192.0.2.0/24",
    "{4}/32",
    "{4}.",
    "{4}:25",
    "connect:{4}",
    "[{4}]",
    "pop:{4}",
    "ipv6:{4}",
    "::ffff:{4}",
    "2001:db8:99::102",
    "ipv6:2001:db8:99::102",
    "2001:db8:99:0:0:0:0:102",
    "ipv6:2001:db8:99",
    "0.0.0.0",
    "0",
    "*",
    "?",
    "<>",
    "client.example.org",
    "sender@example.org",
    "example.org",
    "remote.example",
    "unknown",
]


@pytest.mark.fault("similar-key")
def test_only_an_entry_of_the_very_address_opens_the_relay(closed_relay, stranger):
    keys = [key.replace("{4}", stranger.address4).replace("{6}", stranger.address6) for key in KEYS]
    now = int(time.time())
    closed_relay.run(["makemap", "-f", "hash", DATABASE], input="".join(f"{key}\t{now}\n" for key in keys))
    for server in (closed_relay.address4, closed_relay.address6):
        assert rcpt(stranger, server)[0] == 550
        assert rcpt(stranger, server, LOCAL)[0] == 250
    # It is looked at at all.
    text = f"{stranger.address4}\t{now}\n"
    closed_relay.run(["makemap", "-f", "hash", DATABASE], input=text)
    assert rcpt(stranger, closed_relay.address4)[0] == 250
    assert rcpt(stranger, closed_relay.address6)[0] == 550


@pytest.mark.fault("writable-directory")
def test_where_others_could_replace_the_database_nobody_relays(closed_relay, reader, stranger):
    # sendmail refuses all maps in such a directory, the access map among them, so mail to local users is deferred anyway.
    closed_relay.run(["vsmtprelay", "add", reader.address4])
    closed_relay.run(["chmod", "o+w", "/etc/mail"])
    try:
        for client in (reader, stranger):
            assert rcpt(client, closed_relay.address4)[0] in (550, 451)
    finally:
        closed_relay.run(["chmod", "o-w", "/etc/mail"])
    assert rcpt(reader, closed_relay.address4)[0] == 250
