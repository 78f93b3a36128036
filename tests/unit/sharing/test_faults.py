# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong with an engine: when it is over, every login is known everywhere, and nothing else is."""

from __future__ import annotations

import functools
import itertools
import signal
import time

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing import access, origin, publisher, receiver


@pytest.fixture
def keys():
    """Return what makes new addresses."""
    numbers = itertools.count(1)

    def make(count):
        return [f"10.9.{number >> 8}.{number & 255}" for number in itertools.islice(numbers, count)]

    return make


def log_in_all(host, keys):
    for key in keys:
        host.login(key)


def is_known(host, keys):
    return host.open == set(keys)


@pytest.fixture
def two(engine, host):
    """Return an engine and two hosts."""
    one = engine()
    return one, host("mail1", one), host("mail2", one)


def test_logins_while_the_engine_is_away_arrive_within_two_seconds_after_it(two, keys, eventually):
    one, first, second = two
    before, meanwhile = keys(50), keys(500)
    log_in_all(first, before)
    eventually(lambda: second.open == set(before))
    one.stop()
    log_in_all(first, meanwhile)
    eventually(lambda: first.status["alone_since"] is not None and second.status["alone_since"] is not None)
    time.sleep(3)
    one.start()
    began = time.monotonic()
    eventually(lambda: second.open == {*before, *meanwhile})
    assert time.monotonic() - began < 2
    eventually(lambda: first.status["alone_since"] is None)


def test_nothing_is_lost_when_the_engine_is_killed_again_and_again(two, keys, eventually):
    one, first, second = two
    answered = set()
    for _turn in range(4):
        for key in keys(40):
            first.login(key)
            answered.add(key)
            time.sleep(0.005)
        one.kill()
        log_in_all(first, more := keys(10))
        answered.update(more)
        one.start()
    eventually(lambda: second.open == answered)


def test_an_engine_that_comes_back_empty_gets_all_again(two, keys, engine, host, eventually):
    one, first, second = two
    log_in_all(first, known := keys(700))
    revoked, known = known[0], set(known[1:])
    eventually(lambda: len(second.open) == 700)
    second.revoke(revoked)
    eventually(lambda: first.open == known)
    one.kill()
    one.empty()
    time.sleep(1.1)  # the status has whole seconds
    again = int(time.time())
    one.start()
    eventually(lambda: all((each.status["engines"][0]["last_published"] or 0) >= again for each in (first, second)))
    # A host that comes after that has nothing but the engine.
    third = host("mail3", one)
    eventually(lambda: third.open == known)
    assert first.open == second.open == known
    assert revoked not in {key for _server, key, _what, _when in third.recorder.changes}


def test_a_host_that_was_away_never_opens_what_was_revoked_meanwhile(two, keys, host, eventually, monkeypatch):
    """The login and its revocation are in the streams of different hosts, each behind many others."""
    monkeypatch.setattr(receiver, "MOST_ENTRIES", 5)
    one, first, second = two
    third = host("mail3", one)
    eventually(lambda: third.status["engines"][0]["connected"])
    third.stop_sharer()
    log_in_all(first, revoked := keys(20))
    eventually(lambda: second.open == set(revoked))
    log_in_all(second, kept := keys(100))
    for key in revoked:
        second.revoke(key)
    eventually(lambda: first.open == set(kept))
    third.start_sharer()
    eventually(lambda: third.open == set(kept))
    assert not set(revoked) & {key for _server, key, _what, _when in third.recorder.changes}


def test_an_engine_that_goes_back_in_time_gets_what_it_lacks(two, keys, host, eventually):
    one, first, second = two
    log_in_all(first, known := keys(30))
    eventually(lambda: second.open == set(known))
    one.stop()
    one.copy("earlier")
    for turn in range(3):
        one.start()
        log_in_all(first, more := keys(20 + turn))
        known += more
        eventually(functools.partial(is_known, second, known))
        one.kill()
        one.roll_back("earlier")
    one.start()
    third = host("mail3", one)
    eventually(lambda: third.open == set(known))


