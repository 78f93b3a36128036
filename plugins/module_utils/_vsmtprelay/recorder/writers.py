# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The writers of all databases: one GroupCommit for each database, and the spool before them.

An entry is in the spool from the moment its login is accepted until it is in its database.
"""

from __future__ import annotations

import asyncio
import functools
from concurrent.futures import ThreadPoolExecutor

from ..database import edits, relayers_db
from ..database.published import Published
from ..errors import TooLargeError
from .group_commit import GroupCommit
from .large_write import LARGEST_OWN_BYTES, LargeWrites
from .login_entry import LoginEntry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from ..database.prepared import PreparedFile
    from .spool import Spool

# Each database that another process holds locked occupies a thread for RECORDER_LOCK_SECONDS. Even if this many
# owners minus one lock their databases, the logins of all other virtual servers are still written at once. asyncio's
# default is six threads on two cores.
MOST_WRITERS = 64
# Renewals have threads of their own, so that no login waits for one. A database that is locked is renewed the next time.
MOST_RENEWERS = 16
RENEWAL_LOCK_SECONDS = 1.0


class Writers:
    """The writers of all databases. For use in the event loop only."""

    def __init__(
        self,
        failed: Callable[[str], None],
        spool: Spool,
        created: Callable[[str, list[str]], None] = lambda _path, _keys: None,
    ) -> None:
        """``failed`` is called with a message after every failed write.

        ``created`` is called after every other one, with the path of the database and the keys that were missing there.
        """
        self._failed = failed
        self._created = created
        self._spool = spool
        self._threads = ThreadPoolExecutor(MOST_WRITERS)
        self._renewers = ThreadPoolExecutor(MOST_RENEWERS)
        self._large = LargeWrites()
        self._prepared: set[PreparedFile] = set()
        self._published = Published()
        self._commits: dict[str, GroupCommit] = {}
        self._asking: set[LoginEntry] = set()

    def accept(self, entry: LoginEntry) -> None:
        """Keep ``entry`` in the spool while Dovecot is asked about its account; then write() or drop() ends that."""
        self._asking.add(entry)
        self._spool.append(entry)

    def drop(self, entry: LoginEntry) -> None:
        """Forget an accepted ``entry``."""
        self._asking.discard(entry)
        self._empty_spool()

    async def write(self, entry: LoginEntry) -> asyncio.Future[None]:
        """Write ``entry`` to its database; return a future that is done when it is on the disk, as GroupCommit.add() does."""
        self._asking.discard(entry)
        self._spool.append(entry._replace(account=()))
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
                functools.partial(self._created, entry.relayers_db),
            )
            self._commits[entry.relayers_db] = commit
        return await commit.add(entry.key, entry.timestamp)

    async def renew(self, path: str, keys: Collection[str], now: int, limit: int) -> Collection[str]:
        """Make the edit ``edits.renew`` in the database at ``path``; return the keys whose permission has not run out.

        Raises RelayError.
        """
        loop = asyncio.get_running_loop()
        write = functools.partial(
            relayers_db.change,
            path,
            edits.renew(keys, now, limit),
            RENEWAL_LOCK_SECONDS,
            create=False,
            published=self._published,
            largest=LARGEST_OWN_BYTES,
        )
        try:
            return (await loop.run_in_executor(self._renewers, write)).valid
        except TooLargeError:
            return await loop.run_in_executor(self._large.thread, self._large.renewer(path, keys, now, limit))

    async def finish(self) -> None:
        """Wait until all entries are written. May take forever: call it with a time limit."""
        await asyncio.gather(*(commit.finish() for commit in self._commits.values()))

    def _empty_spool(self) -> None:
        """Empty the spool after a write if no entry waits, which happens many times a second, or if it grew too large."""
        if self._spool.is_full() or next(self._pending(), None) is None:
            self._spool.replace(self._pending())

    def _pending(self) -> Iterator[LoginEntry]:
        yield from self._asking
        for path, commit in self._commits.items():
            for key, timestamp in commit.pending():
                yield LoginEntry(path, key, timestamp)
