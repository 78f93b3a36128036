# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The writers of all databases: one GroupCommit for each database, and the spool before them.

An entry is in the spool from the moment its login is accepted until it is in its database.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from ..database.published import Published
from .group_commit import GroupCommit
from .large_write import LargeWrites
from .login_entry import LoginEntry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..database.prepared import PreparedFile
    from .spool import Spool

# Each database that another process holds locked occupies a thread for RECORDER_LOCK_SECONDS. Even if this many
# owners minus one lock their databases, the logins of all other virtual servers are still written at once. asyncio's
# default is six threads on two cores.
MOST_WRITERS = 64


class Writers:
    """The writers of all databases. For use in the event loop only."""

    def __init__(self, failed: Callable[[str], None], spool: Spool) -> None:
        """``failed`` is called with a message after every failed write."""
        self._failed = failed
        self._spool = spool
        self._threads = ThreadPoolExecutor(MOST_WRITERS)
        self._large = LargeWrites()
        self._prepared: set[PreparedFile] = set()
        self._published = Published()
        self._commits: dict[str, GroupCommit] = {}

    async def write(self, entry: LoginEntry) -> asyncio.Future[None]:
        """Write ``entry`` to its database; return a future that is done when it is on the disk, as GroupCommit.add() does."""
        self._spool.append(entry)
        commit = self._commits.get(entry.relayers_db)
        if commit is None:
            commit = GroupCommit(
                entry.relayers_db,
                self._failed,
                self._empty_spool,
                self._threads,
                self._prepared,
                self._published,
                self._large,
            )
            self._commits[entry.relayers_db] = commit
        return await commit.add(entry.key, entry.timestamp)

    async def finish(self) -> None:
        """Wait until all entries are written. May take forever: call it with a time limit."""
        await asyncio.gather(*(commit.finish() for commit in self._commits.values()))

    def _empty_spool(self) -> None:
        """Empty the spool after a write if no entry waits, which happens many times a second, or if it grew too large."""
        if self._spool.is_full() or next(self._pending(), None) is None:
            self._spool.replace(self._pending())

    def _pending(self) -> Iterator[LoginEntry]:
        for path, commit in self._commits.items():
            for key, timestamp in commit.pending():
                yield LoginEntry(path, key, timestamp)