def test_an_engine_that_hangs_holds_up_nothing_but_the_sharing(two, keys, eventually):
    one, first, second = two
    log_in_all(first, known := keys(10))
    eventually(lambda: second.open == set(known))
    one.send(signal.SIGSTOP)
    log_in_all(first, more := keys(100))
    eventually(lambda: first.status["alone_since"] is not None)
    time.sleep(2)
    one.send(signal.SIGCONT)
    began = time.monotonic()
    eventually(lambda: second.open == {*known, *more})
    assert time.monotonic() - began < 2.5


def test_a_full_engine_is_reported_and_works_on_when_it_has_room(two, keys, admin, eventually):
    one, first, second = two
    log_in_all(first, known := keys(10))
    eventually(lambda: second.open == set(known))
    with admin(one) as connection:
        connection.ask("CONFIG", "SET", "maxmemory", 1)
        log_in_all(first, more := keys(10))
        eventually(lambda: "raise its maxmemory" in (first.status["engines"][0]["error"] or ""))
        assert first.status["alone_since"] is not None
        assert second.open == set(known)
        connection.ask("CONFIG", "SET", "maxmemory", 0)
    eventually(lambda: second.open == {*known, *more})
    eventually(lambda: first.status["alone_since"] is None)


def test_one_of_two_engines_suffices(engine, host, keys, eventually):
    one, another = engine(), engine()
    first, second = host("mail1", one, another), host("mail2", one, another)
    log_in_all(first, known := keys(20))
    eventually(lambda: second.open == set(known))
    one.send(signal.SIGSTOP)
    began = time.monotonic()
    log_in_all(first, more := keys(20))
    known += more
    eventually(lambda: second.open == set(known))
    assert time.monotonic() - began < 1
    one.kill()
    one.empty()
    one.start()
    # The first engine has all again before the second one goes.
    eventually(lambda: all(each["unsent"] == 0 and each["connected"] for each in first.status["engines"]))
    another.kill()
    log_in_all(first, more := keys(20))
    known += more
    eventually(lambda: second.open == set(known))
    third = host("mail3", one)
    eventually(lambda: third.open == set(known))


def test_an_engine_has_all_that_it_had_when_it_starts_again(two, keys, host, eventually):
    """The hosts that published it may be away, and a revocation is nowhere else."""
    one, first, second = two
    log_in_all(first, known := keys(5))
    eventually(lambda: second.open == set(known))
    first.revoke(known[0])
    eventually(lambda: second.open == set(known[1:]))
    first.stop()
    second.stop()
    for end in (one.stop, one.kill):
        end()
        one.start()
    third = host("mail3", one)
    third.recorder.databases["customers"][known[0]] = int(time.time()) - 5
    third.recorder.add("customers", "", "check", 0)
    eventually(lambda: third.open == set(known[1:]))


def test_what_was_trimmed_before_it_was_read_comes_from_the_snapshot(two, keys, admin, eventually):
    one, first, second = two
    log_in_all(first, known := keys(5))
    eventually(lambda: second.open == set(known))
    second.stop_sharer()
    log_in_all(first, more := keys(300))
    eventually(lambda: first.status["engines"][0]["unsent"] == 0)
    with admin(one) as connection:
        connection.ask("XTRIM", access.key("mail1", access.STREAM), "MAXLEN", 1)
    second.start_sharer()
    eventually(lambda: second.open == {*known, *more})


def test_many_with_the_same_stamp_all_come_with_a_snapshot(engine, host, keys, eventually, monkeypatch):
    monkeypatch.setattr(origin, "PAGE", 7)
    one = engine()
    first, ms = host("mail1", one), int(time.time() * 1000) - 5000
    for key in (known := keys(50)):
        first.login(key, ms=ms + (0 if len(key) % 2 else 1))
    eventually(lambda: first.status["engines"][0]["unsent"] == 0)
    second = host("mail2", one)
    eventually(lambda: second.open == set(known))


