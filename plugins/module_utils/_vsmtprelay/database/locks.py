# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Locks: the writer lock between vsmtprelay processes, and locks against makemap, which writes the live file in place.

makemap 8.17 and later holds flock(2) on the file. makemap 8.15 (Debian 11) holds fcntl(2) record locks, and
loses them while it works, because libdb closes a second descriptor of the same file. A read lease (fcntl(2),
F_SETLEASE) is granted only while no process has the file open for writing, so it detects makemap 8.15 too.
"""

from __future__ import annotations

import fcntl
import os
import stat
import time

# What signal wraps; start-up: see __init__
from _signal import SIGURG

from ..errors import LockedError
from ..files.owner import acting_uid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

LOCK_RETRY_SECONDS = 0.002
LONGEST_LOCK_RETRY_SECONDS = 0.05


class Deadline:
    """A moment on the monotonic clock at which waiting ends."""

    @staticmethod
    def of(seconds: float | Deadline) -> Deadline:
        """Return the deadline that many seconds from now; one that is a deadline already stays the same."""
        return seconds if isinstance(seconds, Deadline) else Deadline(seconds)

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds
        self._pause = LOCK_RETRY_SECONDS

    def wait(self, path: str, holder: str) -> None:
        """Sleep a little before the next try. Raises LockedError, which names ``path`` and ``holder``, past the deadline."""
        if time.monotonic() >= self._end:
            raise self._error(path, holder)
        time.sleep(self._pause)
        self._pause = min(2 * self._pause, LONGEST_LOCK_RETRY_SECONDS)

    def _error(self, path: str, holder: str) -> LockedError:
        return LockedError(
            f"{path}: {holder} for more than {self._seconds:g} seconds, nothing was changed; "
            f"find the process with fuser -v {path}, and try again"
        )


class OneTry(Deadline):
    """A deadline of work that is tried again from its beginning: it never sleeps."""

    def wait(self, path: str, holder: str) -> None:
        """Raise LockedError as after the seconds of the deadline."""
        raise self._error(path, holder)


class QuiescentFile:
    """The live database, held while no process can be writing it."""

    def __init__(self, path: str, exclusive: bool, deadline: Deadline, directory: int | None = None) -> None:
        """Lock the file at ``path``; ``exclusive`` also keeps sendmail from opening it meanwhile.

        With the descriptor of a ``directory`` it is the file of that name there.

        Raises OSError if it cannot be opened, LockedError if it is still being written at ``deadline``.
        """
        while True:
            self.descriptor = _open(path if directory is None else os.path.basename(path), os.O_RDONLY, directory)
            if self.descriptor < 0:
                deadline.wait(path, "another program holds a lease on it")
                continue
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
        """Release the locks and keep the file open."""
        fcntl.flock(self.descriptor, fcntl.LOCK_UN)
        fcntl.lockf(self.descriptor, fcntl.LOCK_UN)
        try:
            fcntl.fcntl(self.descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        except OSError:
            pass  # there was no lease

    def _lock(self, exclusive: bool) -> bool:
        if not stat.S_ISREG(os.fstat(self.descriptor).st_mode):
            return True
        try:
            fcntl.flock(self.descriptor, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
            fcntl.lockf(self.descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return False
        try:
            # A program that opens the file for writing breaks the lease, and the kernel sends the holder a signal. SIGURG
            # is ignored by default; the default SIGIO would end the process.
            fcntl.fcntl(self.descriptor, fcntl.F_SETSIG, SIGURG)
            fcntl.fcntl(self.descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except BlockingIOError:
            return False
        except OSError:
            # Not the owner's process and no CAP_LEASE, or a file system without leases: the two locks must suffice.
            pass
        return True


class WriterLock:
    """The writer lock of a database: the temporary file beside it.

    The file has a fixed name. Only its owner can read it: a lock that any local user could take, such as one
    on the directory, would let any local user stop all recording. It is removed when the work is done. The
    next writer takes over, and so cleans up, the file that a killed writer left.

    The directory is held open, so that all steps of a change happen in the same one, whatever its owner makes of its name
    meanwhile. Attributes: ``path`` is the temporary file, ``descriptor`` and ``directory`` are the file descriptors of it and
    of its directory, ``database`` is the name of the database there.
    """

    def __init__(self, path: str, deadline: Deadline) -> None:
        """Take the writer lock of the database ``path``.

        Raises OSError if the directory cannot be written, LockedError if another writer holds it at ``deadline``.
        """
        self._open_directory(path)
        try:
            while not self._take():
                deadline.wait(path, f"another vsmtprelay or recorder is changing it (it holds {self.path})")
        except BaseException:
            os.close(self.directory)
            raise

    def __enter__(self) -> WriterLock:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Remove the temporary file, unless it became the database, and release the lock."""
        try:
            if self._still_ours():
                os.unlink(self._name, dir_fd=self.directory)
        finally:
            os.close(self.descriptor)
            os.close(self.directory)

    def replace_database(self) -> None:
        """Rename the temporary file over the database. Raises OSError."""
        os.rename(self._name, self.database, src_dir_fd=self.directory, dst_dir_fd=self.directory)

    def create_database(self) -> None:
        """Make the temporary file the database, which does not exist yet. Raises OSError, FileExistsError if it does by now."""
        # Unlike rename(2), link(2) does not replace a file that makemap may have created meanwhile.
        os.link(self._name, self.database, src_dir_fd=self.directory, dst_dir_fd=self.directory)
        # Here, so that the change time is final when the identity of the file is recorded.
        os.unlink(self._name, dir_fd=self.directory)

    def flush(self) -> None:
        """Flush the new name of the file. Raises OSError."""
        # Without the right to read the directory there is only the file: with a journal, its flush takes the rename along.
        os.fsync(self.directory if self._is_readable else self.descriptor)

    def _open_directory(self, path: str) -> None:
        directory, self.database = os.path.split(path)
        self._name = f".{self.database}.vsmtprelay"
        self.path = os.path.join(directory, self._name)
        flags = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        self._is_readable = True
        try:
            self.directory = os.open(directory or ".", os.O_RDONLY | flags)
        except PermissionError:
            # Its owner may make files in it and not list them.
            self._is_readable = False
            self.directory = os.open(directory or ".", os.O_PATH | flags)

    def _take(self) -> bool:
        try:
            self.descriptor = _open(self._name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, self.directory)
        except PermissionError:
            if self._there() is None:
                raise
            return False  # a writer of another user is at work
        if self.descriptor < 0:
            return False
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if self._still_ours():
                status = os.fstat(self.descriptor)
                if stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and status.st_uid == acting_uid():
                    os.ftruncate(self.descriptor, 0)
                    self._give_to_owner(status)
                    return True
                # A writer left it that was killed after it gave the file away or linked it, or another user put it there
                # as a trap: it must not be written to.
                os.unlink(self._name, dir_fd=self.directory)
        except BlockingIOError:
            pass
        except BaseException:
            os.close(self.descriptor)
            raise
        os.close(self.descriptor)
        return False

    def _give_to_owner(self, status: os.stat_result) -> None:
        """Let the owner of the database take the file over if root is killed while it holds the lock."""
        if status.st_uid == 0:
            try:
                owner = os.stat(self.database, dir_fd=self.directory).st_uid
            except FileNotFoundError:
                owner = os.fstat(self.directory).st_uid
            os.fchown(self.descriptor, owner, -1)

    def _there(self) -> os.stat_result | None:
        """Return the status of what has the name of the temporary file, or None."""
        try:
            return os.stat(self._name, dir_fd=self.directory, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def _still_ours(self) -> bool:
        there, here = self._there(), os.fstat(self.descriptor)
        return there is not None and (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)


class PreparedWriterLock(WriterLock):
    """The writer lock, taken without waiting by a prepared file, which is written and has no name (open(2), O_TMPFILE)."""

    def __init__(self, path: str, descriptor: int) -> None:
        """Link the file ``descriptor`` as the temporary file of the database ``path``; releasing the lock closes it.

        Raises FileExistsError if another writer is at work, or left its file.
        """
        self.descriptor = descriptor
        self._open_directory(path)
        try:
            # Locked before any other process can see it.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Only linkat(2) follows the link in /proc, and Python calls it only if a directory is given. With an absolute path
            # any descriptor will do.
            os.link(f"/proc/self/fd/{descriptor}", self._name, src_dir_fd=descriptor, dst_dir_fd=self.directory)
            self._flush_linked()
        except BaseException:
            os.close(self.directory)
            raise

    def _flush_linked(self) -> None:
        """Flush the file once more where that counted for nothing while it had no name. Raises OSError.

        Btrfs passes over an fsync of a file without links (btrfs_log_inode_parent() in tree-log.c), so the database could be
        empty after a power cut. A directory of Btrfs always has one link, those of most other file systems have at least two.
        """
        if os.fstat(self.directory).st_nlink == 1:
            try:
                os.fsync(self.descriptor)
            except OSError:
                os.unlink(self._name, dir_fd=self.directory)
                raise


def _open(path: str, flags: int, directory: int | None = None) -> int:
    """Open a file with mode 0600 if it is new; return its descriptor, or -1 if another process holds a lease on it.

    ``path`` is relative to the open ``directory``, if there is one.

    It never blocks: not on a FIFO, nor for /proc/sys/fs/lease-break-time until such a process gives way. Raises OSError.
    """
    try:
        return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o600, dir_fd=directory)
    except BlockingIOError:
        return -1
