# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Group commit: all logins that wait for one database are written together.

Those that arrive in one turn of the event loop are written at its end, in the event loop itself, with a prepared file
(database.prepared): to switch to a thread and back takes a third of the time of such a write. A write that may have to wait
runs in a thread, and those that arrive meanwhile are written together after it.

Logins and revocations of other hosts go the same way, so that there is one write at a time, and a login that waits while it is
revoked is not written after that. What fails of them is not kept: the sharer brings it again.
"""

from __future__ import annotations

import time

from ..database import edits
from .received import Received, call, not_revoked

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import ThreadPoolExecutor

    from ..database.prepared import PreparedFile
    from .large_write import LargeWrites
    from .received import Done

# Deadline of one write that waits for makemap. Then the failure is logged and the write is retried.
RECORDER_LOCK_SECONDS = 5.0
WRITE_RETRY_SECONDS = 1.0
# Work for the next login starts this long after a write, unless another login came: by then the answer is sent, and
# Dovecot has done its part.
PREPARE_SECONDS = 0.003
# A prepared file is closed after this long without a login. A file that is open for writing keeps its file system from
# being unmounted, or remounted read-only.
IDLE_SECONDS = 5.0
# If a write takes longer, later writes run in a thread, so that no login waits for the disk of another virtual server.
SLOW_SECONDS = 0.02
# More logins of other hosts are written in a thread: a login of this host does not wait for a hundred others.
MOST_RECEIVED_HERE = 50
REVOKE_LOCK_SECONDS = 1.0
# The most logins kept for a database that cannot be written; each takes about 200 bytes.
MOST_PENDING = 100_000
NOTHING = Received()


class GroupCommit:
    """The logins that wait for one database. For use in the event loop only."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        prepared: PreparedFile,
        threads: ThreadPoolExecutor,
        large: LargeWrites,
        failed: Callable[[str], None],
        created: Callable[[list[str]], None] = lambda _keys: None,
    ) -> None:
        """Write to the database of ``prepared``, in one of ``threads`` if it may take long, by ``large`` if it is a large one.

        ``failed`` is called with a message after every failed write; ``created`` is called after every other one with the keys
        that were missing.
        """
        self._loop = loop
        self._prepared = prepared
        self._threads = threads
        self._large = large
        self._failed = failed
        self._created = created
        # Called after each write and after what the logins in it asked for.
        self.written: Callable[[], None] = lambda: None
        self._logins: dict[str, int] = {}
        # What is in the prepared file though nobody has asked for it to be recorded yet.
        self._expected: dict[str, int] = {}
        self._then: list[Callable[[], None]] = []
        self._received = Received()
        self._revoked = Received()
        # The end of the turn is awaited, a thread writes, or the next try.
        self._is_at_work = False
        self._is_slow = False
        self._care: asyncio.TimerHandle | None = None

    def expect(self, key: str, timestamp: int) -> None:
        """Do ahead what can be done of the next write, if add() may follow with the same login.

        It is in the database after add() only. forget() comes instead if the login does not count.
        """
        if self._is_at_work or self._is_slow or self._expected:
            return
        begin = time.monotonic()
        is_begun = self._prepared.begin(edits.record_logins({key: timestamp}))
        self._is_slow = time.monotonic() - begin > SLOW_SECONDS
        if self._is_slow:
            self._prepared.close()  # a thread writes
        elif is_begun:
            self._expected = {key: timestamp}

    def forget(self, key: str) -> None:
        """Take back what expect() has done for ``key``, if it has."""
        if key in self._expected:
            self._take_back()
            if not self._is_at_work:
                self._take_care_in(PREPARE_SECONDS, self._prepare)

    def add(self, key: str, timestamp: int, written: Callable[[], None]) -> bool:
        """Record that ``key`` logged in at ``timestamp`` (epoch seconds), and call ``written`` when that is on the disk.

        Returns False, and does nothing, if too many logins wait.
        """
        before = self._logins.get(key)
        if before is None and len(self._logins) >= MOST_PENDING:
            self._failed(f"{self._prepared.path}: {MOST_PENDING} logins wait to be written; one from {key} is dropped")
            return False
        if before is None or before < timestamp:
            self._logins[key] = timestamp
        self._then.append(written)
        self._begin()
        return True

    def receive(self, logins: Mapping[str, int], revoked: Mapping[str, int], done: Done) -> None:
        """Record ``logins`` of other hosts and make the edit ``edits.revoke`` with ``revoked``, both epoch seconds by key.

        ``done`` is called once for each of the two that is not empty, with an empty text when it is on the disk, else with the
        reason why it is not.
        """
        for waiting, seconds in ((self._received, logins), (self._revoked, revoked)):
            if not seconds:
                continue
            if len(waiting.seconds) + len(seconds) > MOST_PENDING:
                done(f"{self._prepared.path}: {MOST_PENDING} addresses wait to be written")
            else:
                waiting.add(seconds, done)
                self._begin()

    def close(self) -> None:
        """Close the files that are open for the next login."""
        if self._care is not None:
            self._care.cancel()
        self._prepared.close()

    def _begin(self) -> None:
        if not self._is_at_work:
            self._is_at_work = True
            self._loop.call_soon(self._write)

    def _write(self) -> None:
        """Write all logins that wait, or first the revocations."""
        if self._revoked:
            self._revoke()
            return
        logins, then, received = self._logins, self._then, NOTHING
        self._logins, self._then = {}, []
        wanted = logins
        if self._received:
            received, self._received = self._received, Received()
            wanted = {**received.seconds, **logins}
            wanted.update((key, second) for key, second in received.seconds.items() if second > wanted[key])
        if not wanted or (len(received.seconds) <= MOST_RECEIVED_HERE and self._write_here(wanted)):
            self._is_at_work = False
            self._are_written(then, received.then)
            return
        begin = time.monotonic()
        future = self._large.record(self._threads, self._prepared.path, wanted, RECORDER_LOCK_SECONDS)
        future.add_done_callback(lambda done: self._is_done(done, logins, then, received.then, begin))

    def _is_done(
        self,
        done: asyncio.Future[list[str]],
        logins: dict[str, int],
        then: list[Callable[[], None]],
        then_received: Sequence[Done],
        begin: float,
    ) -> None:
        """Take the result of a write in a thread."""
        error = done.exception()
        if error is not None:
            # Whatever the error, the logins are kept for the next try.
            if logins:
                self._failed(f"{error} ({len(logins)} logins wait for the next try)")
            for key, timestamp in logins.items():
                self._logins[key] = max(timestamp, self._logins.get(key, 0))
            self._then = then + self._then
            call(then_received, str(error))
            self._try_again()
            return
        self._created(done.result())
        self._go_on(begin)
        self._are_written(then, then_received)

    def _revoke(self) -> None:
        """Make all revocations that wait, in a thread; also those logins that wait are not written that they close."""
        revoked, self._revoked = self._revoked, Received()
        self._logins = not_revoked(self._logins, revoked.seconds)
        self._received.seconds = not_revoked(self._received.seconds, revoked.seconds)
        begin = time.monotonic()
        path, now = self._prepared.path, int(time.time())
        future = self._large.revoke(self._threads, path, revoked.seconds, now, REVOKE_LOCK_SECONDS)
        future.add_done_callback(lambda done: self._is_revoked(done, revoked.then, begin))

    def _is_revoked(self, done: asyncio.Future[list[str]], then: Sequence[Done], begin: float) -> None:
        """Take the result of a revocation in a thread."""
        error = done.exception()
        call(then, "" if error is None else str(error))
        if error is not None:
            self._try_again()
            return
        self._go_on(begin)
        if not self._is_at_work:
            self._take_care_in(PREPARE_SECONDS, self._prepare)

    def _go_on(self, begin: float) -> None:
        """Have what waits written after a write in a thread, which began at ``begin`` by time.monotonic()."""
        self._is_slow = time.monotonic() - begin > SLOW_SECONDS
        if not self._is_slow:
            self._prepared.copy()
        self._is_at_work = self._waits()
        if self._is_at_work:
            self._loop.call_soon(self._write)

    def _try_again(self) -> None:
        """Have what waits written after a failure."""
        self._is_at_work = self._waits()
        if self._is_at_work:
            self._loop.call_later(WRITE_RETRY_SECONDS, self._write)

    def _waits(self) -> bool:
        return bool(self._then or self._received or self._revoked)

    def _write_here(self, logins: dict[str, int]) -> bool:
        """Write ``logins`` with the prepared file, without waiting; return whether they are on the disk."""
        if self._is_slow:
            return False
        begin = time.monotonic()
        if any(logins.get(key, -1) < timestamp for key, timestamp in self._expected.items()):
            self._take_back()
        self._expected = {}
        changes = self._prepared.commit(edits.record_logins(logins))
        self._is_slow = time.monotonic() - begin > SLOW_SECONDS
        if changes is None:
            return False
        if changes.added:
            self._created(changes.keys_added())
        return True

    def _take_back(self) -> None:
        self._expected = {}
        self._prepared.take_back()

    def _are_written(self, then: Sequence[Callable[[], None]], then_received: Sequence[Done]) -> None:
        """Report a successful write, and schedule the work for the next login unless one waits already."""
        for written in then:
            written()
        call(then_received, "")
        self.written()
        if not self._is_at_work:
            self._take_care_in(PREPARE_SECONDS, self._prepare)

    def _take_care_in(self, seconds: float, work: Callable[[], None]) -> None:
        if self._care is not None:
            self._care.cancel()
        self._care = self._loop.call_later(seconds, work)

    def _prepare(self) -> None:
        """Prepare the next file, unless a login waits already, or a thread will write it."""
        if self._is_at_work:
            return
        if self._is_slow:
            self._prepared.close()
        else:
            self._prepared.prepare()
            self._take_care_in(IDLE_SECONDS, self._prepared.close)
