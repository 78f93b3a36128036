# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bring logins to the databases: all that wait for the same database go into one write, in the order of a group commit."""

from __future__ import annotations

import asyncio

from . import database, edits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# How long a login is kept waiting for the database. Dovecot gives up after 250 ms (the role's setting) and lets the
# login through, so that there is no use in holding it for longer.
ANSWER_SECONDS = 0.2
# How long one write may wait for makemap before the failure is told and the write is tried anew.
LOCK_SECONDS = 5.0
RETRY_SECONDS = 1.0
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

    def take_over(self, failed: _Batch) -> None:
        for key, timestamp in failed.logins.items():
            self.logins[key] = max(timestamp, self.logins.get(key, 0))
        self.earlier += [failed, *failed.earlier]
        failed.logins, failed.earlier = {}, []

    def is_written(self) -> None:
        for batch in (self, *self.earlier):
            batch.written.set_result(None)


class GroupCommit:
    """The logins on their way to one database. To be used from the event loop only."""

    def __init__(self, path: str, failed: Callable[[str], None]) -> None:
        """Write to the database at ``path``; call ``failed`` with a message for every write that did not succeed."""
        self._path = path
        self._failed = failed
        self._next: _Batch | None = None
        self._writer: asyncio.Task[None] | None = None

    async def record(self, key: str, timestamp: int) -> asyncio.Future[None]:
        """Note that ``key`` logged in at ``timestamp`` (epoch seconds). Return a future that is done if that is on the disk.

        A login that did not get there within ANSWER_SECONDS is not given up: it is written as soon as that is possible, and
        the future is done then.
        """
        batch = self._next = self._next or _Batch()
        if len(batch.logins) >= MOST_PENDING and key not in batch.logins:
            self._failed(f"{self._path}: {MOST_PENDING} logins wait to be written; one from {key} is dropped")
            return asyncio.get_running_loop().create_future()
        batch.logins[key] = max(timestamp, batch.logins.get(key, 0))
        if self._writer is None:
            self._writer = asyncio.ensure_future(self._write_all())
        await asyncio.wait((batch.tried,), timeout=ANSWER_SECONDS)
        return batch.written

    async def finish(self) -> None:
        """Wait until everything is written. May take for ever: to be used with a time limit."""
        while self._writer is not None:
            await asyncio.shield(self._writer)

    async def _write_all(self) -> None:
        try:
            while self._next:
                batch, self._next = self._next, None
                if not await self._write(batch):
                    self._next = self._next or _Batch()
                    self._next.take_over(batch)
                    await asyncio.sleep(RETRY_SECONDS)
        finally:
            self._writer = None

    async def _write(self, batch: _Batch) -> bool:
        try:
            await asyncio.get_running_loop().run_in_executor(
                None, database.change, self._path, edits.record(batch.logins), LOCK_SECONDS
            )
            batch.is_written()
            return True
        except Exception as error:  # pylint: disable=broad-except
            # Whatever it was: the logins are kept for the next try.
            self._failed(f"{error} ({len(batch.logins)} logins wait for the next try)")
            return False
        finally:
            batch.tried.set_result(None)
