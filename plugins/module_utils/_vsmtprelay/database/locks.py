# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Locks: among our own writers, and towards makemap, which writes the live file in place.

makemap 8.17 and later holds flock(2) on the file, makemap 8.15 (Debian 11) fcntl(2) record locks, which it loses again
while it works, because libdb closes a second descriptor of the same file. A read lease (fcntl(2), F_SETLEASE) is granted
only while nobody at all has the file open for writing, so it sees that one too.
"""

from __future__ import annotations

import fcntl
import os
import stat
import time

# The signal module imports enum and functools, which takes as long as half of a command's work; this is what it wraps.
from _signal import SIGURG

from ..errors import BusyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

RETRY_SECONDS = 0.002
LONGEST_RETRY_SECONDS = 0.05


class Deadline:
    """How long one is ready to wait: until a moment on the monotonic clock."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds
        self._pause = RETRY_SECONDS

    def wait(self, path: str, holder: str) -> None:
        """Sleep a little before the next try. Raises BusyError, which names ``path`` and ``holder``, when time is up."""
        if time.monotonic() >= self._end:
            raise BusyError(
                f"{path}: {holder} for more than {self._seconds:g} seconds, nothing was changed; "
                f"see who it is with fuser -v {path}, and try again"
            )
        time.sleep(self._pause)
        self._pause = min(2 * self._pause, LONGEST_RETRY_SECONDS)


class QuiescentFile:
    """The live database held, for a moment, in a state in which nobody can be writing it."""

    def __init__(self, path: str, exclusive: bool, deadline: Deadline) -> None:
        """Lock the file at ``path``; ``exclusive`` also keeps sendmail from opening it meanwhile.

        Raises OSError if it cannot be opened, BusyError if it is being written for longer than ``deadline``.
        """
        while True:
            # O_NONBLOCK so that a FIFO in the place of the database cannot hold us up.
            self.descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            try:
                if self._lock(exclusive):
                    return
            except BaseException:
                os.close(self.descriptor)
                raise
            os.close(self.descriptor)
            deadline.wait(path, "another program is writing it or holds it locked")

    def __enter__(self) -> QuiescentFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.close(self.descriptor)

    def release(self) -> None:
        """Let go of the locks and keep the file open."""
        fcntl.flock(self.descriptor, fcntl.LOCK_UN)
        fcntl.lockf(self.descriptor, fcntl.LOCK_UN)
        try:
            fcntl.fcntl(self.descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        except OSError:
            pass  # there was none

    def _lock(self, exclusive: bool) -> bool:
        if not stat.S_ISREG(os.fstat(self.descriptor).st_mode):
            return True
        try:
            fcntl.flock(self.descriptor, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
            fcntl.lockf(self.descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return False
        try:
            # A program that opens the file for writing breaks the lease, and the kernel tells us with a signal: one
            # whose default is to be ignored, where the usual SIGIO would end the process.
            fcntl.fcntl(self.descriptor, fcntl.F_SETSIG, SIGURG)
            fcntl.fcntl(self.descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except BlockingIOError:
            return False
        except OSError:
            # Not the owner's process and no CAP_LEASE, or a file system without leases: the two locks have to do.
            pass
        return True


class WriterLock:
    """The temporary file beside a database, and with it the right to be the only one of us who writes there.

    The file is the lock. It has one fixed name, it is readable by nobody but its owner (a lock that any local user could
    take, such as one on the directory, would let any local user stop all recording), it is gone when the work is done,
    and what a killed writer left is taken over, and with that cleaned up, by the next.
    """

    def __init__(self, path: str, deadline: Deadline) -> None:
        """Wait until no other writer is at work on the database ``path``.

        Raises OSError if the directory cannot be written, BusyError if the others take longer than ``deadline``.
        """
        self._name(path)
        while not self._take():
            deadline.wait(path, f"another vsmtprelay or recorder is changing it (it holds {self.path})")

    def __enter__(self) -> WriterLock:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Remove the temporary file, where it has not become the database, and let the next writer in."""
        if self._still_ours():
            os.unlink(self.path)
        os.close(self.descriptor)

    def _name(self, path: str) -> None:
        directory, name = os.path.split(path)
        self.path = os.path.join(directory, f".{name}.vsmtprelay")
        self._database = path

    def _take(self) -> bool:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self.descriptor = os.open(self.path, flags, 0o600)
        except PermissionError:
            if not os.path.lexists(self.path):
                raise
            return False  # another user's, at work
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if self._still_ours():
                status = os.fstat(self.descriptor)
                if stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and status.st_uid == os.geteuid():
                    os.ftruncate(self.descriptor, 0)
                    self._give_to_owner(status)
                    return True
                # Left by a writer that was killed after it gave the file away or linked it, or put there by somebody
                # else as a trap: not to be written to.
                os.unlink(self.path)
        except BlockingIOError:
            pass
        except BaseException:
            os.close(self.descriptor)
            raise
        os.close(self.descriptor)
        return False

    def _give_to_owner(self, status: os.stat_result) -> None:
        """Let the owner of the database take the file over, should root be killed with it at hand."""
        if status.st_uid == 0:
            try:
                owner = os.stat(self._database).st_uid
            except FileNotFoundError:
                owner = os.stat(os.path.dirname(self._database)).st_uid
            os.fchown(self.descriptor, owner, -1)

    def _still_ours(self) -> bool:
        try:
            there = os.lstat(self.path)
        except FileNotFoundError:
            return False
        here = os.fstat(self.descriptor)
        return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)


class PreparedWriterLock(WriterLock):
    """The same with a file that is written already and has no name yet (open(2), O_TMPFILE), and without waiting."""

    def __init__(self, path: str, descriptor: int) -> None:
        """Name the file ``descriptor`` as the temporary file of the database ``path``; it is closed with the right to write.

        Raises FileExistsError if another writer is at work, or left its file.
        """
        self._name(path)
        self.descriptor = descriptor
        # Before anybody sees it.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Only linkat(2) follows the link in /proc, and Python calls it only where it is given a directory; with an absolute
        # path it does not matter which one.
        os.link(f"/proc/self/fd/{descriptor}", self.path, src_dir_fd=descriptor)
