# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How far the streams of the engines were read, and notes."""

from __future__ import annotations

from typing import NamedTuple

from .store_transactions import Transactions

NO_ID = "0-0"
UNKNOWN_N = -1


class Cursor(NamedTuple):
    """How far a stream was read: ``id`` and ``n`` of its last entry; UNKNOWN_N if a snapshot is due."""

    id: str = NO_ID
    n: int = UNKNOWN_N


class Read(Transactions):
    """Keeps cursors and notes."""

    def cursor(self, engine: str, origin: str) -> Cursor | None:
        """Return how far the stream of ``origin`` on ``engine`` was read, or None if it never was."""
        query = "SELECT id, n FROM cursor WHERE engine = ? AND origin = ?"
        with self._reading() as connection:
            found = connection.execute(query, (engine, origin)).fetchone()
        return None if found is None else Cursor._make(found)

    def forget_cursor(self, engine: str, origin: str) -> None:
        """Have the origin's snapshot taken again."""
        with self._changes():
            self._connection.execute("DELETE FROM cursor WHERE engine = ? AND origin = ?", (engine, origin))

    def note(self, name: str) -> str:
        """Return the text that was kept under ``name``, or nothing."""
        with self._reading() as connection:
            found = connection.execute("SELECT value FROM note WHERE name = ?", (name,)).fetchone()
        return found[0] if found else ""

    def keep_note(self, name: str, value: str) -> None:
        """Keep ``value`` under ``name``."""
        with self._changes():
            self._connection.execute("INSERT OR REPLACE INTO note VALUES (?, ?)", (name, value))