def test_a_host_that_lost_its_store_keeps_its_revocations(two, keys, eventually):
    one, first, second = two
    log_in_all(first, known := keys(6))
    eventually(lambda: second.open == set(known))
    first.revoke(known[0])
    second.revoke(known[1])
    eventually(lambda: first.open == second.open == set(known[2:]))
    stamp = int(time.time()) - 2
    first.lose_store()
    # As from a backup that was made before.
    first.recorder.databases["customers"].update({known[0]: stamp, known[1]: stamp})
    first.start_sharer()
    eventually(lambda: first.open == set(known[2:]))
    assert second.open == set(known[2:])
    # Not even if the engine is lost as well: the revocation is the host's own again.
    eventually(lambda: first.status["engines"][0]["unsent"] == 0)
    one.kill()
    one.empty()
    second.lose_store()
    second.recorder.databases["customers"].update({known[0]: stamp, known[1]: stamp})
    one.start()
    second.start_sharer()
    eventually(lambda: known[0] not in second.open)
    assert first.open == set(known[2:])
    # The other one was said by the host that has lost all; the engine is its only memory.
    log_in_all(first, more := keys(1))
    eventually(lambda: more[0] in second.open)


def test_a_store_that_is_damaged_is_made_anew(two, keys, eventually):
    _one, first, second = two
    log_in_all(first, known := keys(6))
    eventually(lambda: second.open == set(known))
    second.stop_sharer()
    (second.directory / "state" / "store.db").write_bytes(b"\xa5" * 8192)
    second.recorder.databases["customers"].clear()
    second.start_sharer()
    eventually(lambda: second.open == set(known))
    assert (second.directory / "state" / "store.db.damaged").exists()


def test_a_killed_recorder_and_one_that_is_away_lose_nothing(two, keys, eventually):
    _one, first, second = two
    log_in_all(first, known := keys(5))
    first.recorder.restart()
    second.recorder.stop()
    log_in_all(first, more := keys(5))
    eventually(lambda: not second.status["recorder"]["reachable"])
    second.recorder.start()
    eventually(lambda: second.open == {*known, *more})
    eventually(lambda: second.status["recorder"]["reachable"] and second.status["todo"] == 0)


def test_the_end_of_a_full_outbox_is_found_in_the_database(two, eventually):
    _one, first, second = two
    eventually(lambda: first.status["recorder"]["reachable"])
    time.sleep(0.3)
    first.recorder.databases["customers"]["10.0.0.9"] = int(time.time())
    first.recorder.is_lost = True
    first.login("10.0.0.8")
    eventually(lambda: second.open == {"10.0.0.8", "10.0.0.9"})
    first.recorder.databases["customers"]["10.0.0.10"] = int(time.time())
    first.recorder.add("customers", "", "check", 0)
    eventually(lambda: len(second.open) == 3)
    first.recorder.databases["customers"]["10.0.0.11"] = int(time.time())
    first.recorder.boot = "boot-2"
    first.recorder.restart()
    first.login("10.0.0.12")
    eventually(lambda: len(second.open) == 5)


def test_two_hosts_with_one_name_are_reported(engine, host, keys, admin, eventually):
    one = engine()
    first = host("mail1", one)
    log_in_all(first, keys(3))
    eventually(lambda: first.status["engines"][0]["unsent"] == 0)
    fields = ("v", "customers", "k", "10.0.0.1", "l", 0, "r", 0, "e", 0, "n", 77, "s", 99)
    with admin(one) as connection:
        connection.ask("XADD", access.key("mail1", access.STREAM), "*", *fields)
    log_in_all(first, more := keys(3))
    second = host("mail2", one)
    eventually(lambda: set(more) <= second.open)


def test_the_engine_takes_a_batch_as_a_whole(engine, host, keys, eventually, monkeypatch):
    monkeypatch.setattr(publisher, "MOST_ROWS", 10)
    one = engine()
    first, second = host("mail1", one), host("mail2", one)
    log_in_all(first, known := keys(205))
    eventually(lambda: second.open == set(known))
