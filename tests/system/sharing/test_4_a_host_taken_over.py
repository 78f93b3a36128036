# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever has taken over one host opens what that host may open, for as long as a login lasts, and harms nobody else."""

from __future__ import annotations

import time

import pytest

from support.sharing import OPEN, seconds_until
from support.waiting import wait_until

from .fleet import ENGINES, HOSTS, RELAYS, SHARER

ATTACKER = "mail1"
DAY_MS = 86_400_000
OWN_STREAM = f"vsmtprelay:1:{ATTACKER}:stream"
OTHER = "vsmtprelay:1:mail3"
# What a host's two users may not do; with another host's keys, or at all.
FORBIDDEN = {
    "pub": [
        ["XADD", f"{OTHER}:stream", "*", "v", "customers", "k", "203.0.113.1", "l", "1", "r", "0", "n", "1", "s", "1"],
        ["ZADD", f"{OTHER}:logins", "1", "customers 203.0.113.1"],
        ["ZADD", f"{OTHER}:revoked", "9999999999999", "customers 203.0.113.1"],
        ["ZREMRANGEBYSCORE", f"{OTHER}:logins", "-inf", "+inf"],
        ["ZREM", f"{OTHER}:renewed", "customers 203.0.113.1"],
        ["PEXPIRE", f"{OTHER}:stream", "1"],
        ["DEL", f"{OTHER}:stream"],
        ["XTRIM", f"{OTHER}:stream", "MAXLEN", "0"],
        ["XADD", "another:application", "*", "a", "b"],
        *(["FLUSHALL"], ["KEYS", "*"], ["CONFIG", "GET", "*"], ["EVAL", "return 1", "0"], ["SHUTDOWN"], ["ACL", "LIST"]),
        *(["REPLICAOF", "203.0.113.1", "1"], ["MONITOR"], ["DEBUG", "SLEEP", "1"], ["SELECT", "1"], ["PUBLISH", "a", "b"]),
    ],
    "sub": [
        ["XADD", OWN_STREAM, "*", "a", "b"],
        ["ZADD", f"{OTHER}:logins", "1", "customers 203.0.113.1"],
        ["XTRIM", f"{OTHER}:stream", "MAXLEN", "0"],
        ["XREAD", "STREAMS", "another:application", "0"],
        *(["FLUSHDB"], ["SCAN", "0"], ["CLIENT", "LIST"], ["SUBSCRIBE", "a"]),
    ],
}
# Published with the attacker's own secret: the virtual server, the address, and the login's time from now in milliseconds.
FORGED = {
    "another virtual server's address": ("office", "203.0.113.11", 0),
    "a virtual server that does not exist": ("nothing", "203.0.113.12", 0),
    "this very host": ("customers", "127.0.0.1", 0),
    "this very host in IPv6": ("customers", "ipv6:0:0:0:0:0:0:0:1", 0),
    "a network": ("customers", "203.0.113", 0),
    "another spelling": ("customers", "203.0.113.013", 0),
    "a name": ("customers", "example.org", 0),
    "the year 9999": ("customers", "203.0.113.14", 253_402_214_400_000 - int(time.time() * 1000)),
    "an hour from now": ("customers", "203.0.113.15", 3_600_000),
    "a week ago": ("customers", "203.0.113.16", -7 * DAY_MS),
}
# They are not refused, they are only of no use: what is old, and what other hosts may well have.
PASSED_OVER = {"a week ago", "a virtual server that does not exist"}
POISON = {
    "bytes": ["v", "\xff\xfe", "k", "\x80\x81", "l", "\xb2", "r", "0", "e", "0", "n", "\xb2", "s", "\xff"],
    "no fields that are known": ["x", "y"],
    "a number that is none": ["v", "customers", "k", "203.0.113.21", "l", "inf", "r", "nan", "e", "0", "n", "-1", "s", "1e9"],
    "a number without an end": ["v", "customers", "k", "203.0.113.22", "l", "9" * 4000, "r", "0", "e", "0", "n", "1", "s", "1"],
    "a huge field": ["v", "customers", "k", "x" * 900_000, "l", "1", "r", "0", "e", "0", "n", "1", "s", "1"],
    "a thousand fields": [word for number in range(1000) for word in (f"f{number}", "x")],
}


