# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The care of the store: what has run out goes, and stamps move with the clock."""

from __future__ import annotations

from .merge import Stamps
from .store_rows import IS_OPEN, LATEST, Rows


class Care(Rows):
    """Takes care of the rows."""

    def purge(self, now: int) -> None:
        """Remove what is older than the longest window, and count the open addresses of each origin."""
        with self._changes():
            self._connection.execute(f"DELETE FROM entry WHERE {LATEST} <= ?", (now - self._longest,))
            self._connection.execute("DELETE FROM ahead WHERE seconds * 1000 <= ?", (now - self._longest,))
            self._rows = dict(self._connection.execute("SELECT origin, count(*) FROM entry GROUP BY origin").fetchall())
            self.addresses = {}
            for server, window in self._windows.items():
                query = f"SELECT origin, count(*) FROM entry WHERE server = ? AND {IS_OPEN} GROUP BY origin"
                for origin, number in self._connection.execute(query, (server, now - window)):
                    self.addresses[origin] = self.addresses.get(origin, 0) + number

    def shift(self, ms: int) -> None:
        """Move all stamps by ``ms``, since this host's clock was set by as much."""
        columns = ("login", "revoked", "renewed", "own_login", "own_revoked", "own_renewed", "published")
        moved = ", ".join(f"{name} = CASE WHEN {name} > 0 THEN max({name} + :ms, 1) ELSE 0 END" for name in columns)
        with self._changes():
            self._connection.execute(f"UPDATE entry SET {moved}", {"ms": ms})

    def clamp(self, now: int) -> None:
        """Move each address whose stamps are in the future back to ``now``, with the order of its stamps kept.

        This is for a clock that was set while nobody saw it.
        """
        query = f"SELECT server, key FROM entry WHERE {LATEST} > ?"
        with self._changes():
            for server, key in self._connection.execute(query, (now,)).fetchall():
                row = self._row(server, key)
                ahead = max(*row.stamps, *row.own) - now
                row.stamps, row.own = (Stamps(*(max(ms - ahead, 0) for ms in each)) for each in (row.stamps, row.own))
                row.published = min(row.published, now)
                self._write(row)
