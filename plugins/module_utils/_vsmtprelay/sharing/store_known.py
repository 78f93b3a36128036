# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes known: events of this host, and what other hosts said."""

from __future__ import annotations

from typing import NamedTuple

from . import gate, merge
from .changes import LOGIN, RENEW, REVOKE
from .merge import Stamps, join
from .store_rows import Rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .store_read import Cursor
    from .store_rows import Row
    from .store_transactions import Changes


# How far an event of this host may be ahead of its clock, which may have been set meanwhile.
SLACK_MS = 2000
# An address whose login was published so recently is not published again, or a twentieth of the window where that is less.
QUIET_MS = 60_000
QUIET_PART = 20


class OwnEvent(NamedTuple):
    """What happened on this host: ``op`` is LOGIN, RENEW, REVOKE or HERE of changes.py, ``ms`` is when."""

    server: str
    key: str
    op: str
    ms: int


class Known(Rows):
    """Joins what becomes known."""

    def __init__(self, directory: str, host: str, windows: Mapping[str, int], publishes: bool) -> None:
        """Unless ``publishes``, logins of ``host`` are not published; its revocations always are. Raises UnwritableError."""
        super().__init__(directory, host, windows)
        self._publishes = publishes

    def join_own(self, events: Iterable[OwnEvent], now: int, durable: bool = False) -> None:
        """Join what happened on this host. With ``durable`` it is flushed to the disk before this returns."""
        with self._changes(durable) as changes:
            for event in events:
                if event.server in self._windows:
                    self._join_event(event, now, changes)

    def join_received(
        self,
        engine: str,
        origin: str,
        entries: Iterable[gate.Entry],
        now: int,
        cursor: Cursor | None = None,
        hold: bool = False,
    ) -> int:
        """Join what ``origin`` said, and keep ``cursor``; return how many entries were one address too many.

        What this host itself has said, before it lost its store, becomes its own again. With ``hold``, no address that opens is
        written before release(): another origin may have revoked it since.
        """
        too_many = 0
        with self._changes() as changes:
            for entry in entries:
                too_many += not self._join_entry(origin, entry, now, changes, engine if hold else "")
            if cursor is not None:
                self._connection.execute(
                    "INSERT OR REPLACE INTO cursor VALUES (?, ?, ?, ?)", (engine, origin, cursor.id, cursor.n)
                )
        return too_many

    def _join_event(self, event: OwnEvent, now: int, changes: Changes) -> None:
        window = self._windows[event.server]
        ms = min(event.ms, now)
        row = self._row(event.server, event.key)
        if event.op in (LOGIN, RENEW):
            if event.ms > now + SLACK_MS or now - ms >= window:
                return
            if event.op == LOGIN:
                self._join_login(row, ms, now, changes)
            else:
                self._join_renewal(row, ms, now, changes)
        else:
            self._set(row, join(row.stamps, Stamps(0, ms)), self._host, now)
            if event.op == REVOKE:
                row.own = join(row.own, Stamps(0, ms))
                if row.own != row.before[1]:
                    self._number(row, changes)
            # The database was edited already; but what was known before may have been written since.
            self._add_todo(row, changes)
            self._take_back(row, changes)
        if row.has_changed:
            self._write(row)

    def _join_login(self, row: Row, ms: int, now: int, changes: Changes) -> None:
        if ms // merge.MS_OF_A_SECOND <= row.stamps.revoked_until // merge.MS_OF_A_SECOND:
            self._add_todo(row, changes)
        self._set(row, join(row.stamps, Stamps(ms, 0)), self._host, now)
        if not self._publishes:
            return
        row.own = join(row.own, Stamps(ms, 0))
        if row.own == row.before[1]:
            return
        quiet = min(QUIET_MS, self._windows[row.server] // QUIET_PART)
        if row.seq is None or row.published <= row.stamps.revoked or ms - row.published >= quiet:
            row.published = ms
            self._number(row, changes)

    def _join_renewal(self, row: Row, ms: int, now: int, changes: Changes) -> None:
        self._set(row, join(row.stamps, Stamps(renewed=ms)), self._host, now)
        if row.stamps.is_revoked:
            # The recorder renewed an entry that is to go.
            self._add_todo(row, changes)
        elif self._publishes:
            row.own = join(row.own, Stamps(renewed=ms))
            row.published = max(row.published, row.own.login)
            self._number(row, changes)

    def _join_entry(self, origin: str, entry: gate.Entry, now: int, changes: Changes, held: str) -> bool:
        """Join what ``origin`` said of one address; return whether it may say as much.

        If that opens the address, it is held for the engine ``held``, if that is given.
        """
        window = self._windows[entry.server]
        row = self._row(entry.server, entry.key)
        stamps, fits = join(row.stamps, entry.stamps), True
        if origin != self._host:
            if row.is_new and not gate.may_name(self._rows.get(origin, 0)):
                return False
            if (
                stamps.latest > row.stamps.latest
                and merge.is_open(stamps, now, window)
                and not (row.origin == origin and merge.is_open(row.stamps, now, window))
                and not gate.may_open(self.addresses.get(origin, 0))
            ):
                # Its revocation counts all the same.
                stamps, fits = row.stamps._replace(revoked=stamps.revoked), False
        self._set(row, stamps, origin, now)
        if origin == self._host:
            row.own = join(row.own, entry.stamps)
            if row.own != row.before[1]:
                self._number(row, changes)
        elif row.published <= stamps.revoked < row.own.login and row.seq is not None and row.has_changed:
            # A login that stayed quiet, since other hosts had an earlier one; this revocation closes it there.
            row.published = row.own.login
            self._number(row, changes)
        self._take_back(row, changes)
        if row.has_changed:
            self._write(row)
            before, after = (merge.wanted(each, now, window) for each in (row.before[0], row.stamps))
            if before != after or merge.shares_a_second(row.stamps):
                self._add_todo(row, changes, held if merge.is_open(row.stamps, now, window) else "")
        return fits
