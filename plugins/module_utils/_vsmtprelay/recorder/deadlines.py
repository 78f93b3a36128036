# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deadlines: what waits for at most a fixed time, in the order in which it began to wait."""

from __future__ import annotations

import collections

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from typing import Protocol

    class Waiting(Protocol):
        """What waits."""

        is_over: bool

        def expire(self) -> None:
            """End the waiting, at the deadline."""


class Deadlines:
    """Ends the waiting of each item after ``seconds``, with one timer for all of them. For use in the event loop only."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._loop = loop
        self._seconds = seconds
        self._items: collections.deque[tuple[float, Waiting]] = collections.deque()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, item: Waiting) -> None:
        """Call ``item.expire()`` in ``seconds``, unless ``item.is_over`` by then."""
        end = self._loop.time() + self._seconds
        self._items.append((end, item))
        if self._timer is None:
            self._timer = self._loop.call_at(end, self._look)

    def is_empty(self) -> bool:
        """Return whether nothing waits any more."""
        self._forget_what_is_over()
        return not self._items

    def _look(self) -> None:
        self._timer = None
        now = self._loop.time()
        self._forget_what_is_over()
        while self._items and self._items[0][0] <= now:
            self._items.popleft()[1].expire()
            self._forget_what_is_over()
        if self._items:
            self._timer = self._loop.call_at(self._items[0][0], self._look)

    def _forget_what_is_over(self) -> None:
        while self._items and self._items[0][1].is_over:
            self._items.popleft()
