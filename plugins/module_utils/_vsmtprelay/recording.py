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


class Journal:
    """The logins on their way to one database. To be used from the event loop only."""

    def __init__(self, path: str, failed: Callable[[str], None]) -> None:
        """Write to the database at ``path``; call ``failed`` with a message for every write that did not succeed."""
        self._path = path
        self._failed = failed
        self._pending: dict[str, int] = {}
        self._waiting: list[asyncio.Future[bool]] = []
        self._writer: asyncio.Task[None] | None = None

    async def record(self, key: str, timestamp: int) -> bool:
        """Note that ``key`` logged in at ``timestamp`` (epoch seconds). Tell whether that is on the disk.

        A login that did not get there within ANSWER_SECONDS is not given up: it is written as soon as that is possible.
        """
        if len(self._pending) >= MOST_PENDING and key not in self._pending:
            self._failed(f"{self._path}: {MOST_PENDING} logins wait to be written; one from {key} is dropped")
            return False
        self._pending[key] = max(timestamp, self._pending.get(key, 0))
        written = asyncio.get_running_loop().create_future()
        self._waiting.append(written)
        if self._writer is None:
            self._writer = asyncio.ensure_future(self._write_all())
        await asyncio.wait((written,), timeout=ANSWER_SECONDS)
        return written.done() and written.result()

    async def finish(self) -> None:
        """Wait until everything is written. May take for ever: to be used with a time limit."""
        while self._writer is not None:
            await asyncio.shield(self._writer)

    async def _write_all(self) -> None:
        try:
            while self._pending:
                if not await self._write_once():
                    await asyncio.sleep(RETRY_SECONDS)
        finally:
            self._writer = None

    async def _write_once(self) -> bool:
        logins, self._pending = self._pending, {}
        waiting, self._waiting = self._waiting, []
        try:
            await asyncio.get_running_loop().run_in_executor(
                None, database.change, self._path, edits.record(logins), LOCK_SECONDS
            )
            written = True
        except Exception as error:  # pylint: disable=broad-except
            # Whatever it was: the logins are kept for the next try.
            self._failed(f"{error} ({len(logins)} logins wait for the next try)")
            for key, timestamp in logins.items():
                self._pending[key] = max(timestamp, self._pending.get(key, 0))
            written = False
        for future in waiting:
            if not future.done():
                future.set_result(written)
        return written