def publish(fleet, engine, server, key, login, revoked=0):
    """Publish an entry with the attacker's secret; times are milliseconds of the engine's clock."""
    fields = ["v", server, "k", key, "l", str(login), "r", str(revoked), "e", "0", "n", "1", "s", "1"]
    (answer,) = fleet.ask(ATTACKER, engine, "pub", [["XADD", OWN_STREAM, "*", *fields]])
    assert isinstance(answer, str), answer


def works(fleet):
    """See that a login on another host still opens all hosts within a second, and one on the attacker's some time."""
    source, at = fleet.log_in("mail3")
    taken = seconds_until(source, fleet.relays, OPEN, at)
    assert max(taken.values()) <= 1, taken
    source, at = fleet.log_in(ATTACKER)
    seconds_until(source, fleet.relays, OPEN, at)


@pytest.fixture
def attacked(fleet):
    """The hosts; what the attacker left on the engines is taken away afterwards, and mail1 publishes its own again."""
    yield fleet
    for engine in ENGINES:
        keys = [["ZREMRANGEBYSCORE", f"vsmtprelay:1:{ATTACKER}:{kind}", "-inf", "+inf"] for kind in ("logins", "revoked")]
        fleet.ask(ATTACKER, engine, "pub", [*keys, ["PEXPIRE", OWN_STREAM, "1"]])
    wait_until(fleet.all_connected, 15)


@pytest.mark.parametrize("user", FORBIDDEN)
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.fault("forged-share")
def test_the_engine_refuses_whatever_is_not_the_host_s_own(fleet, engine, user):
    answers = fleet.ask(ATTACKER, engine, user, FORBIDDEN[user])
    for command, answer in zip(FORBIDDEN[user], answers, strict=True):
        assert isinstance(answer, dict), (command, answer)
        # DEBUG is refused to everybody, before the engine looks who it is.
        assert "NoPermission" in answer["error"] or command[0] == "DEBUG", (command, answer)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.fault("false-engine")
def test_the_engine_lets_nobody_in_without_the_secret(fleet, engine):
    other = fleet["mail3"].read("/etc/vsmtprelay/share-secret").strip()
    wrong = "0" * 64
    for user, secret in (("mail3-pub", wrong), ("default", wrong), ("nobody", wrong), ("mail1-pub", other)):
        (answer,) = fleet.ask(ATTACKER, engine, user, [["PING"]], secret)
        assert "error" in answer, (user, answer)


@pytest.mark.parametrize("forgery", FORGED)
@pytest.mark.fault("forged-share")
def test_a_forged_entry_opens_nothing(attacked, forgery):
    server, key, after = FORGED[forgery]
    before = {(name, server): set(attacked.listed(name, server)) for name in RELAYS for server in ("customers", "office")}
    counts = {name: sum(attacked.refused(name, ATTACKER).values()) for name in RELAYS}
    for engine in ENGINES:
        publish(attacked, engine, server, key, int(time.time() * 1000) + after)
        member, score = f"{server} {key}", str(int(time.time() * 1000) + after)
        attacked.ask(ATTACKER, engine, "pub", [["ZADD", f"vsmtprelay:1:{ATTACKER}:logins", score, member]])
    if forgery not in PASSED_OVER:
        wait_until(lambda: all(sum(attacked.refused(name, ATTACKER).values()) > counts[name] for name in RELAYS), 5)
    works(attacked)
    for (name, server), entries in before.items():
        new = set(attacked.listed(name, server)) - entries
        assert key not in new, (name, server)
        assert all(address.startswith(("198.18.", "198.19.")) for address in new), new


@pytest.mark.parametrize("poison", POISON)
@pytest.mark.fault("forged-share")
def test_poison_of_one_host_stops_no_other_and_not_even_that_host(attacked, poison):
    for engine in ENGINES:
        (answer,) = attacked.ask(ATTACKER, engine, "pub", [["XADD", OWN_STREAM, "*", *POISON[poison]]])
        assert isinstance(answer, str), answer
    works(attacked)
    wait_until(attacked.all_connected, 5)
    for name in HOSTS:
        assert "Traceback" not in attacked[name].journal("--unit", SHARER)


