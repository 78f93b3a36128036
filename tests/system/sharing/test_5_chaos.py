# SPDX-License-Identifier: GPL-3.0-or-later
"""Twenty users a second log in while engines, links and programs fail in a loop; then it is quiet, and all is counted."""

from __future__ import annotations

import random
import secrets
import time

import pytest

from support.mail import Address, rcpt
from support.sharing import OPEN, REFUSED
from support.waiting import wait_until

from .chaos import Chaos
from .faults import store_lost
from .fleet import ENGINES, HOSTS, NETWORKS

RATE = 10
MINUTES, FULL_MINUTES = 2.5, 60
# Until every host and every engine has everything: 2 s for 1,000 entries, 20 s for 100,000.
MOST_SECONDS = 20
SAMPLE = 60
# Nobody logs in from there.
STRANGERS = "198.18.240"
FUTURE_MS = 2000


class Count:
    """What is on each host when it is quiet, beside who has logged in."""

    def __init__(self, fleet, before, answered, begun, revoked):
        self.listed = {name: fleet.listed(name) for name in HOSTS}
        now = time.time()
        must = answered - revoked
        recorded = set().union(*self.listed.values())
        # Let in by Dovecot without an answer, since the recorder was killed at that very moment.
        self.unrecorded = must - recorded
        self.missing = {(name, key) for name in HOSTS for key in must - self.unrecorded - set(self.listed[name])}
        self.foreign = {(name, key) for name in HOSTS for key in set(self.listed[name]) - (before | begun - revoked)}
        self.future = {(name, key) for name in HOSTS for key, stamp in self.listed[name].items() if stamp > now}


def stamps_ahead(fleet):
    """Return how many stamps on the engines are later than their own clocks."""
    count = 0
    for engine in ENGINES:
        (seconds, _micros), *_ = fleet.ask("mail3", engine, "sub", [["TIME"]])
        first = str(int(seconds) * 1000 + FUTURE_MS)
        keys = [f"vsmtprelay:1:{name}:{kind}" for name in HOSTS for kind in ("logins", "revoked")]
        for answer in fleet.ask("mail3", engine, "sub", [["ZRANGEBYSCORE", key, f"({first}", "+inf"] for key in keys]):
            assert isinstance(answer, list), answer
            count += len(answer)
    return count


@pytest.fixture
def number(request):
    chosen = request.config.getoption("--chaos") or secrets.randbelow(1_000_000)
    print(f"chaos {chosen}; pytest -s --chaos {chosen} tests/system/sharing repeats the faults")
    return chosen


def test_after_the_chaos_who_logged_in_relays_everywhere_and_nobody_else(request, fleet, client, load, number, full):
    before = set().union(*(fleet.listed(name) for name in HOSTS))
    minutes = request.config.getoption("--minutes") or (FULL_MINUTES if full else MINUTES)
    count = int(minutes * 60 * RATE)
    loads = {name: load(name, f"--count={count}", f"--rate={RATE}", "--threads=40") for name in NETWORKS}
    chaos = Chaos(fleet, number, RATE)
    try:
        chaos.run(minutes * 60)
    finally:
        print("\n".join(chaos.happened))
    quiet = time.monotonic()
    results = [each for load in loads.values() for each in load.result()]
    answered = {each["address"] for each in results if each["ok"]}
    begun = {each["address"] for each in results}
    revoked = {each["address"] for each in results if chaos.revoked.get(each["address"], 0.0) > each["at"]}

    def counted():
        return Count(fleet, before - begun, answered, begun, revoked)

    found = counted()
    while (found.missing or found.foreign) and time.monotonic() < quiet + MOST_SECONDS:
        time.sleep(0.2)
        found = counted()
    print(
        f"{len(results)} logins, {len(results) - len(answered)} not answered, {len(revoked)} revoked, "
        f"{len(found.unrecorded)} let in without being recorded ({chaos.kills_of_recorders} recorders killed), "
        f"all hosts agree {time.monotonic() - quiet:.1f} s after the last fault"
    )
    wait_until(fleet.all_connected, 15)
    # A host that comes late has everything from the engines.
    with store_lost(fleet, "mail2"):
        fleet["mail2"].run(["rm", "/etc/mail/relayers.db"])
    begin = time.monotonic()
    late = counted()
    while late.missing and time.monotonic() < begin + MOST_SECONDS:
        time.sleep(0.2)
        late = counted()
    print(f"a host that had lost everything has it again {time.monotonic() - begin:.1f} s after its start")
    wrong = _wrong_answers(fleet, client, number, answered - revoked - late.unrecorded, revoked)
    ahead = stamps_ahead(fleet)
    print(
        f"chaos {number}: answered logins not open somewhere: {len(found.missing) + len(late.missing)}; "
        f"open without a login: {len(found.foreign) + len(late.foreign)}; stamps in the future: {len(late.future) + ahead}"
    )
    assert (found.missing, late.missing) == (set(), set())
    assert (found.foreign, late.foreign) == (set(), set())
    assert (late.future, ahead) == (set(), 0)
    assert wrong == []
    assert len(found.unrecorded) <= chaos.kills_of_recorders
    assert len(answered) > 0.9 * len(results)


def _wrong_answers(fleet, client, number, opened, closed):
    """Return the answers of sendmail that are not right, for some addresses that may relay and for some that may not."""
    choose = random.Random(number)
    wanted = dict.fromkeys(choose.sample(sorted(opened), min(SAMPLE, len(opened))), OPEN)
    wanted |= dict.fromkeys(choose.sample(sorted(closed), min(SAMPLE, len(closed))), REFUSED)
    wanted |= {f"{STRANGERS}.{last}": REFUSED for last in range(1, 6)}
    answers = [
        (name, address, rcpt(Address(client, address), server)[0], code)
        for address, code in wanted.items()
        for name, server in fleet.relays.items()
    ]
    return [answer for answer in answers if answer[2] != answer[3]]
