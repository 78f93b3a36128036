# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clocks: this host's, and an engine's as it is seen from here.

A host's clock may be wrong, and may be set at any moment. The time since the host started (CLOCK_BOOTTIME) cannot be set, so
the engine's clock is measured against that: to set the host's clock changes nothing of it. The clock that the sharer goes by
does not jump either, until all stamps that it knows are moved with it.
"""

from __future__ import annotations

import threading
import time
from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

NS_OF_A_MS = 1_000_000
# How much clocks drift apart between two measurements, in ms, without one of them having been set.
DRIFT_MS = 5
# A measurement that may be wrong by more than that is repeated at once. What happened on two hosts shortly one after the other
# can be put in its order only as far as the measurements are right.
GOOD_MS = 1
# By how much the host's clock may move against its steady clock without having been set, in ms.
STEP_MS = 500
MOST_LOOKS = 3
# The same of an engine's clock.
ENGINE_STEP_MS = 1000


class Moment(NamedTuple):
    """The same moment in ms of the engine's clock and in ms of this host's clock."""

    engine: int
    host: int


class Clock:
    """The clock of this host, as it was at the last follow(): since then it has gone on steadily, whoever has set it.

    Whoever translates times and keeps them holds ``lock`` meanwhile, or looks whether ``sets``, the number of times that the
    clock was set, is still the same.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.sets = 0
        # Called with the ms by which the clock was set, to have the stamps moved that are known.
        self.on_set: Callable[[int], None] = lambda _ms: None
        self._ahead = self._moved = self._look()

    def now(self) -> int:
        """Return ms since 1970."""
        return self.steady() + self._ahead

    def follow(self) -> None:
        """Go on with what the host's clock shows. If it was set, ``on_set`` is called."""
        with self.lock:
            ahead = self._look()
            step = ahead - self._moved
            if abs(step) > STEP_MS:
                self.on_set(step)
                self._moved = ahead
                self.sets += 1
            self._ahead = ahead

    def shown(self) -> int:
        """Return ms since 1970 as the host's clock shows them at this moment."""
        return time.time_ns() // NS_OF_A_MS

    def steady(self) -> int:
        """Return ms since the host started; nothing sets this clock."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // NS_OF_A_MS

    def _look(self) -> int:
        """Return by how many ms the host's clock is ahead of its steady clock."""
        for _look in range(MOST_LOOKS):
            before, shown, after = self.steady(), self.shown(), self.steady()
            if after - before <= GOOD_MS:
                break
        return shown - (before + after) // 2


class EngineClock:
    """The clock of one engine, as the threads that have connections to it have measured it.

    A measurement is wrong by at most half of the time that the answer took. The best one is kept until another one contradicts
    it: the same time on the engine always gives the same time here.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._ahead = 0  # of the host's steady clock, in ms
        self._error = -1
        self.is_measured = False
        # How often it was found to have been set: what was translated shortly before that may be wrong by as much.
        self.moves = 0

    def measure(self, engine: int, before: int, after: int) -> None:
        """Note that the engine's clock showed ``engine`` between ``before`` and ``after`` of the host's steady clock."""
        error = (after - before + 1) // 2
        ahead = engine - (before + after) // 2
        with self._lock:
            moved = abs(ahead - self._ahead) - error - self._error if self.is_measured else 0
            self.moves += moved > ENGINE_STEP_MS
            if not self.is_measured or error < self._error or moved > DRIFT_MS:
                self._ahead, self._error, self.is_measured = ahead, error, True

    def is_good(self) -> bool:
        """Return whether the engine's clock is known as well as it needs to be."""
        return self.is_measured and self._error <= GOOD_MS

    def moment(self) -> Moment:
        """Return what both clocks show now."""
        with self._lock:
            return Moment(self._clock.steady() + self._ahead, self._clock.now())

    def offset(self) -> int:
        """Return by how many ms the engine's clock is ahead of this host's."""
        moment = self.moment()
        return moment.engine - moment.host
