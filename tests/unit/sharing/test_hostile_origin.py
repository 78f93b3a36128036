# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host in wrong hands writes with its own users: it harms itself, and the others go on."""

from __future__ import annotations

import itertools
import time

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing import access, gate, receiver
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.engine import CommandError
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.origin import Origin

from .conftest import secret_of

STREAM = access.key("mail3", access.STREAM)
LOGINS = access.key("mail3", access.LOGINS)


@pytest.fixture
def fleet(engine, host, admin, eventually):
    """Return two hosts that read, and a connection with the secret of a third one."""
    one = engine()
    first, second = host("mail1", one), host("mail2", one)
    eventually(lambda: all(each.status["engines"][0]["connected"] for each in (first, second)))
    with admin(one, "mail3-pub", secret_of("mail3")) as connection:
        yield first, second, connection


def entry(**changes):
    now = int(time.time() * 1000)
    fields = {"v": "customers", "k": "10.66.0.1", "l": now, "r": 0, "e": 0, "n": 1, "s": 1, **changes}
    return list(itertools.chain.from_iterable(fields.items()))


POISON = {
    "no text": {"k": b"\xff\xfe", "v": b"\xff"},
    "infinity": {"l": "inf"},
    "a huge number": {"l": "9" * 100_000},
    "a digit that int() does not take": {"n": "²", "l": "²"},
    "a huge field": {"k": "1" * 900_000},
    "the future": {"l": 253402214400000},
    "loopback": {"k": "127.0.0.1"},
    "a network": {"k": "10.0.0.0/8"},
    "a name that no server has": {"v": "-elsewhere"},
    "fields without a value": {"v": ""},
}


@pytest.mark.parametrize("poison", POISON)
def test_poison_is_counted_and_stops_nobody(fleet, eventually, poison):
    first, second, connection = fleet
    connection.ask("XADD", STREAM, "*", *entry(**POISON[poison]))
    first.login("10.0.0.1")
    connection.ask("XADD", STREAM, "*", *entry(n=2))
    eventually(lambda: second.open == {"10.0.0.1", "10.66.0.1"})
    eventually(lambda: first.open == {"10.0.0.1", "10.66.0.1"})
    eventually(lambda: sum(second.status["engines"][0]["refused"]["mail3"].values()) == 1)
    assert second.status["engines"][0]["connected"]


def test_a_server_that_this_host_does_not_have_is_passed_over(fleet, eventually):
    _first, second, connection = fleet
    connection.ask("XADD", STREAM, "*", *entry(v="elsewhere"))
    connection.ask("XADD", STREAM, "*", *entry(n=2))
    eventually(lambda: second.open == {"10.66.0.1"})
    assert not second.status["engines"][0]["refused"]


def test_poison_in_a_sorted_set_stops_nobody(fleet, host, eventually):
    first, second, connection = fleet
    now = int(time.time() * 1000)
    members = [("inf", "customers 10.66.0.2"), (1e300, "customers 10.66.0.3"), (now + 0.5, "customers 10.66.0.4")]
    members += [
        (now, b"\xff\xfe"),
        (now, "customers"),
        (now, ""),
        (now, "customers 10.66.0.1"),
        (now + 10**9, "customers 10.66.0.5"),
    ]
    connection.ask("ZADD", LOGINS, *itertools.chain.from_iterable(members))
    connection.ask("XADD", STREAM, "*", *entry(k="10.66.0.9", n=5))
    first.login("10.0.0.1")
    eventually(lambda: {"10.0.0.1", "10.66.0.1", "10.66.0.9"} == second.open)
    assert second.status["engines"][0]["refused"]["mail3"]


def test_something_else_in_place_of_a_key_stops_nobody(fleet, host, eventually):
    first, second, connection = fleet
    connection.ask("ZADD", STREAM, 1, "x")
    connection.ask("XADD", LOGINS, "*", "x", 1)
    first.login("10.0.0.1")
    eventually(lambda: second.open == {"10.0.0.1"})
    # It comes while the others wait for the next entry.
    first.login("10.0.0.2")
    eventually(lambda: second.open == {"10.0.0.1", "10.0.0.2"})
    eventually(lambda: second.status["engines"][0]["refused"]["mail3"]["form"] >= 1)
    second.stop_sharer()
    second.start_sharer()
    first.login("10.0.0.3")
    eventually(lambda: "10.0.0.3" in second.open)


