# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the recorder hands over to the sharer: events, numbered in the order in which they are handed over.

They come from the outbox (logins and renewals) and from the files of root's programs (changes.py), which come first: a
revocation does not wait behind a hundred thousand logins. An event gets its number when it is about to be handed over, and is
handed over again until it is acknowledged. So only the events of one answer are in memory.
"""

from __future__ import annotations

import collections
import os

from ..errors import RelayError
from . import changes
from .requests import MOST_EVENTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .outbox import Outbox


class _Item:
    """An event on its way, as the sharer gets it: its number, and what changes.Event has.

    Its acknowledgement covers the outbox up to ``position`` (0: it is no login), and removes the file ``name``.
    """

    __slots__ = ("event", "name", "number", "position")

    def __init__(self, number: int, event: changes.Event, position: int, name: str) -> None:
        self.number = number
        self.event = (number, *event)
        self.position = position
        self.name = name


class Handover:
    """The events for the sharer. For use in the event loop only."""

    def __init__(self, outbox: Outbox, directory: str, boot: str, failed: Callable[[str], None]) -> None:
        """``directory`` has the files of root's programs; ``boot`` is the identifier of this start of the host.

        ``failed`` is called with a message about each file that is not understood.
        """
        self._outbox = outbox
        self._directory = directory
        self._failed = failed
        self.boot = boot
        # Numbers count within one instance: what another recorder handed over is not acknowledged here.
        self.instance = os.urandom(16).hex()
        # Called when there is something to hand over.
        self.arrived: Callable[[], None] = lambda: None
        self._number = 0
        self._window: collections.deque[_Item] = collections.deque()
        # Up to here the outbox is in the window.
        self._position = 0
        # The files that were seen, those of them that were not read, and the events of the one that was read last.
        self._seen: set[str] = set()
        self._unread: collections.deque[str] = collections.deque()
        self._read: collections.deque[tuple[changes.Event, str]] = collections.deque()
        # Whether logins did not fit into the outbox, and the event whose acknowledgement shows that the sharer knows.
        self._is_lost = False
        self._lost_until: int | None = None
        changes.remove_abandoned(directory)

    def add(self, server: str, key: str, operation: str, milliseconds: int) -> None:
        """Hand over that ``key`` logged in to ``server``, or was renewed, at a time since the epoch; as Outbox.append()."""
        if not self._outbox.append(server, key, operation, milliseconds):
            self._is_lost, self._lost_until = True, None
        self.arrived()

    def look(self) -> None:
        """Look for new files of root's programs; called regularly."""
        names = changes.names_in(self._directory)
        new = [name for name in names if name not in self._seen]
        if new:
            self._seen.update(new)
            self._unread.extend(new)
            self.arrived()

    def acknowledge(self, instance: str, number: int) -> None:
        """Forget the events of ``instance`` up to ``number``; of another instance, none."""
        if instance != self.instance:
            return
        if self._lost_until is not None and number >= self._lost_until:
            self._is_lost, self._lost_until = False, None
        position = 0
        while self._window and self._window[0].number <= number:
            item = self._window.popleft()
            position = item.position or position
            if item.name:
                self._remove(item.name)
        if not self._window and not self._read:
            # Behind the last login there may be lines that are none.
            position = self._position
        if position:
            self._outbox.acknowledge(position)

    def answer(self, instance: str) -> dict[str, Any]:
        """Return what is handed over now, as the sharer gets it.

        ``instance`` is what it has acknowledged events of, empty if it only looks.
        """
        self._fill()
        if self._is_lost and instance == self.instance:
            self._lost_until = self._window[0].number if self._window else 0
        events = [item.event for item in self._window]
        return {"instance": self.instance, "boot": self.boot, "lost": self._is_lost, "events": events}

    def is_empty(self) -> bool:
        """Return whether there is nothing to hand over."""
        self._fill()
        return not self._window and not self._is_lost

    def _fill(self) -> None:
        """Fill the window with the next events."""
        while len(self._window) < MOST_EVENTS and (self._read or self._unread):
            if not self._read:
                self._read_file(self._unread.popleft())
            while self._read and len(self._window) < MOST_EVENTS:
                event, name = self._read.popleft()
                self._add(event, 0, name)
        if len(self._window) < MOST_EVENTS and self._position < self._outbox.end:
            events, self._position = self._outbox.read(self._position, MOST_EVENTS - len(self._window))
            for event, position in events:
                self._add(event, position, "")

    def _add(self, event: changes.Event, position: int, name: str) -> None:
        self._number += 1
        self._window.append(_Item(self._number, event, position, name))

    def _read_file(self, name: str) -> None:
        try:
            events = changes.read(self._directory, name)
        except RelayError as error:
            # It stays, for a person to look at, until the next start.
            self._failed(f"an event for other hosts is left out: {error}")
            return
        self._read.extend((event, "") for event in events[:-1])
        if events:
            self._read.append((events[-1], name))
        else:
            self._remove(name)

    def _remove(self, name: str) -> None:
        try:
            changes.remove(self._directory, name)
        except RelayError as error:
            self._failed(str(error))  # handed over again at the next start, which changes nothing
        else:
            self._seen.discard(name)
