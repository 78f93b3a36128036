# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The transactions of the store: one at a time, and the threads that wait for what one of them brought are woken after it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading

from .store_file import open_file, set_aside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Changes = set[Callable[[], None]]


class Damaged(Exception):
    """The store is damaged and was set aside; the process has to start again."""


class Transactions:
    """The store in a directory. Threads share it; a subclass does each thing in one short transaction."""

    def __init__(self, directory: str) -> None:
        """Open the store in ``directory``, or make one. Raises UnwritableError."""
        self._directory = directory
        self._lock = threading.RLock()
        self._connection, self.was_damaged = open_file(directory)
        self._seq, self._version = self._last_numbers()
        self.on_own: Callable[[], None] = _nothing
        self.on_todo: Callable[[], None] = _nothing

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _last_numbers(self) -> tuple[int, int]:
        with self._reading() as connection:
            # Also of rows that are no longer there: their numbers must not come again.
            queries = ("max(seq) FROM entry", "max(max(seq, trying_seq)) FROM sent", "max(version) FROM todo")
            last, sent, version = (connection.execute(f"SELECT {each}").fetchone()[0] or 0 for each in queries)
            return max(last, sent), version

    def _call_on_own(self) -> None:
        self.on_own()

    def _call_on_todo(self) -> None:
        self.on_todo()

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._watched():
            yield self._connection

    @contextlib.contextmanager
    def _changes(self, durable: bool = False) -> Iterator[Changes]:
        """Do all of the block in one transaction, and then wake the threads that wait for it."""
        changes: Changes = set()
        with self._lock, self._watched():
            numbers = self._seq, self._version
            if durable:
                self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield changes
                self._connection.execute("COMMIT")
            except BaseException:
                self._seq, self._version = numbers
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise
            finally:
                if durable:
                    self._connection.execute("PRAGMA synchronous=NORMAL")
        for call in changes:
            call()

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        """Set a store aside that turns out to be damaged."""
        try:
            yield
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            with contextlib.suppress(OSError):
                set_aside(self._directory)
            raise Damaged(f"{os.path.join(self._directory, 'store.db')}: {error}; a new one is made") from None


def _nothing() -> None:
    pass
