# SPDX-License-Identifier: GPL-3.0-or-later
"""The gate: what counts of all that another host can write. Each of its rules is taken out, and a test notices."""

from __future__ import annotations

import inspect
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing import gate
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.clock import Moment
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.configuration import Configuration, SharedServer
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.gate import (
    ADDRESS,
    FUTURE,
    LOOPBACK_ADDRESS,
    NUMBER,
    SERVER,
    SLACK_MS,
)
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.merge import NOTHING, Stamps, is_open, join

WINDOW = 3_600_000
CONFIGURED = Configuration(
    "mail1",
    (),
    "",
    (
        SharedServer("customers", frozenset({"mail1", "mail2"}), WINDOW),
        SharedServer("other", frozenset({"mail1", "mail3"}), WINDOW // 2),
    ),
    True,
    True,
)
ENGINE = 1_700_000_000_000
HOST = ENGINE - 600_000
NOW = Moment(ENGINE, HOST)
ORIGIN, KEY = "mail2", b"10.0.0.1"


def judged(module, origin=ORIGIN, server=b"customers", key=KEY, login=ENGINE - 1000, revoked=0, renewed=0, latest=ENGINE):
    """Return the stamps of an entry, None if it does not matter, or the reason for which it is refused."""
    numbers = [each if isinstance(each, bytes) else b"%d" % each for each in (login, revoked, renewed)]
    try:
        entry = module.Gate(CONFIGURED).judge(origin, server, key, numbers, latest, NOW)
    except module.Refused as refusal:
        return refusal.reason
    return entry and entry.stamps


# For each rule: a case in which it counts, and what comes of that.
CASES = {
    "an entry that fits is taken in the time of this host": ({}, Stamps(HOST - 1000, 0)),
    "a revocation is taken": ({"login": 0, "revoked": ENGINE - 7}, Stamps(0, HOST - 7)),
    "a host may not speak for a server that it does not have": ({"origin": "mail3"}, SERVER),
    "a host that is not in the table may not speak": ({"origin": "mail9"}, SERVER),
    "a server that this host does not have does not matter": ({"server": b"elsewhere"}, None),
    "nor does it with an address that is none": ({"server": b"elsewhere", "key": b"\xff", "login": b"inf"}, None),
    "a server whose name none has is refused": ({"server": b"Elsewhere"}, SERVER),
    "a server whose name ends with a line is refused": ({"server": b"elsewhere\n"}, SERVER),
    "a server without a name is refused": ({"server": b""}, SERVER),
    "a server whose name is no text is refused": ({"server": b"\xff\xfe"}, SERVER),
    "an address that is none is refused": ({"key": b"example.org"}, ADDRESS),
    "a network is refused": ({"key": b"10.0.0.0/8"}, ADDRESS),
    "an address in another spelling is refused": ({"key": b"2001:DB8::1"}, ADDRESS),
    "a mapped address is refused": ({"key": b"ipv6:0:0:0:0:0:ffff:a00:1"}, ADDRESS),
    "bytes that are no text are refused": ({"key": b"\xff\xfe"}, ADDRESS),
    "a huge address is refused": ({"key": b"1" * 1_000_000}, ADDRESS),
    "an address of IPv6 is taken": ({"key": b"ipv6:2001:db8:0:0:0:0:0:1"}, Stamps(HOST - 1000, 0)),
    "loopback is refused": ({"key": b"127.0.0.1"}, LOOPBACK_ADDRESS),
    "loopback of IPv6 is refused": ({"key": b"ipv6:0:0:0:0:0:0:0:1"}, LOOPBACK_ADDRESS),
    "a number with a point is refused": ({"login": b"1.7e12"}, NUMBER),
    "infinity is refused": ({"login": b"inf"}, NUMBER),
    "a negative number is refused": ({"login": b"-1"}, NUMBER),
    "nothing is no number": ({"login": b""}, NUMBER),
    "digits of other scripts are refused": ({"login": "²".encode()}, NUMBER),
    "a number of 16 digits is refused": ({"login": b"1000000000000000"}, NUMBER),
    "a number with a line end is refused": ({"login": b"1700000000000\n"}, NUMBER),
    "a revocation that is no number is refused": ({"revoked": b"inf"}, NUMBER),
    "a login later than the engine took it is refused": ({"login": ENGINE - 7000, "latest": ENGINE - 10_000}, FUTURE),
    "a login later than now is refused, whatever the id": ({"login": ENGINE + 2001, "latest": ENGINE + 10**9}, FUTURE),
    "a revocation later than now is refused": ({"login": 0, "revoked": ENGINE + 2001}, FUTURE),
    "a permanent login is refused": ({"login": 253402214400000}, FUTURE),
    "the year 9999 in seconds is long ago in ms": ({"login": 253402214400}, None),
    "a login a little later than the engine took it is now": ({"login": ENGINE + 2000}, Stamps(HOST, 0)),
    "a login older than the window does not matter": ({"login": ENGINE - WINDOW}, None),
    "a login as old as the window nearly is taken": ({"login": ENGINE - WINDOW + 1}, Stamps(HOST - WINDOW + 1, 0)),
    "each server has its window": ({"origin": "mail3", "server": b"other", "login": ENGINE - WINDOW // 2}, None),
    "a renewal is taken, also where its login is too old": ({"login": 5, "renewed": ENGINE - 7}, Stamps(0, 0, HOST - 7)),
    "a renewal later than now is refused": ({"renewed": ENGINE + 2001}, FUTURE),
    "a renewal that is no number is refused": ({"renewed": b"inf"}, NUMBER),
    "an old login leaves a newer revocation": ({"login": 5, "revoked": ENGINE - 7}, Stamps(0, HOST - 7)),
}
# What a mistake in the source would make of it: text that is replaced.
MUTANTS = {
    "any host may speak for any server": ("known is None or origin not in known.hosts", "known is None"),
    "a server that is not known": (
        "known is None or origin not in known.hosts",
        "known is not None and origin not in known.hosts",
    ),
    "servers of others are refused": ("if known is None and SERVER_NAME", "if False and SERVER_NAME"),
    "any name of a server": ("SERVER_NAME.fullmatch(server)", "server"),
    "names that begin well": ("SERVER_NAME.fullmatch", "SERVER_NAME.match"),
    "any spelling": ("if not is_key(address):", "if False:"),
    "what is no address": ("raise Refused(ADDRESS) from None", "return key.decode('latin-1')"),
    "loopback": ("if address in self._loopback:", "if False:"),
    "numbers of any kind": ("if not DIGITS.fullmatch(digits):", "if not digits.replace(b'.', b'').isalnum():"),
    "numbers that begin well": ("DIGITS.fullmatch", "DIGITS.match"),
    "numbers of any length": ("{1,15}", "{1,99}"),
    "any number": ("DIGITS.fullmatch(digits)", "digits"),
    "the future of the id": ("min(latest, moment.engine) + SLACK_MS", "moment.engine + SLACK_MS"),
    "the future of the engine": ("min(latest, moment.engine) + SLACK_MS", "latest + SLACK_MS"),
    "no slack": ("min(latest, moment.engine) + SLACK_MS", "min(latest, moment.engine)"),
    "all of the future": ("if stamp > limit:", "if False:"),
    "one ms too early": ("if stamp > limit:", "if stamp >= limit:"),
    "revocations of the future": ("for digits in stamps))", "for digits in stamps[:1]), *map(int, stamps[1:]))"),
    "no window": ("if age < window else 0", "if True else 0"),
    "one ms too long": ("if age < window else 0", "if age <= window else 0"),
    "the engine's clock": ("max(moment.host - age, 0)", "stamp"),
    "stamps ahead of this host": ("age = max(moment.engine - stamp, 0)", "age = moment.engine - stamp"),
    "the window of another server": ("limit, known.window, moment", "limit, 3600000, moment"),
    "what is too old hides the rest": ("if any(here) else None", "if all(here) else None"),
    "entries without anything": ("if any(here) else None", "if True else None"),
}


def mutated(before, after):
    """Return the gate with a mistake in it."""
    source = inspect.getsource(gate)
    assert before in source, "the mutant does not fit any more"
    module = types.ModuleType(gate.__name__)
    module.__package__ = gate.__package__
    exec(compile(source.replace(before, after), "mutant", "exec"), module.__dict__)
    return module


@pytest.mark.parametrize("name", CASES)
def test_rule(name):
    arguments, expected = CASES[name]
    assert judged(gate, **arguments) == expected


@pytest.mark.parametrize("name", MUTANTS)
def test_a_gate_without_a_rule_is_noticed(name):
    mutant = mutated(*MUTANTS[name])

    def outcome(arguments):
        try:
            return judged(mutant, **arguments)
        except Exception as error:  # it broke: noticed as well
            return error

    assert any(outcome(arguments) != expected for arguments, expected in CASES.values())


NUMBERS = (
    st.integers(0, 10**16).map(lambda each: b"%d" % each)
    | st.integers(ENGINE - 2 * WINDOW, ENGINE + 2 * WINDOW).map(lambda each: b"%d" % each)
    | st.binary(max_size=20)
    | st.sampled_from([b"inf", b"nan", b"1e400", "²".encode()])
)
NAMES = st.sampled_from([b"customers", b"other", b"elsewhere", b""]) | st.binary(max_size=10)
KEYS = st.sampled_from([KEY, b"127.0.0.1", b"ipv6:2001:db8:0:0:0:0:0:1", b"::1"]) | st.binary(max_size=70)
ORIGINS = st.sampled_from(["mail1", "mail2", "mail3", "mail9"])
SKEW = st.integers(-3 * WINDOW, 3 * WINDOW)


def entry_of(*said, moment=NOW):
    try:
        return gate.Gate(CONFIGURED).judge(*said, moment)
    except gate.Refused:
        return None


@given(ORIGINS, NAMES, KEYS, st.tuples(NUMBERS, NUMBERS, NUMBERS), st.integers(0, 10**19), SKEW)
def test_whatever_is_said_nothing_is_ahead_of_this_host_and_nobody_else_speaks(origin, server, key, stamps, latest, skew):
    moment = Moment(ENGINE, ENGINE + skew)
    entry = entry_of(origin, server, key, stamps, latest, moment=moment)
    if entry is not None:
        assert 0 <= max(entry.stamps) <= moment.host
        assert origin in {each.name: each.hosts for each in CONFIGURED.servers}[entry.server]
        assert gate.is_key(entry.key)
        assert min(ms for ms in entry.stamps if ms) > moment.host - WINDOW


@given(st.integers(ENGINE - WINDOW + 1, ENGINE + SLACK_MS), st.integers(0, WINDOW))
def test_what_is_replayed_later_is_never_younger_than_what_happened(login, later):
    """The time of the login in this host's clock is the same at each reading."""
    said = (ORIGIN, b"customers", KEY, (b"%d" % login, b"0", b"0"), ENGINE)
    first, again = entry_of(*said), entry_of(*said, moment=Moment(ENGINE + later, HOST + later))
    if again is not None:
        assert again.stamps.login <= max(first.stamps.login, HOST + min(later, SLACK_MS))


@given(st.lists(st.tuples(ORIGINS, st.integers(ENGINE - WINDOW, ENGINE), st.sampled_from(Stamps._fields)), max_size=8))
def test_nothing_opens_that_no_permitted_host_said(said):
    state = NOTHING
    for origin, ms, kind in said:
        numbers = [b"%d" % (ms if kind == each else 0) for each in Stamps._fields]
        entry = entry_of(origin, b"customers", KEY, numbers, ENGINE)
        state = join(state, entry.stamps if entry else NOTHING)
    if is_open(state, HOST, WINDOW):
        assert any(origin in ("mail1", "mail2") and kind != "revoked" for origin, _ms, kind in said)


def test_the_number_of_addresses_of_one_origin_is_bounded():
    assert gate.may_open(gate.MOST_ADDRESSES - 1)
    assert not gate.may_open(gate.MOST_ADDRESSES)
    assert gate.may_name(gate.MOST_NAMED - 1)
    assert not gate.may_name(gate.MOST_NAMED)
