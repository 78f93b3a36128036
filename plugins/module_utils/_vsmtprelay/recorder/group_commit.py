# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Group commit: all logins that wait for the same database go into one write.

A login that comes alone finds its file prepared (database.prepared) and is written in the event
loop: a change to another thread and back takes a third of the time of such a write. A write that
may have to wait runs in a thread.
"""

from __future__ import annotations

import asyncio
import functools
import time

from ..database import edits, relayers_db
from ..database.prepared import PreparedFile
from ..database.published import Published

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import ThreadPoolExecutor

# How long a login is kept waiting for the database. Dovecot gives up after 250 ms (the role's setting) and lets the
# login through, so that there is no use in holding it for longer.
ANSWER_SECONDS = 0.2
# How long one write may wait for makemap before the failure is told and the write is tried anew.
RECORDER_LOCK_SECONDS = 5.0
RETRY_SECONDS = 1.0
# What is done for the next login waits so long after a write, and is not done if another login came: by then the answer is
# out, and Dovecot has done its own part.
RELEASE_SECONDS = 0.001
PREPARE_SECONDS = 0.003
# What is prepared is given up after so long without a login. A file that is open for writing keeps its file system from being
# unmounted, or made read-only.
IDLE_SECONDS = 5.0
# On a disk on which a write takes longer, it is left to a thread, so that nobody waits for the disk of somebody else.
SLOW_SECONDS = 0.02
# Logins kept for a database that cannot be written; each takes some 200 bytes.
MOST_PENDING = 100_000


class _Batch:
    """Logins that are written together: ``tried`` is done when that was tried, ``written`` when they are on the disk."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.logins: dict[str, int] = {}
        self.tried: asyncio.Future[None] = loop.create_future()
        self.written: asyncio.Future[None] = loop.create_future()
        # Batches before it that could not be written.
        self.earlier: list[_Batch] = []

    def merge(self, failed: _Batch) -> None:
        for key, timestamp in failed.logins.items():
            self.logins[key] = max(timestamp, self.logins.get(key, 0))
        self.earlier += [failed, *failed.earlier]
        failed.logins, failed.earlier = {}, []

    def is_written(self) -> None:
        for batch in (self, *self.earlier):
            batch.written.set_result(None)


class GroupCommit:
    """The logins on their way to one database. To be used from the event loop only."""

    def __init__(
        self,
        path: str,
        failed: Callable[[str], None],
        written: Callable[[], None] = lambda: None,
        threads: ThreadPoolExecutor | None = None,
        prepared: set[PreparedFile] | None = None,
        published: Published | None = None,
    ) -> None:
        """Write to the database at ``path``, in one of ``threads`` where it may take long; ``prepared`` and
        ``published`` are as for PreparedFile.

        Calls ``failed`` with a message for every write that did not succeed, and ``written`` after every one that did.
        """
        self._threads = threads
        self._path = path
        self._failed = failed
        self._written = written
        self._current: _Batch | None = None
        self._next: _Batch | None = None
        self._published = Published() if published is None else published
        self._writer: asyncio.Task[None] | None = None
        self._prepared_file = PreparedFile(path, set() if prepared is None else prepared, self._published)
        self._is_slow = False
        self._care: asyncio.TimerHandle | None = None

    async def add(self, key: str, timestamp: int) -> asyncio.Future[None]:
        """Note that ``key`` logged in at ``timestamp`` (epoch seconds). Return a future that is done if that is on the disk.

        A login that did not get there within ANSWER_SECONDS is not given up: it is written as soon as that is possible, and
        the future is done then.
        """
        if self._writer is None and self._write_here({key: timestamp}):
            written = asyncio.get_running_loop().create_future()
            written.set_result(None)
            self._after_write()
            return written
        batch = self._next = self._next or _Batch()
        if len(batch.logins) >= MOST_PENDING and key not in batch.logins:
            self._failed(f"{self._path}: {MOST_PENDING} logins wait to be written; one from {key} is dropped")
            return asyncio.get_running_loop().create_future()
        batch.logins[key] = max(timestamp, batch.logins.get(key, 0))
        if self._writer is None:
            self._writer = asyncio.ensure_future(self._write_all())
        await asyncio.wait((batch.tried,), timeout=ANSWER_SECONDS)
        return batch.written

    def pending(self) -> Iterator[tuple[str, int]]:
        """Yield address and epoch seconds of what is not written yet."""
        for batch in (self._current, self._next):
            if batch:
                yield from batch.logins.items()

    async def finish(self) -> None:
        """Wait until everything is written. May take for ever: to be used with a time limit."""
        while self._writer is not None:
            await asyncio.shield(self._writer)
        if self._care is not None:
            self._care.cancel()
        self._prepared_file.close()

    async def _write_all(self) -> None:
        try:
            while self._next:
                self._current, self._next = self._next, None
                done = await self._write(self._current)
                if not done:
                    self._next = self._next or _Batch()
                    self._next.merge(self._current)
                self._current = None
                if done:
                    self._after_write()
                else:
                    await asyncio.sleep(RETRY_SECONDS)
        finally:
            self._writer = None

    async def _write(self, batch: _Batch) -> bool:
        try:
            if not self._write_here(batch.logins):
                begin = time.monotonic()
                write = functools.partial(
                    relayers_db.change,
                    self._path,
                    edits.record_logins(batch.logins),
                    RECORDER_LOCK_SECONDS,
                    published=self._published,
                )
                await asyncio.get_running_loop().run_in_executor(self._threads, write)
                self._is_slow = time.monotonic() - begin > SLOW_SECONDS
            batch.is_written()
            return True
        except Exception as error:  # pylint: disable=broad-except
            # Whatever it was: the logins are kept for the next try.
            self._failed(f"{error} ({len(batch.logins)} logins wait for the next try)")
            return False
        finally:
            batch.tried.set_result(None)

    def _write_here(self, logins: dict[str, int]) -> bool:
        """Write ``logins`` to the file that is prepared for them, without waiting; tell whether they are on the disk."""
        if self._is_slow:
            return False
        begin = time.monotonic()
        written = self._prepared_file.commit(edits.record_logins(logins)) is not None
        self._is_slow = time.monotonic() - begin > SLOW_SECONDS
        return written

    def _after_write(self) -> None:
        """Tell that something was written, and see to the next file unless somebody waits already."""
        self._written()
        if not self._next:
            self._take_care_in(RELEASE_SECONDS, self._release)

    def _take_care_in(self, seconds: float, work: Callable[[], None]) -> None:
        if self._care is not None:
            self._care.cancel()
        self._care = asyncio.get_running_loop().call_later(seconds, work)

    def _release(self) -> None:
        self._prepared_file.release()
        self._take_care_in(PREPARE_SECONDS, self._prepare)

    def _prepare(self) -> None:
        """Have the next file prepared, unless somebody waits already."""
        if self._writer is None and not self._is_slow:
            self._prepared_file.prepare()
            self._take_care_in(IDLE_SECONDS, self._prepared_file.close)