@pytest.mark.parametrize("score", ["inf", "-inf", "1e300", "0.5", "253402214400000"])
def test_a_score_that_is_no_time_stops_nobody_not_even_a_host_that_learns_all_anew(attacked, score):
    members = [f"customers 203.0.113.{number}" for number in range(31, 34)] + ["\xff\xfe \xff", "customers", ""]
    for engine in ENGINES:
        keys = [f"vsmtprelay:1:{ATTACKER}:{kind}" for kind in ("logins", "revoked")]
        commands = [["ZADD", key, score, member] for key in keys for member in members]
        attacked.ask(ATTACKER, engine, "pub", commands)
    attacked["mail2"].run(["systemctl", "stop", SHARER])
    attacked["mail2"].run(["sh", "-ec", "find /var/lib/private/vsmtprelay-share -mindepth 1 -delete"])
    attacked["mail2"].run(["systemctl", "start", SHARER])
    wait_until(attacked.all_connected, 15)
    works(attacked)
    assert not any(address.startswith("203.0.113.3") for address in attacked.listed("mail2"))


def fill(fleet, size, number):
    """Have the attacker add ``number`` values of ``size`` bytes to its stream; return whether the engine is full."""
    answers = fleet.ask(ATTACKER, "engine1", "pub", [["XADD", OWN_STREAM, "*", "x", "x" * size]] * number)
    return any(isinstance(answer, dict) and "memory" in answer["error"] for answer in answers)


@pytest.mark.fault("full-engine")
def test_an_engine_that_one_host_has_filled_stops_sharing_over_it_and_nothing_else(attacked):
    for size, number in ((900_000, 20), (9_000, 100), (500, 500)):
        wait_until(lambda size=size, number=number: fill(attacked, size, number), 60)
    # engine2 is still there.
    works(attacked)

    def others_say_so():
        # A little memory becomes free now and then.
        fill(attacked, 500, 500)
        attacked.log_in("mail3")
        return "memory" in attacked.error("mail3", "engine1")

    wait_until(others_say_so, 20)
    attacked.ask(ATTACKER, "engine1", "pub", [["PEXPIRE", OWN_STREAM, "1"]])
    wait_until(lambda: attacked.all_connected() and not attacked.error("mail3", "engine1"), 15)
    source, _at = attacked.log_in("mail3")
    wait_until(lambda: source.address4 in attacked.on_engine("engine1", "mail3"), 5)
    for name in RELAYS:
        assert "oom-kill" not in attacked[name].journal("--unit", SHARER)


def test_a_permanent_entry_of_another_host_is_neither_taken_nor_shortened(attacked):
    permanent = "203.0.113.41"
    attacked.command("mail3", "add", permanent, "253402214400")
    for engine in ENGINES:
        publish(attacked, engine, "customers", permanent, 0, int(time.time() * 1000))
    works(attacked)
    assert attacked.listed("mail3")[permanent] == 253402214400
    assert permanent not in attacked.listed("mail2")
    attacked["mail3"].run(["vsmtprelay", "--server", "customers", "delete", permanent])


CERTIFICATES = """
set -e
mkdir -p /root/foreign
cd /root/foreign
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=$1" \
    -addext "subjectAltName=DNS:$1,IP:$2" -keyout key.pem -out cert.pem 2>/dev/null
"""


@pytest.fixture
def impostor(fleet):
    """What lets engine1 show another certificate and key, until the test is over."""
    guest, paths = fleet["engine1"], fleet.certificate()
    kept = [guest.read(path) for path in paths]

    def show(*texts):
        for path, text in zip(paths, texts, strict=True):
            # In place: owner and mode stay.
            guest.path(path).write_text(text, encoding="ascii")
        guest.run(["systemctl", "restart", fleet.unit("engine1")])

    yield show
    show(*kept)


@pytest.mark.parametrize("whose", ["of nobody", "of the other engine"])
@pytest.mark.fault("false-engine")
def test_an_engine_with_another_certificate_gets_no_login(fleet, impostor, whose):
    if whose == "of nobody":
        fleet["engine1"].run(["sh", "-c", CERTIFICATES, "sh", "engine1", fleet.addresses["engine1"]])
        impostor(*(fleet["engine1"].read(f"/root/foreign/{name}.pem") for name in ("cert", "key")))
    else:
        impostor(*(fleet["engine2"].read(path) for path in fleet.certificate()))
    wait_until(lambda: not any(fleet.is_connected(name, "engine1") for name in HOSTS), 10)
    works(fleet)
    for name in HOSTS:
        wait_until(lambda name=name: "certificate" in fleet.error(name, "engine1").lower(), 5)
        check = fleet[name].run(["vsmtprelay-share", "--check"], check=False)
        assert check.returncode == 1
        assert "engine1" in check.stdout + check.stderr
