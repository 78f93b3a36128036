# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults from a list, in an order that a number decides, at engines and at hosts side by side; and revocations meanwhile."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field

from .faults import OF_ENGINES, OF_HOSTS
from .fleet import ENGINES, HOSTS, NETWORKS

# How long a fault lasts, and until the next one; seconds.
LASTS = (0.3, 4.0)
PAUSE = (0.2, 1.5)
# Now and then both engines have the fault; but one of them has what a host had said that has lost its store.
BOTH_ENGINES = 0.3
OF_ONE_ENGINE = ("is emptied", "is rolled back")
REVOKE_EVERY_SECONDS = 1.5
# What is revoked was logged in for so long: a login that is late would rightly open again.
SETTLED_SECONDS = 10


@dataclass
class Chaos:
    """``number`` decides what happens; ``rate`` is that of the logins on each host that takes some, from ``begin`` on."""

    fleet: object
    number: int
    rate: float
    begin: float = field(default_factory=time.time)
    happened: list = field(default_factory=list)
    revoked: dict = field(default_factory=dict)
    kills_of_recorders: int = 0

    def run(self, seconds):
        """Let it happen for so long, and end every fault. Raises what went wrong with the faults themselves."""
        end = time.monotonic() + seconds
        troubles = []
        works = (self._engines, self._hosts, self._revoke)
        threads = [threading.Thread(target=self._guarded, args=(work, end, troubles)) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if troubles:
            raise troubles[0]

    def _guarded(self, work, end, troubles):
        try:
            work(random.Random(f"{self.number} {work.__name__}"), end)
        except Exception as error:
            troubles.append(error)

    def _engines(self, choose, end):
        while time.monotonic() < end:
            words, fault = choose.choice(list(OF_ENGINES.items()))
            both = choose.random() < BOTH_ENGINES and words not in OF_ONE_ENGINE
            names = list(ENGINES) if both else [choose.choice(ENGINES)]
            self._let(choose, end, words, fault, names)

    def _hosts(self, choose, end):
        while time.monotonic() < end:
            words, fault = choose.choice(list(OF_HOSTS.items()))
            name = choose.choice(HOSTS)
            if words == "loses what its sharer knows" and not self.fleet.has_sent_all(name):
                continue
            # A login that waits for the answer of a recorder that is killed may be let in without one.
            self.kills_of_recorders += words == "has its recorder killed" and name in NETWORKS
            self._let(choose, end, words, fault, [name])

    def _let(self, choose, end, words, fault, names):
        """Let ``fault`` be, at all hosts of ``names``, for a while."""
        lasts, pause = choose.uniform(*LASTS), choose.uniform(*PAUSE)
        self.happened.append(f"{time.time() - self.begin:7.1f} s: {' and '.join(names)} {words} for {lasts:.1f} s")
        contexts = [fault(self.fleet, name) for name in names]
        entered = []
        try:
            for context in contexts:
                context.__enter__()
                entered.append(context)
            time.sleep(max(0.0, min(lasts, end - time.monotonic())))
        finally:
            for context in entered:
                context.__exit__(None, None, None)
        time.sleep(pause)

    def _revoke(self, choose, end):
        while time.monotonic() + REVOKE_EVERY_SECONDS < end:
            time.sleep(REVOKE_EVERY_SECONDS)
            most = int((time.time() - self.begin - SETTLED_SECONDS) * self.rate)
            if most < 1:
                continue
            reader, where = choose.choice(list(NETWORKS)), choose.choice(HOSTS)
            address = address_of(reader, choose.randint(1, most))
            done = self.fleet[where].run(["vsmtprelay", "--server", "customers", "delete", address], check=False)
            # 1: not listed here, where the login has not arrived. It is revoked all the same.
            if done.returncode in (0, 1):
                self.revoked[address] = time.time()
                self.happened.append(f"{time.time() - self.begin:7.1f} s: {address} is revoked on {where}")


def address_of(reader, number):
    """Return the address of the login with this ``number``, from 1 on."""
    return f"{NETWORKS[reader].partition('.0.0/')[0]}.{number >> 8}.{number & 255}"
