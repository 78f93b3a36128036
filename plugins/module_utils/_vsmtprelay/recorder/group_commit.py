# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Group commit: all logins that wait for one database are written together.

A login that comes alone finds a prepared file (database.prepared) and is written in the event loop, since
switching to a thread and back takes a third of the time of such a write. A write that may have to wait runs
in a thread.
"""

from __future__ import annotations

import asyncio
import functools
import time

from ..database import edits, relayers_db
from ..database.prepared import PreparedFile
from ..database.published import Published
from ..errors import TooLargeError
from .large_write import LARGEST_OWN_BYTES, LargeWrites

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import ThreadPoolExecutor

# How long a login waits for the database. Dovecot gives up after 250 ms (the role's setting) and lets the login
# through, so waiting longer is useless.
ANSWER_SECONDS = 0.2
# Deadline of one write that waits for makemap. Then the failure is logged and the write is retried.
RECORDER_LOCK_SECONDS = 5.0
WRITE_RETRY_SECONDS = 1.0
# Work for the next login starts this long after a write, unless another login came: by then the answer is sent, and
# Dovecot has done its part.
RELEASE_SECONDS = 0.001
PREPARE_SECONDS = 0.003
# A prepared file is closed after this long without a login. A file that is open for writing keeps its file system from
# being unmounted, or remounted read-only.
IDLE_SECONDS = 5.0
# If a write takes longer, later writes run in a thread, so that no login waits for the disk of another virtual server.
SLOW_SECONDS = 0.02
# The most logins kept for a database that cannot be written; each takes about 200 bytes.
MOST_PENDING = 100_000


class _Batch:
    """Logins that are written together: ``tried`` is done after the first try, ``written`` when they are on the disk."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.logins: dict[str, int] = {}
        self.tried: asyncio.Future[None] = loop.create_future()
        self.written: asyncio.Future[None] = loop.create_future()
        # Earlier batches that could not be written.
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
    """The logins that wait for one database. For use in the event loop only."""

    def __init__(
        self,
        path: str,
        failed: Callable[[str], None],
        written: Callable[[], None] = lambda: None,
        threads: ThreadPoolExecutor | None = None,
        prepared: set[PreparedFile] | None = None,
        published: Published | None = None,
        large: LargeWrites | None = None,
        created: Callable[[list[str]], None] = lambda _keys: None,
    ) -> None:
        """Write to the database at ``path``, in one of ``threads`` if it may take long, by ``large`` if it is a large one.

        ``prepared`` and ``published`` are as for PreparedFile. ``failed`` is called with a message after every
        failed write, ``written`` after every successful one; ``created`` is called before that with the keys that were missing.
        """
        self._threads = threads
        self._large = LargeWrites() if large is None else large
        self._path = path
        self._failed = failed
        self._written = written
        self._created = created
        self._current: _Batch | None = None
        self._next: _Batch | None = None
        self._published = Published() if published is None else published
        self._writer: asyncio.Task[None] | None = None
        self._prepared_file = PreparedFile(path, set() if prepared is None else prepared, self._published)
        self._is_slow = False
        self._care: asyncio.TimerHandle | None = None

    async def add(self, key: str, timestamp: int) -> asyncio.Future[None]:
        """Record that ``key`` logged in at ``timestamp`` (epoch seconds); return a future that is done when it is on the disk.

        It waits at most ANSWER_SECONDS. A login that is not on the disk by then is written as soon as possible,
        and the future is done then.
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
        """Yield the key and the timestamp (epoch seconds) of each login that is not written yet."""
        for batch in (self._current, self._next):
            if batch:
                yield from batch.logins.items()

    async def finish(self) -> None:
        """Wait until everything is written. May take forever: call it with a time limit."""
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
                    await asyncio.sleep(WRITE_RETRY_SECONDS)
        finally:
            self._writer = None

    async def _write(self, batch: _Batch) -> bool:
        try:
            if not self._write_here(batch.logins):
                begin = time.monotonic()
                await self._write_elsewhere(batch.logins)
                self._is_slow = time.monotonic() - begin > SLOW_SECONDS
            batch.is_written()
            return True
        except Exception as error:  # pylint: disable=broad-except
            # Whatever the error, the logins are kept for the next try.
            self._failed(f"{error} ({len(batch.logins)} logins wait for the next try)")
            return False
        finally:
            batch.tried.set_result(None)

    def _write_here(self, logins: dict[str, int]) -> bool:
        """Write ``logins`` with the prepared file, without waiting; return whether they are on the disk."""
        if self._is_slow:
            return False
        begin = time.monotonic()
        changes = self._prepared_file.commit(edits.record_logins(logins))
        self._is_slow = time.monotonic() - begin > SLOW_SECONDS
        if changes is None:
            return False
        self._created(changes.keys_added())
        return True

    async def _write_elsewhere(self, logins: dict[str, int]) -> None:
        """Write ``logins`` in a thread, or by a child if the database is large. Raises RelayError."""
        loop = asyncio.get_running_loop()
        write = functools.partial(
            relayers_db.change,
            self._path,
            edits.record_logins(logins),
            RECORDER_LOCK_SECONDS,
            published=self._published,
            largest=LARGEST_OWN_BYTES,
        )
        try:
            created = (await loop.run_in_executor(self._threads, write)).keys_added()
        except TooLargeError:
            created = await loop.run_in_executor(self._large.thread, self._large.writer(self._path, logins))
        self._created(created)

    def _after_write(self) -> None:
        """Report a successful write, and schedule the work for the next login unless one waits already."""
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
        """Prepare the next file, unless a login waits already."""
        if self._writer is None and not self._is_slow:
            self._prepared_file.prepare()
            self._take_care_in(IDLE_SECONDS, self._prepared_file.close)
