# SPDX-License-Identifier: GPL-3.0-or-later
"""An engine, a link or a program fails while users log in: nothing is lost, and each host works alone meanwhile."""

from __future__ import annotations

import contextlib
import time

import pytest

from support.mail import log_in, rcpt
from support.sharing import OPEN, REFUSED, seconds_until
from support.waiting import wait_until

from .faults import OF_ENGINES, OF_HOSTS, keep_killing, sharer_killed, silent
from .fleet import ENGINES, HOSTS, RECORDER, SHARER

MOST_SECONDS = 1.0
# After the end of a fault; a program that was killed needs a second more before systemd starts it, and half a second to start.
MOST_AFTER = 2.0
TO_START = 2.0
WHOLE_SECOND = 1.1
LOGINS, KILLED_LOGINS, RATE = 5, 25, 10


def log_in_often(fleet, reader="mail1", count=LOGINS):
    """Let clients log in one after the other; return their addresses."""
    return [fleet.log_in(reader)[0].address4 for _ in range(count)]


def until_everywhere(fleet, addresses, since, origins=("mail1", "mail3")):
    """Return how many seconds after ``since`` all hosts have ``addresses``; see that ``origins`` have them on all engines."""
    wanted, left = set(addresses), list(HOSTS)
    deadline = time.monotonic() + 15
    while left:
        missing = wanted - set(fleet.listed(left[0]))
        if not missing:
            left.pop(0)
        else:
            assert time.monotonic() < deadline, f"{len(missing)} of {len(wanted)} are missing on {left[0]}"
            time.sleep(0.02)
    taken = time.monotonic() - since
    for engine in ENGINES:
        wait_until(lambda engine=engine: wanted <= set().union(*(fleet.on_engine(engine, name) for name in origins)), 10)
    return taken


@pytest.mark.parametrize("fault", OF_ENGINES.values(), ids=OF_ENGINES)
@pytest.mark.fault("one-engine", "no-engine")
def test_an_engine_fails_and_nobody_notices_both_fail_and_each_host_goes_on_alone_until_all_is_made_up_for(fleet, fault):
    with contextlib.ExitStack() as failing:
        failing.enter_context(fault(fleet, "engine1"))
        gone, at = fleet.log_in()
        opened = list(seconds_until(gone, fleet.relays, OPEN, at).values())
        for _ in range(LOGINS - 1):
            source, at = fleet.log_in()
            opened += seconds_until(source, fleet.relays, OPEN, at).values()
        time.sleep(WHOLE_SECOND)
        at = fleet.command("mail3", "delete", gone.address4)
        closed = list(seconds_until(gone, fleet.relays, REFUSED, at).values())

        failing.enter_context(fault(fleet, "engine2"))
        pop_only, both_kinds = log_in_often(fleet), log_in_often(fleet, "mail3")
        assert set(both_kinds) <= set(fleet.listed("mail3"))
    taken = until_everywhere(fleet, pop_only + both_kinds, time.monotonic())
    print(
        f"one engine: relayed after {max(opened) * 1000:.0f} ms, refused after {max(closed) * 1000:.0f} ms at most; "
        f"both engines: on all hosts {taken:.2f} s after the end"
    )
    assert max(opened) <= MOST_SECONDS
    assert max(closed) <= MOST_SECONDS
    assert taken <= MOST_AFTER
    assert gone.address4 not in fleet.listed("mail2")


CUTS = {"is silent": HOSTS, "is deaf": ("mail2",), "is mute": ("mail1",)}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("fault", [OF_ENGINES["is stopped"], OF_ENGINES["is killed"]], ids=["stopped", "killed"])
@pytest.mark.fault("one-engine")
def test_an_engine_starts_with_all_that_it_had_though_no_host_is_there_to_publish_it_again(fleet, engine, fault):
    source, _at = fleet.log_in("mail3")
    wait_until(lambda: source.address4 in fleet.on_engine(engine, "mail3"), 5)
    for name in HOSTS:
        fleet[name].run(["systemctl", "stop", SHARER])
    try:
        before = fleet.on_engine(engine, "mail3")
        with fault(fleet, engine):
            pass
        wait_until(lambda: fleet.on_engine(engine, "mail3") == before, 10)
    finally:
        for name in HOSTS:
            fleet[name].run(["systemctl", "start", SHARER])


@pytest.mark.parametrize(
    ("name", "words"),
    [pytest.param(name, words, marks=() if name in CUTS[words] else pytest.mark.full) for words in CUTS for name in HOSTS],
)
@pytest.mark.fault("no-engine")
def test_a_host_that_is_cut_off_works_alone_says_so_and_makes_up_for_it(fleet, name, words):
    with OF_HOSTS[words](fleet, name):
        addresses = log_in_often(fleet) + log_in_often(fleet, "mail3")
        own = fleet.listed(name)
        # Silence is noticed after three seconds.
        wait_until(lambda: not any(fleet.is_connected(name, engine) for engine in ENGINES), 6)
        wait_until(lambda: fleet.status(name)["alone_since"], 3)
    taken = until_everywhere(fleet, addresses, time.monotonic())
    print(f"{name} {words}: all logins are on all hosts {taken:.2f} s after the end")
    assert taken <= MOST_AFTER
    if name == "mail3":
        assert set(addresses[LOGINS:]) <= set(own)
    wait_until(lambda: not fleet.status(name)["alone_since"], 5)


