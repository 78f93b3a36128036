# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The puller: takes what happened on this host out of the recorder's outbox and into the store."""

from __future__ import annotations

from .changes import CHECK, HERE, LOGIN, RENEW, REVOKE
from .recorder_client import RecorderClient
from .requests import MOST_EVENTS
from .store import OwnEvent
from .worker import Worker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .clock import Clock
    from .comparer import Comparer
    from .status import Status
    from .store import Store

WAIT_MS = 10_000
JOINED = (LOGIN, RENEW, REVOKE, HERE)
# So that logins one after the other wake recorder and sharer less often, and so seldom meet them at work.
GATHER_SECONDS = 0.05


class Puller(Worker):
    """Reads the outbox."""

    def __init__(
        self, path: str, store: Store, status: Status, clock: Clock, comparer: Comparer, damaged: Callable[[str], None]
    ) -> None:
        """``path`` is the recorder's socket."""
        super().__init__("read the outbox", status.recorder_failed, damaged)
        self._client = RecorderClient(path)
        self._store = store
        self._status = status
        self._clock = clock
        self._comparer = comparer
        # The recorder's instance, and the number of its last event that is in the store.
        self.taken = ("", 0)

    def interrupt(self) -> None:
        """End the waiting for events."""
        self._client.close()

    def work(self) -> None:
        """Read the outbox until the recorder fails."""
        instance, after = "", 0
        while not self.is_stopped:
            # The first answer comes at once, so that the status knows.
            outbox = self._client.outbox(instance, after, WAIT_MS if instance else 0)
            self._status.recorder_answered()
            self.succeeded()
            if outbox.instance != instance:
                instance, after = outbox.instance, 0
            self._comparer.boot_is(outbox.boot)
            if outbox.is_lost:
                self._comparer.compare_all()
            for _n, server, _key, op, _ms in outbox.events:
                if op == CHECK:
                    self._comparer.compare(server)
            events = [OwnEvent(server, key, op, ms) for _n, server, key, op, ms in outbox.events if op in JOINED]
            if events:
                # The recorder's stamps are of the host's clock as it shows now.
                with self._clock.lock:
                    self._clock.follow()
                    # A revocation that is acknowledged is nowhere else.
                    self._store.join_own(events, self._clock.now(), durable=any(each.op in (REVOKE, HERE) for each in events))
            if outbox.events:
                after = outbox.events[-1][0]
                self.taken = (instance, after)
                if len(outbox.events) < MOST_EVENTS:
                    self.pause(GATHER_SECONDS)
