# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a database has that no event said."""

from __future__ import annotations

from typing import NamedTuple

from ..entries.timestamps import PERMANENT
from . import gate, merge
from .changes import LOGIN, RENEW
from .merge import MS_OF_A_SECOND
from .store_known import SLACK_MS, Known, OwnEvent
from .store_rows import IS_OPEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable


class _Room:
    """How much is still taken out of the database of ``server``: counted once it matters, since that takes time."""

    def __init__(self, connection: sqlite3.Connection, server: str, host: str, oldest: int, most: int) -> None:
        self._connection = connection
        self._server, self._host, self._oldest, self._most = server, host, oldest, most
        self._logins: int | None = None
        self._ahead: int | None = None

    def has_login(self) -> bool:
        """Return whether another login has room, and count it."""
        if self._logins is None:
            query = f"SELECT count(*) FROM entry WHERE server = ? AND origin = ? AND {IS_OPEN}"
            self._logins = self._count(query, self._server, self._host, self._oldest)
        self._logins += 1
        return self._logins <= self._most

    def has_ahead(self) -> bool:
        """Return whether another entry of the future has room, and count it."""
        if self._ahead is None:
            self._ahead = self._count("SELECT count(*) FROM ahead WHERE server = ?", self._server)
        self._ahead += 1
        return self._ahead <= self._most

    def _count(self, query: str, *values: str | int) -> int:
        return int(self._connection.execute(query, values).fetchone()[0])


class Difference(NamedTuple):
    """How many logins of a database were new, how many of its entries were revoked, and which are doubtful."""

    logins: int
    revoked: int
    doubtful: list[tuple[str, int]]


class Compared(Known):
    """Compares databases."""

    def compare(self, server: str, entries: Iterable[tuple[str, int]], now: int, are_all_known: bool = True) -> Difference:
        """Compare ``entries`` (key, epoch seconds) of a database, and take over what it has.

        An entry that is later than all that is known is a login of this host, or a renewal if the address is open anyway: which
        of them nobody knows, and a renewal is what a revocation still closes. One that was revoked goes. One that was stamped
        since is doubtful unless ``are_all_known``: all events until after the reading of the database. Perhaps it was renewed
        by a host that did not know of the revocation, and the event has not been read yet. Nothing follows from one that is
        missing, and from one in the future, also when its time has come: it is of a clock that was set, and the
        address may have been revoked since.

        The owner of a database can write anything into it. So no more logins are taken out of it than are its share of those
        that other hosts take from this one.
        """
        window, logins, revoked = self._windows.get(server, 0), 0, 0
        doubtful: list[tuple[str, int]] = []
        with self._changes() as changes:
            room = _Room(self._connection, server, self._host, now - window, gate.MOST_ADDRESSES // max(len(self._windows), 1))
            for key, seconds in entries:
                ms = seconds * MS_OF_A_SECOND
                if seconds == PERMANENT or now - ms >= window:
                    continue
                if ms > now + SLACK_MS:
                    if room.has_ahead():
                        self._connection.execute("INSERT OR REPLACE INTO ahead VALUES (?, ?, ?)", (server, key, seconds))
                    continue
                row = self._row(server, key)
                if seconds <= row.stamps.revoked_until // MS_OF_A_SECOND:
                    if not merge.is_open(row.stamps, now, window):
                        self._add_todo(row, changes)
                        revoked += 1
                elif row.stamps.latest >= ms or self._was_ahead(server, key, seconds):
                    continue
                elif row.stamps.is_revoked and not are_all_known:
                    doubtful.append((key, seconds))
                elif room.has_login():
                    op = RENEW if merge.is_open(row.stamps, now, window) else LOGIN
                    self._join_event(OwnEvent(server, key, op, ms), now, changes)
                    logins += 1
        return Difference(logins, revoked, doubtful)

    def _was_ahead(self, server: str, key: str, seconds: int) -> bool:
        query = "SELECT 1 FROM ahead WHERE server = ? AND key = ? AND seconds = ?"
        return self._connection.execute(query, (server, key, seconds)).fetchone() is not None
