# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The writers of all databases: one GroupCommit for each database, and the spool before them.

An entry is in the spool from the moment its login is accepted until it is in its database.
"""

from __future__ import annotations

import asyncio
import collections
import functools
import os
from concurrent.futures import ThreadPoolExecutor

from ..database.prepared import PreparedFiles
from ..database.published import Published
from .group_commit import GroupCommit
from .large_write import LargeWrites
from .login_entry import LoginEntry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from .shared_logins import SharedLogins
    from .spool import Spool

# Each database that another process holds locked occupies a thread for RECORDER_LOCK_SECONDS. Even if this many
# owners minus one lock their databases, the logins of all other virtual servers are still written at once. asyncio's
# default is six threads on two cores.
MOST_WRITERS = 64
# Renewals have threads of their own, so that no login waits for one. A database that is locked is renewed the next time.
MOST_RENEWERS = 16
RENEWAL_LOCK_SECONDS = 1.0
# Nobody who logs in waits for the reading of a database either.
MOST_READERS = 2
READ_LOCK_SECONDS = 1.0
# After so many keys that are published the event loop serves logins that wait.
SLICE = 50


class Writers:
    """The writers of all databases. For use in the event loop only."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        failed: Callable[[str, str], None],
        spool: Spool,
        created: Callable[[str, list[str]], None] = lambda _path, _keys: None,
        shared: SharedLogins | None = None,
    ) -> None:
        """``failed`` is called with the path of the database and a message after every failed write.

        ``created`` is called after every other one, with the path of the database and the keys that were missing there.
        ``shared`` hands over each login and each renewal that is on the disk.
        """
        self._loop = loop
        self._failed = failed
        self._created = created
        self._shared = shared
        self._spool = spool
        self._threads = ThreadPoolExecutor(MOST_WRITERS)
        self._renewers = ThreadPoolExecutor(MOST_RENEWERS)
        self._readers = ThreadPoolExecutor(MOST_READERS)
        self._closer = ThreadPoolExecutor(1)
        published = Published()
        self._large = LargeWrites(loop, published)
        # After the answer: even to hand it over takes time.
        self._prepared = PreparedFiles(published, lambda descriptor: loop.call_soon(self._closer.submit, os.close, descriptor))
        self._commits: dict[str, GroupCommit] = {}
        # The entries that are accepted and neither written nor dropped, and how often each.
        self._open: collections.Counter[LoginEntry] = collections.Counter()

    def accept(self, entry: LoginEntry) -> None:
        """Keep ``entry`` in the spool until write() has written it, or drop()."""
        self._open[entry] += 1
        self._spool.append(entry)

    def expect(self, entry: LoginEntry) -> None:
        """Do ahead what can be done for an accepted ``entry``, if it is the only one."""
        commit = self._commits.get(entry.relayers_db)
        if commit is not None and len(self._open) == 1 and entry in self._open:
            commit.expect(entry.key, entry.timestamp)

    def drop(self, entry: LoginEntry) -> None:
        """Forget an accepted ``entry``."""
        commit = self._commits.get(entry.relayers_db)
        if commit is not None:
            commit.forget(entry.key)
        self._close(entry)
        self._empty_spool()

    def write(self, entry: LoginEntry, written: Callable[[], None], milliseconds: int | None = None) -> None:
        """Write an accepted ``entry`` to its database, and call ``written`` when it is on the disk.

        ``milliseconds`` is the time of the login, since the epoch, where it is known better than in seconds.
        """
        milliseconds = entry.timestamp * 1000 if milliseconds is None else milliseconds
        commit = self._commits.get(entry.relayers_db) or self._commit_of(entry.relayers_db)
        if not commit.add(entry.key, entry.timestamp, functools.partial(self._is_written, entry, written, milliseconds)):
            self.drop(entry)

    def receive(self, path: str, logins: Mapping[str, int], revoked: Mapping[str, int]) -> asyncio.Future[str]:
        """Write logins and revocations of other hosts (epoch seconds by key) to the database at ``path``, as GroupCommit does.

        Returns an empty text when all is on the disk, else the reason why it is not.
        """
        result: asyncio.Future[str] = self._loop.create_future()
        parts = bool(logins) + bool(revoked)
        reasons: list[str] = []

        def done(reason: str) -> None:
            reasons.append(reason)
            if len(reasons) == parts:
                result.set_result("; ".join(filter(None, reasons)))

        (self._commits.get(path) or self._commit_of(path)).receive(logins, revoked, done)
        return result

    def pages(self, path: str) -> asyncio.Future[list[bytes]]:
        """Return the entries of the database at ``path`` as entry_pages.read() does. The future raises RelayError."""
        return self._large.pages(self._readers, path, READ_LOCK_SECONDS)

    async def renew(self, path: str, keys: Collection[str], now: int, limit: int) -> Collection[str]:
        """Make the edit ``edits.renew`` in the database at ``path``; return the keys whose permission has not run out.

        Raises RelayError.
        """
        valid, stamped = await self._large.renew(self._renewers, path, keys, now, limit, RENEWAL_LOCK_SECONDS)
        if self._shared is not None:
            for number, key in enumerate(stamped, 1):
                self._shared.renewal(path, key, now)
                if number % SLICE == 0:
                    await asyncio.sleep(0)
        return valid

    def left_in_spool(self) -> list[LoginEntry]:
        """Return the entries that an earlier recorder accepted and did not write."""
        return list(self._spool.entries())

    def are_at_work(self) -> bool:
        """Return whether an entry waits to be written, or for write() or drop()."""
        return bool(self._open)

    def close(self) -> None:
        """Close all files that are open for the next login, and leave what is not written to the next recorder."""
        for commit in self._commits.values():
            commit.close()
        self._spool.leave()

    def _commit_of(self, path: str) -> GroupCommit:
        """Return a new GroupCommit for the database at ``path``."""
        failed, created = functools.partial(self._failed, path), functools.partial(self._created, path)
        commit = self._commits[path] = GroupCommit(
            self._loop, self._prepared.of(path), self._threads, self._large, failed, created
        )
        commit.written = self._empty_spool
        return commit

    def _is_written(self, entry: LoginEntry, written: Callable[[], None], milliseconds: int) -> None:
        if self._shared is not None:
            # Before the answer and before the spool forgets it: a login that was let in is known to other hosts.
            self._shared.login(entry.relayers_db, entry.key, milliseconds)
        self._close(entry)
        written()

    def _close(self, entry: LoginEntry) -> None:
        if self._open[entry] > 1:
            self._open[entry] -= 1
        else:
            del self._open[entry]

    def _empty_spool(self) -> None:
        """Empty the spool after a write if no entry waits, which happens many times a second, or if it grew too large."""
        if self._spool.is_full() or not self._open:
            self._spool.replace(self._open)
