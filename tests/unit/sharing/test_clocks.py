# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts whose clocks are wrong, or are set while they run: nothing opens or closes because of that."""

from __future__ import annotations

import time

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing import receiver
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.clock import Clock, EngineClock

TEN_MINUTES = 600_000


def age_in(host, key):
    """Return how old the entry is for that host, in seconds."""
    return host.clock.shown() / 1000 - host.recorder.databases["customers"][key]


# On guests of one machine, which have one clock, there is no such test.
@pytest.fixture
def revoked(engine, host, eventually):
    """An engine, a host that has let 10.0.0.1 in, and a host that has revoked it."""
    one = engine()
    first, second = host("mail1", one), host("mail2", one)
    first.login("10.0.0.1")
    eventually(lambda: second.open == {"10.0.0.1"})
    second.revoke("10.0.0.1")
    eventually(lambda: not first.open)
    return one, first, second


@pytest.mark.fault("wrong-clock")
@pytest.mark.parametrize(
    "ahead", [(TEN_MINUTES, 0), (0, TEN_MINUTES), (-TEN_MINUTES, TEN_MINUTES), (TEN_MINUTES, -TEN_MINUTES)]
)
def test_the_age_of_a_login_is_right_on_hosts_whose_clocks_are_not(engine, host, eventually, ahead):
    one = engine()
    first, second = host("mail1", one, ahead=ahead[0]), host("mail2", one, ahead=ahead[1])
    began = time.monotonic()
    first.login("10.0.0.1")
    eventually(lambda: second.open == {"10.0.0.1"})
    second.login("10.0.0.2")
    eventually(lambda: first.open == {"10.0.0.1", "10.0.0.2"})
    for each in (first, second):
        for key in each.open:
            assert -0.5 <= age_in(each, key) <= time.monotonic() - began + 1.5
    # A host that is behind revokes what a host that is ahead has let in, and the other way round.
    second.revoke("10.0.0.1")
    first.revoke("10.0.0.2")
    eventually(lambda: not first.open and not second.open)
    time.sleep(1.2)
    first.login("10.0.0.1")
    eventually(lambda: second.open == {"10.0.0.1"})


@pytest.mark.fault("wrong-clock")
@pytest.mark.parametrize("step", [TEN_MINUTES, -TEN_MINUTES])
def test_a_clock_that_is_set_changes_nothing_of_what_is_known(revoked, host, eventually, step):
    one, first, second = revoked
    time.sleep(1.1)
    first.login("10.0.0.2")
    eventually(lambda: second.open == {"10.0.0.2"})
    second.clock.ahead = step
    time.sleep(0.5)
    second.login("10.0.0.3")
    first.login("10.0.0.4")
    eventually(lambda: {"10.0.0.2", "10.0.0.3", "10.0.0.4"} == second.open)
    eventually(lambda: {"10.0.0.2", "10.0.0.3", "10.0.0.4"} == first.open)
    # A host that comes later sees the same, and the login that was revoked before the clock was set stays revoked.
    third = host("mail3", one)
    eventually(lambda: len(third.open) == 3)
    assert "10.0.0.1" not in third.open
    assert all(age_in(third, key) < 30 for key in third.open)
    second.revoke("10.0.0.4")
    eventually(lambda: "10.0.0.4" not in first.open and "10.0.0.4" not in third.open)


@pytest.mark.fault("wrong-clock")
@pytest.mark.parametrize("step", [TEN_MINUTES, -TEN_MINUTES])
def test_a_clock_that_was_set_and_nobody_has_noticed_yet_opens_nothing_that_was_revoked(engine, host, eventually, step):
    one = engine()
    first, second = host("mail1", one), host("mail2", one)
    first.login("10.0.0.1")
    first.login("10.0.0.2")
    eventually(lambda: second.open == {"10.0.0.1", "10.0.0.2"})
    time.sleep(1.1)
    second.revoke("10.0.0.1")
    eventually(lambda: first.open == {"10.0.0.2"})
    first._stopped.set()
    time.sleep(0.3)
    first.clock.ahead = step
    # What is received before the clock is looked at, and what is published.
    second.revoke("10.0.0.2")
    eventually(lambda: first.sharer.store._row("customers", "10.0.0.2").stamps.revoked)
    first.login("10.0.0.3")
    eventually(lambda: second.open == {"10.0.0.3"})
    time.sleep(0.5)
    first.sharer.care()
    for key in ("10.0.0.1", "10.0.0.2"):
        stamps = first.sharer.store._row("customers", key).stamps
        assert stamps.login < stamps.revoked <= first.clock.shown()
    third = host("mail3", one)
    eventually(lambda: "10.0.0.3" in third.open)
    assert second.open == third.open == {"10.0.0.3"}
    # What is stamped in the future is not removed from outside.
    assert first.open - {"10.0.0.2"} == {"10.0.0.3"}
    assert age_in(third, "10.0.0.3") < 30


