# SPDX-License-Identifier: GPL-3.0-or-later
"""The publisher: where it goes on, by what the engine has of this host."""

from __future__ import annotations

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing import publisher as module
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.clock import Clock, EngineClock
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.engine_worker import Parts
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.publisher import FOREIGN, Last, Publisher, last_of
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.status import Status
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.store import OwnEvent, Sent, Store

ENGINE = "engine1:6380"


class Connector:
    name = ENGINE

    def __init__(self, clock):
        self.clock = EngineClock(clock)
        self.clock.measure(clock.steady() + 5000, clock.steady(), clock.steady())


@pytest.fixture
def publisher(tmp_path, configured):
    """Return a publisher that has brought five changes, of which the last was number 7 of the stream, to the engine."""
    clock = Clock()
    store = Store(str(tmp_path), "mail1", configured.windows())
    events = [OwnEvent("customers", f"10.0.0.{number}", "login", clock.now()) for number in range(9)]
    store.join_own(events, clock.now())
    store.set_sent(ENGINE, Sent(5, 7, 8, 10))
    made = Publisher(Parts(configured, Connector(clock), store, Status(configured, str(tmp_path)), clock, lambda _reason: None))
    made.lost_stores = []
    made.on_store_lost = lambda: made.lost_stores.append(1)
    yield made
    store.close()


def keys_to_come(publisher):
    return [row.key[7:] for row in publisher._store.unsent(ENGINE, publisher._clock.now(), 100)]


ALL = list("012345678")


@pytest.mark.parametrize(
    ("last", "to_come", "n", "is_lost"),
    [
        (Last(7, 5), ALL[5:], 7, False),
        (Last(10, 8), ALL[8:], 10, False),
        (None, ALL, 7, False),
        (Last(4, 2), ALL[2:], 7, False),
        (Last(6, 5), ALL[5:], 7, False),
        (Last(9, 6), ALL, 9, True),
        (Last(6, 9), ALL, 7, True),
        (Last(99, 77), ALL, 99, True),
        (Last(7, 4), ALL, 7, True),
        (FOREIGN, ALL, 7, True),
    ],
    ids=str,
)
def test_it_goes_on_where_the_engine_is(publisher, last, to_come, n, is_lost):
    publisher._go_on_from(last)
    assert keys_to_come(publisher) == to_come
    assert publisher._store.sent(ENGINE).n == n
    assert bool(publisher.lost_stores) == is_lost
    if is_lost and last != FOREIGN:
        # Numbers that the engine may have in the stream do not come again.
        assert publisher._store.unsent(ENGINE, publisher._clock.now(), 1)[0].seq > last.seq


@pytest.mark.parametrize(("moved", "to_come"), [(900, ALL[5:]), (-900, ALL[5:]), (1100, ALL), (-1100, ALL)])
def test_all_comes_again_when_the_engine_s_clock_has_moved(publisher, moved, to_come):
    publisher._compare_clock()
    assert keys_to_come(publisher) == ALL[5:]
    steady = publisher._clock.steady()
    publisher._connector.clock = EngineClock(publisher._clock)
    publisher._connector.clock.measure(steady + 5000 + moved, steady, steady)
    publisher._compare_clock()
    assert keys_to_come(publisher) == to_come
    publisher._compare_clock()
    assert keys_to_come(publisher) == to_come


def test_nothing_is_published_that_is_ahead_of_the_engine(publisher):
    now = publisher._clock.now()
    publisher._store.shift(5000)
    rows = publisher._store.unsent(ENGINE, now, 100)
    moment = publisher._connector.clock.moment()
    commands, latest = publisher._commands(rows, 7, moment), moment.engine
    added = [command for command in commands if command[0] == "XADD"]
    assert len(added) == 4
    assert all(command[command.index("l") + 1] <= latest for command in added)
    assert [command[command.index("n") + 1] for command in added] == [8, 9, 10, 11]
    (members,) = [command for command in commands if command[0] == "ZADD"]
    assert len(members) == 2 + 2 * 4
    assert {command[0] for command in commands} == {"XADD", "ZADD", "ZREM", "ZREMRANGEBYSCORE", "PEXPIRE"}


@pytest.mark.parametrize(
    ("answer", "last"),
    [
        ([], None),
        ([[b"1-1", [b"v", b"a", b"n", b"5", b"s", b"7"]]], Last(5, 7)),
        ([[b"1-1", [b"n", b"5"]]], FOREIGN),
        ([[b"1-1", [b"n", "²".encode(), b"s", b"7"]]], FOREIGN),
        ([[b"1-1", [b"n", b"9" * 100, b"s", b"7"]]], FOREIGN),
        ([[b"1-1", None]], FOREIGN),
        ([[]], FOREIGN),
    ],
)
def test_the_last_entry_of_the_stream(answer, last):
    assert last_of(answer) == last


def test_the_commands_are_those_that_the_user_may_use(publisher):
    from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.access import COMMANDS, PUBLISH

    rows = publisher._store.unsent(ENGINE, publisher._clock.now(), module.MOST_ROWS)
    commands = publisher._commands(rows, 0, publisher._connector.clock.moment())
    assert {command[0].lower() for command in commands} <= set(COMMANDS[PUBLISH])
