# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is to be published, and what each engine has."""

from __future__ import annotations

from typing import NamedTuple

from .merge import Stamps
from .store_rows import Rows

MATTERS = "max(own_login, own_revoked, own_renewed) > ?"


class OwnRow(NamedTuple):
    """What this host says of an address; ``seq`` is the number of its last change."""

    server: str
    key: str
    stamps: Stamps
    seq: int


class Sent(NamedTuple):
    """What an engine has: all changes up to ``seq``, of which the last one was entry ``n`` of the stream.

    ``trying`` is the same after the last transaction, if the engine has done that one; ``offset`` is by how many ms its clock
    was ahead.
    """

    seq: int = 0
    n: int = 0
    trying_seq: int = 0
    trying_n: int = 0
    offset: int | None = None


class Unsent(Rows):
    """Finds what each engine lacks."""

    def unsent(self, engine: str, now: int, limit: int) -> list[OwnRow]:
        """Return what ``engine`` does not have yet, in the order of the changes, at most ``limit``."""
        query = (
            f"SELECT server, key, own_login, own_revoked, own_renewed, seq FROM entry WHERE seq > ? AND {MATTERS}"
            " ORDER BY seq LIMIT ?"
        )
        with self._reading() as connection:
            found = connection.execute(query, (self.sent(engine).seq, now - self._longest, limit))
            return [OwnRow(server, key, Stamps(*stamps), seq) for server, key, *stamps, seq in found]

    def count_unsent(self, engine: str, now: int) -> int:
        """Return how many changes ``engine`` does not have yet."""
        query = f"SELECT count(*) FROM entry WHERE seq > ? AND {MATTERS}"
        with self._reading() as connection:
            return int(connection.execute(query, (self.sent(engine).seq, now - self._longest)).fetchone()[0])

    def sent(self, engine: str) -> Sent:
        """Return what ``engine`` has."""
        query = "SELECT seq, n, trying_seq, trying_n, offset FROM sent WHERE engine = ?"
        with self._reading() as connection:
            return Sent._make(connection.execute(query, (engine,)).fetchone() or Sent())

    def set_sent(self, engine: str, sent: Sent) -> None:
        """Keep what ``engine`` has."""
        with self._changes():
            self._connection.execute("INSERT OR REPLACE INTO sent VALUES (?, ?, ?, ?, ?, ?)", (engine, *sent))

    def send_all_again(self, above: int = 0) -> None:
        """Give all own changes new numbers, greater than ``above`` and than all so far: every engine gets them again."""
        with self._changes() as changes:
            lowest = self._connection.execute("SELECT min(seq) FROM entry").fetchone()[0]
            self._seq = max(self._seq, above)
            if lowest is not None:
                raised = self._seq + 1 - lowest
                self._connection.execute("UPDATE entry SET seq = seq + ? WHERE seq IS NOT NULL", (raised,))
                self._seq = self._connection.execute("SELECT max(seq) FROM entry").fetchone()[0]
                changes.add(self._call_on_own)