@pytest.mark.parametrize("step", [TEN_MINUTES, -TEN_MINUTES])
def test_a_clock_that_was_set_while_the_sharer_was_away(revoked, host, eventually, step):
    _one, first, second = revoked
    second.stop_sharer()
    second.clock.ahead = step
    second.start_sharer()
    first.login("10.0.0.2")
    eventually(lambda: second.open == {"10.0.0.2"})
    second.login("10.0.0.3")
    eventually(lambda: first.open == {"10.0.0.2", "10.0.0.3"})
    assert all(age_in(first, key) >= -0.5 for key in first.open)


def test_no_login_of_the_future_is_published_and_no_permanent_one(engine, host, eventually):
    one = engine()
    first, second = host("mail1", one), host("mail2", one)
    now = int(time.time())
    first.recorder.databases["customers"].update({"10.0.0.1": 253402214400, "10.0.0.2": now + 3600, "10.0.0.3": now - 3601})
    first.login("10.0.0.4", ms=(now + 3600) * 1000)
    first.recorder.add("customers", "", "check", 0)
    first.login("10.0.0.5")
    eventually(lambda: "10.0.0.5" in second.open)
    time.sleep(0.5)
    assert second.open == {"10.0.0.5"}
    # Nor is it shortened from outside.
    second.revoke("10.0.0.1")
    second.revoke("10.0.0.2")
    second.revoke("10.0.0.5")
    eventually(lambda: "10.0.0.5" not in first.open)
    assert {"10.0.0.1", "10.0.0.2"} <= first.open


@pytest.mark.parametrize("step", [TEN_MINUTES, -TEN_MINUTES])
def test_an_engine_whose_clock_is_set_is_measured_again(engine, host, eventually, step):
    """What a host knows of the engine's clock is wrong by as much as that was set."""
    one = engine()
    first, second = host("mail1", one), host("mail2", one)
    first.login("10.0.0.1")
    eventually(lambda: second.open == {"10.0.0.1"})
    (clock,) = second.sharer.clocks.values()
    clock._ahead -= step
    first.login("10.0.0.2")
    eventually(lambda: "10.0.0.2" in second.open)
    second.login("10.0.0.3")
    eventually(lambda: "10.0.0.3" in first.open)
    assert not second.status["engines"][0]["refused"]
    (clock,) = first.sharer.clocks.values()
    clock._ahead -= step
    first.login("10.0.0.4")
    eventually(lambda: "10.0.0.4" in second.open)
    time.sleep(0.5)
    second.revoke("10.0.0.4")
    eventually(lambda: "10.0.0.4" not in first.open)


def test_a_revocation_that_was_taken_for_older_than_it_is_closes_all_the_same(engine, host, eventually, monkeypatch):
    monkeypatch.setattr(receiver, "CHECK_MS", 1000)
    one = engine()
    first, second = host("mail1", one), host("mail2", one)
    first.login("10.0.0.1")
    eventually(lambda: second.open == {"10.0.0.1"})
    time.sleep(1.1)
    # As if the engine's clock had been set back since it was measured here.
    (clock,) = second.sharer.clocks.values()
    clock._ahead += TEN_MINUTES
    first.revoke("10.0.0.1")
    eventually(lambda: not second.open)
    assert clock.moves == 1


class Steady(Clock):
    def __init__(self):
        self.ms, self.ahead = 1000, 0
        super().__init__()

    def shown(self):
        return self.ms + self.ahead

    def steady(self):
        return self.ms


def test_the_best_measurement_is_kept_until_one_contradicts_it():
    clock = Steady()
    measured = EngineClock(clock)
    measured.measure(5_000, 900, 1000)
    assert measured.offset() == 4050
    measured.measure(5_090, 980, 1000)
    assert measured.offset() == 4100
    # A slow answer that fits changes nothing, and so does one that is quick and fits.
    measured.measure(5_000, 500, 1000)
    measured.measure(5_103, 999, 1000)
    assert abs(measured.offset() - 4103) <= 1
    assert measured.moves == 0
    measured.measure(65_103, 999, 1000)
    assert measured.moves == 1
    assert abs(measured.offset() - 64_103) <= 1


def test_to_set_the_host_s_clock_does_not_move_the_engine_s():
    clock = Steady()
    measured = EngineClock(clock)
    measured.measure(5_000, 1000, 1000)
    clock.ahead = 60_000
    assert measured.moment() == (5_000, 1000)
    clock.follow()
    assert measured.moment() == (5_000, 61_000)
    assert measured.offset() == -56_000
