# SPDX-License-Identifier: GPL-3.0-or-later
"""The ruleset looks at the entry's timestamp at RCPT, whether or not cron ran."""

from __future__ import annotations

import time

import pytest

from support.mail import REMOTE, Smtp, rcpt

DAY = 1440 * 60
AGES = [
    pytest.param(0, 250, id="fresh"),
    pytest.param(DAY - 60, 250, id="a minute before the end"),
    pytest.param(DAY + 1, 550, id="a second after the end"),
    pytest.param(30 * DAY, 550, id="a month old"),
    pytest.param(-DAY, 250, id="in the future"),
]


@pytest.mark.parametrize(("age", "code"), AGES)
@pytest.mark.fault("no-cron")
def test_an_entry_opens_the_relay_until_the_window_is_over(closed_relay, reader, age, code):
    closed_relay.run(["vsmtprelay", "add", reader.address4, str(int(time.time()) - age)])
    assert rcpt(reader, closed_relay.address4)[0] == code


@pytest.mark.parametrize("value", ["abc", "0x7fffffff", "0777777777777", "99999999999999", "-5", "1_000"])
@pytest.mark.fault("malformed-value")
def test_a_value_that_is_not_a_timestamp_opens_nothing(closed_relay, reader, value):
    closed_relay.run(["makemap", "hash", "/etc/mail/relayers"], input=f"{reader.address4}\t{value}\n")
    assert rcpt(reader, closed_relay.address4)[0] == 550


@pytest.mark.fault("no-cron")
def test_the_window_ends_within_a_session_that_stays_open(closed_relay, reader):
    with Smtp(reader, closed_relay.address4) as session:
        closed_relay.run(["vsmtprelay", "add", reader.address4, str(int(time.time()) - DAY + 4)])
        assert session.ask(REMOTE)[0] == 250
        deadline = time.monotonic() + 30
        while (answer := session.ask(REMOTE)[0]) == 250 and time.monotonic() < deadline:
            time.sleep(0.2)
        assert answer == 550


@pytest.mark.fault("open-session")
def test_a_session_that_is_open_sees_each_change_at_once(closed_relay, reader):
    with Smtp(reader, closed_relay.address4) as session:
        # No more than three refusals: after that Debian's sendmail answers a client slowly.
        assert session.ask(REMOTE)[0] == 550
        for _ in range(2):
            closed_relay.run(["vsmtprelay", "add", reader.address4])
            assert session.ask(REMOTE)[0] == 250
            closed_relay.run(["vsmtprelay", "delete", reader.address4])
            assert session.ask(REMOTE)[0] == 550
