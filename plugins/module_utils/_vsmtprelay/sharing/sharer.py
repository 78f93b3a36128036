# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sharer: its store, its threads, and their care.

Each engine has a publisher and a receiver of its own, so that the fault of one holds nothing up at another. They meet in the
store, and so do the threads that talk to the recorder.
"""

from __future__ import annotations

import time

from .applier import Applier
from .clock import Clock, EngineClock
from .comparer import Comparer
from .engine import Connector
from .engine_worker import Parts
from .log import NOTICE, WARNING, say
from .publisher import Publisher
from .puller import Puller
from .receiver import Receiver
from .status import Status
from .store import Store
from .worker import Worker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .configuration import Configuration

CARE_SECONDS = 1.0
PURGE_SECONDS = 120.0
# A thread that did nothing for so long hangs; the service then ends, to be started again.
LONGEST_SILENCE = 120.0
STOP_SECONDS = 3.0


class Sharer:
    """All that runs."""

    def __init__(
        self,
        configuration: Configuration,
        secret: str,
        state: str,
        recorder: str,
        runtime: str,
        clock: Clock | None = None,
    ) -> None:
        """``state`` and ``runtime`` are the directories of the store and of the status, ``recorder`` is a socket.

        Raises UnwritableError.
        """
        self.fault = ""
        self._clock = clock or Clock()
        self.store = Store(state, configuration.host, configuration.windows(), configuration.publishes)
        if self.store.was_damaged:
            say(WARNING, f"the store in {state} was damaged; it is set aside, and a new one is made")
        self.store.release_without([engine.name for engine in configuration.engines])
        self.store.clamp(self._clock.now())
        self.store.purge(self._clock.now())
        self.status = Status(configuration, runtime)
        self.clocks = {engine.name: EngineClock(self._clock) for engine in configuration.engines}
        self._comparer = Comparer(recorder, configuration, self.store, self.status, self._clock, self._damaged)
        self._applier = Applier(recorder, self.store, self.status, self._clock, self._damaged)
        puller = Puller(recorder, self.store, self.status, self._clock, self._comparer, self._damaged)
        self._comparer.taken = lambda: puller.taken
        self._publishers, self._receivers = [], []
        for engine in configuration.engines:
            connector = Connector(configuration, engine, secret, self._clock, self.clocks[engine.name])
            parts = Parts(configuration, connector, self.store, self.status, self._clock, self._damaged)
            self._receivers.append(Receiver(parts))
            self._publishers.append(Publisher(parts))
            self._publishers[-1].on_store_lost = self._receivers[-1].read_own
        self.workers: list[Worker] = [puller, self._comparer, self._applier, *self._publishers, *self._receivers]
        self.store.on_own = self._wake_publishers
        self.store.on_todo = self._applier.wake.set
        self._purged = time.monotonic()
        self._clock.on_set = self._was_set

    def start(self) -> None:
        """Start the threads."""
        for worker in self.workers:
            worker.start()

    def stop(self) -> None:
        """End the threads and close the store."""
        for worker in self.workers:
            worker.stop()
        end = time.monotonic() + STOP_SECONDS
        ended = [worker.join(max(end - time.monotonic(), 0.01)) for worker in self.workers]
        if all(ended):
            self.store.close()

    def care(self) -> dict[str, Any] | None:
        """Do what is due about once in CARE_SECONDS; return what was written as status, if it was."""
        self._clock.follow()
        now = self._clock.now()
        if time.monotonic() - self._purged >= PURGE_SECONDS:
            self._purged = time.monotonic()
            self.store.purge(now)
        return self.status.write(self.store, self.clocks, now) if self.status.is_due() else None

    def silent(self) -> list[str]:
        """Return the names of the threads that hang."""
        now = time.monotonic()
        return [worker.name for worker in self.workers if now - worker.beat > LONGEST_SILENCE]

    def _was_set(self, ms: int) -> None:
        """Move all stamps with the clock of this host."""
        say(NOTICE, f"this host's clock was set by {ms} ms")
        self.store.shift(ms)
        # What the databases have of the time before is looked at while it is known to be of another clock.
        self._comparer.compare_all()

    def _damaged(self, reason: str) -> None:
        self.fault = reason

    def _wake_publishers(self) -> None:
        for publisher in self._publishers:
            publisher.wake.set()
