# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is to be written to the databases."""

from __future__ import annotations

import itertools
from typing import NamedTuple

from . import merge
from .merge import Stamps
from .store_rows import Rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from .merge import Wanted


class Task(NamedTuple):
    """An address whose state is to be written: ``wanted`` is what the database should have."""

    key: str
    version: int
    wanted: Wanted


class Todo(Rows):
    """Keeps what is to be written."""

    def todo(
        self, now: int, limit: int, without: Collection[str] = (), most_servers: int | None = None, after: str = ""
    ) -> dict[str, list[Task]]:
        """Return what is to be written, by virtual server, at most about ``limit`` addresses, none of those ``without``.

        Each server has its share, so that one with many does not hold up the others. There are at most ``most_servers``, those
        that follow ``after`` in the order of their names, and then from its beginning.
        """
        with self._reading() as connection:
            servers = list(itertools.islice((each for each in self._servers_to_do(after) if each not in without), most_servers))
            found = {}
            for server in servers:
                share = max(limit // len(servers), 1)
                query = (
                    "SELECT todo.key, version, login, revoked, renewed FROM todo LEFT JOIN entry"
                    " ON entry.server = todo.server AND entry.key = todo.key WHERE todo.server = ? AND held = '' LIMIT ?"
                )
                window = self._windows.get(server, 0)
                found[server] = [
                    Task(key, version, merge.wanted(Stamps(*(ms or 0 for ms in stamps)), now, window))
                    for key, version, *stamps in connection.execute(query, (server, share))
                ]
            return found

    def release(self, engine: str) -> None:
        """Have what was held for ``engine`` written."""
        with self._changes() as changes:
            self._connection.execute("UPDATE todo SET held = '' WHERE held = ?", (engine,))
            changes.add(self._call_on_todo)

    def release_without(self, engines: Collection[str]) -> None:
        """Have written what was held for an engine that is none of ``engines`` any more."""
        with self._changes():
            marks = ", ".join("?" * len(engines))
            self._connection.execute(f"UPDATE todo SET held = '' WHERE held NOT IN ({marks})", tuple(engines))

    def done(self, server: str, tasks: Iterable[Task]) -> None:
        """Note that ``tasks`` are written. What has become known of an address since then is still to be written."""
        with self._changes():
            self._connection.executemany(
                "DELETE FROM todo WHERE server = ? AND key = ? AND version = ?",
                [(server, task.key, task.version) for task in tasks],
            )

    def count_todo(self) -> int:
        """Return how many addresses are still to be written."""
        with self._reading() as connection:
            return int(connection.execute("SELECT count(*) FROM todo").fetchone()[0])

    def _servers_to_do(self, after: str) -> Iterator[str]:
        """Yield those that follow ``after`` in the order of their names, and then the others."""
        server, has_begun_anew = after, False
        while True:
            query = "SELECT server FROM todo WHERE server > ? AND held = '' ORDER BY server LIMIT 1"
            found = self._connection.execute(query, (server,)).fetchone()
            if found is None and not has_begun_anew:
                server, has_begun_anew = "", True
            elif found is None or (has_begun_anew and found[0] > after):
                return
            else:
                server = found[0]
                yield server