def test_an_id_of_the_future_makes_no_stamp_of_the_future(fleet, eventually):
    first, second, connection = fleet
    connection.ask("XADD", STREAM, "9999999999999-0", *entry(l=9999999999999))
    connection.ask("XADD", STREAM, "*", *entry(n=2, k="10.66.0.2"))
    connection.ask("XADD", STREAM, "18446744073709551615-18446744073709551615", *entry(n=3, k="10.66.0.3"))
    eventually(lambda: second.open == {"10.66.0.2", "10.66.0.3"})
    first.login("10.0.0.1")
    eventually(lambda: "10.0.0.1" in second.open)
    assert max(second.recorder.databases["customers"].values()) <= time.time()


def test_one_origin_opens_a_bounded_number_of_addresses(fleet, eventually, monkeypatch):
    monkeypatch.setattr(gate, "MOST_ADDRESSES", 5)
    first, second, connection = fleet
    now = int(time.time() * 1000)
    for number in range(9):
        connection.ask("XADD", STREAM, "*", *entry(k=f"10.66.0.{number}", n=number + 1, l=now - 60_000))
    eventually(lambda: second.status["engines"][0]["refused"].get("mail3", {}).get("limit") == 4)
    first.login("10.0.0.1")
    eventually(lambda: len(second.open) == 6)
    # What it revokes leaves room only for what it had not named before; what it opened before counts again.
    connection.ask("XADD", STREAM, "*", *entry(k="10.66.0.0", n=10, l=now - 60_000, r=now - 30_000))
    eventually(lambda: "10.66.0.0" not in second.open)
    connection.ask("XADD", STREAM, "*", *entry(k="10.66.0.8", n=11, l=now))
    eventually(lambda: "10.66.0.8" in second.open)
    connection.ask("XADD", STREAM, "*", *entry(k="10.66.0.0", n=12, l=now))
    eventually(lambda: second.status["engines"][0]["refused"]["mail3"]["limit"] == 5)
    assert "10.66.0.0" not in second.open


def test_one_origin_names_a_bounded_number_of_addresses(fleet, eventually, monkeypatch):
    monkeypatch.setattr(gate, "MOST_NAMED", 5)
    _first, second, connection = fleet
    for number in range(9):
        connection.ask("XADD", STREAM, "*", *entry(k=f"10.66.0.{number}", n=number + 1, l=0, r=int(time.time() * 1000)))
    eventually(lambda: second.status["engines"][0]["refused"].get("mail3", {}).get("limit") == 4)


def test_jumps_in_the_numbers_do_not_keep_the_readers_busy(fleet, eventually):
    first, second, connection = fleet
    with_n = itertools.count(1, 3)
    for _turn in range(30):
        connection.ask("XADD", STREAM, "*", *entry(n=next(with_n)))
        time.sleep(0.02)
    first.login("10.0.0.1")
    eventually(lambda: "10.0.0.1" in second.open)


@pytest.mark.parametrize(
    "command",
    [
        ("XADD", access.key("mail1", access.STREAM), "*", "v", "customers"),
        ("ZADD", access.key("mail1", access.LOGINS), 1, "x"),
        ("PEXPIRE", access.key("mail1", access.LOGINS), 1),
        ("ZREMRANGEBYSCORE", access.key("mail1", access.REVOKED), "-inf", "+inf"),
        ("XREVRANGE", access.key("mail1", access.STREAM), "+", "-"),
        ("DEL", STREAM),
        ("FLUSHALL",),
        ("CONFIG", "GET", "*"),
        ("EVAL", "return 1", 0),
        ("KEYS", "*"),
        ("ACL", "LIST"),
        ("PUBLISH", "x", "y"),
        ("SET", "other", 1),
    ],
    ids=lambda command: " ".join(map(str, command)),
)
def test_a_publisher_may_write_its_own_keys_only(fleet, command):
    with pytest.raises(CommandError):
        fleet[2].ask(*command)


@pytest.mark.parametrize(
    "command", [("XADD", STREAM, "*", "v", "x"), ("ZADD", LOGINS, 1, "x"), ("PEXPIRE", LOGINS, 1), ("GET", "x")]
)
def test_a_subscriber_may_only_read(engine, admin, command):
    one = engine()
    with admin(one, "mail3-sub", secret_of("mail3")) as connection, pytest.raises(CommandError):
        connection.ask(*command)


def test_a_host_that_says_ever_more_holds_up_what_others_open_for_a_time_only(engine, host, eventually, monkeypatch):
    pages = Origin._pages

    def endless(origin, *words):
        return itertools.repeat([]) if origin.name == "mail3" else pages(origin, *words)

    monkeypatch.setattr(Origin, "_pages", endless)
    monkeypatch.setattr(receiver, "LONGEST_HOLD_MS", 500)
    one = engine()
    first = host("mail1", one)
    first.login("10.0.0.1")
    eventually(lambda: first.status["engines"][0]["unsent"] == 0)
    second = host("mail2", one)
    eventually(lambda: second.open == {"10.0.0.1"}, seconds=10)