@pytest.mark.parametrize("name", HOSTS)
@pytest.mark.parametrize("unit", [SHARER, RECORDER], ids=["sharer", "recorder"])
@pytest.mark.fault("sharer-killed", "recorder-killed")
def test_a_program_that_is_killed_again_and_again_loses_no_login_of_another_host(fleet, load, name, unit):
    reader = "mail3" if name == "mail1" else "mail1"
    first = 20_000 + 100 * (2 * HOSTS.index(name) + (unit == SHARER))
    logins = load(reader, f"--count={KILLED_LOGINS}", f"--rate={RATE}", "--threads=10", f"--first={first}")
    keep_killing(fleet, name, unit, KILLED_LOGINS / RATE)
    ended = time.monotonic()
    addresses = [each["address"] for each in logins.result() if each["ok"]]
    assert len(addresses) == KILLED_LOGINS
    taken = until_everywhere(fleet, addresses, ended)
    print(f"all logins are on all hosts {taken:.2f} s after the last kill")
    assert taken <= MOST_AFTER + TO_START


@pytest.mark.fault("sharer-killed")
def test_a_sharer_that_is_killed_loses_no_login_of_its_own_host(fleet, load):
    logins = load("mail1", f"--count={KILLED_LOGINS}", f"--rate={RATE}", "--threads=10", "--first=19000")
    keep_killing(fleet, "mail1", SHARER, KILLED_LOGINS / RATE)
    ended = time.monotonic()
    addresses = [each["address"] for each in logins.result() if each["ok"]]
    taken = until_everywhere(fleet, addresses, ended)
    print(f"all logins are on all hosts {taken:.2f} s after the last kill")
    assert taken <= MOST_AFTER + TO_START


@pytest.mark.fault("sharer-killed")
def test_a_host_that_has_lost_all_that_it_knew_learns_it_again(fleet):
    addresses = log_in_often(fleet) + log_in_often(fleet, "mail3")
    until_everywhere(fleet, addresses, time.monotonic())
    with OF_HOSTS["loses what its sharer knows"](fleet, "mail2"):
        fleet["mail2"].run(["rm", "/etc/mail/relayers.db"])
    taken = until_everywhere(fleet, addresses, time.monotonic())
    print(f"all logins are there again {taken:.2f} s after its start")
    assert taken <= MOST_AFTER + TO_START


def test_a_thousand_logins_made_while_a_host_is_cut_off_arrive_within_two_seconds(fleet, load):
    with silent(fleet, "mail1"):
        results = load("mail1", "--count=1000", "--threads=20", "--first=10000").result()
        addresses = [each["address"] for each in results if each["ok"]]
        assert len(addresses) == 1000
        assert not set(addresses) & set(fleet.listed("mail2"))
    begin = time.monotonic()
    taken = until_everywhere(fleet, addresses, begin)
    print(f"1000 logins are on all hosts {taken:.2f} s after the end")
    assert taken <= MOST_AFTER


def test_a_login_is_answered_as_fast_while_no_engine_can_be_reached(fleet):
    def seconds_of_logins():
        taken = []
        for _ in range(2 * LOGINS):
            source = fleet.address()
            begin = time.monotonic()
            assert log_in(source, fleet.addresses["mail1"])
            taken.append(time.monotonic() - begin)
        return sorted(taken)

    with_engines = seconds_of_logins()
    with contextlib.ExitStack() as cut:
        for engine in ENGINES:
            cut.enter_context(OF_ENGINES["is silent"](fleet, engine))
        without = seconds_of_logins()
    middle = [values[len(values) // 2] * 1000 for values in (with_engines, without)]
    print(f"a login takes {middle[0]:.1f} ms with engines, {middle[1]:.1f} ms without (p50)")
    assert without[-1] < 1
    assert middle[1] < middle[0] + 20


def test_a_sharer_that_starts_while_no_engine_answers_keeps_what_its_host_records(fleet):
    with contextlib.ExitStack() as cut:
        for engine in ENGINES:
            cut.enter_context(OF_ENGINES["is stopped"](fleet, engine))
        with sharer_killed(fleet, "mail3"):
            addresses = log_in_often(fleet, "mail3")
        assert rcpt(fleet.log_in("mail3")[0], fleet.addresses["mail3"])[0] == OPEN
    taken = until_everywhere(fleet, addresses, time.monotonic())
    assert taken <= MOST_AFTER + TO_START
