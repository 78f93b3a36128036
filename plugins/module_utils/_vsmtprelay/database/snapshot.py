# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""relayers.db as it was at one moment, copied into memory."""

from __future__ import annotations

import errno
import itertools
import os
import stat

from ..backends.berkeley_file import HashFile
from ..backends.no_entries import NoEntries
from ..errors import InputOutputError, UnreadableError, remedy_for
from .locks import Deadline, QuiescentFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .edits import Changes, Edit

COPY_BYTES = 1 << 30
# Some four million entries. The owner of a database can make it as large as they like without a disk to match (truncate(1)),
# and must not take all memory from root's nightly run and from the recorder of all other virtual servers.
LARGEST_BYTES = 1 << 28

# The identity of the file that this process put in each place. What is still there need not be looked at again: that takes
# longer than all the rest of a small change.
PUBLISHED: dict[str, tuple[int, ...]] = {}


class Snapshot:
    """The database as it was at one moment, in memory. A database that does not exist is empty."""

    def __init__(self, path: str, deadline: Deadline, damaged: bool = False) -> None:
        """Copy the database at ``path``; with ``damaged`` also an empty file, to be repaired.

        Raises UnreadableError if it may not be read or is no regular file, BusyError if others write it all the time.
        """
        self.path = path
        self._damaged = damaged
        self.identity: tuple[int, ...] | None = None
        # When the file was last written, in nanoseconds since the epoch.
        self.modified_ns = 0
        try:
            self._copy = os.memfd_create("relayers.db", os.MFD_CLOEXEC)
        except OSError as error:
            raise InputOutputError(f"{path}: no memory or file descriptor for a copy: {error.strerror}") from None
        try:
            self.take(deadline)
        except BaseException:
            os.close(self._copy)
            raise

    def __enter__(self) -> Snapshot:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the memory back."""
        os.close(self._copy)

    @property
    def exists(self) -> bool:
        """Whether there is a file."""
        return self.identity is not None

    @property
    def is_our_own(self) -> bool:
        """Whether this process wrote the file, and nobody else since."""
        return self.exists and PUBLISHED.get(self.path) == self.identity

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield every key with its value (bytes). Raises UnreadableError if the file is damaged."""
        return itertools.chain.from_iterable(itertools.starmap(zip, self.pages()))

    def pages(self) -> Iterator[tuple[list[bytes], list[bytes]]]:
        """Yield every key and every value (bytes), many at a time. Raises UnreadableError if the file is damaged."""
        if self.exists:
            with HashFile(self._copy, self.path, known_sound=self.is_our_own) as entries:
                yield from entries.pages()

    def change(self, edit: Edit) -> Changes:
        """Apply ``edit`` to the copy in memory. Raises UnreadableError if the file is damaged."""
        with HashFile(self._copy, self.path, writable=True, known_sound=self.is_our_own) as entries:
            changes = edit(entries)
        changes.created = not self.exists
        return changes

    def try_out(self, edit: Edit) -> Changes:
        """Tell what ``edit`` would change, for one that is not going to be published."""
        if self.exists:
            return self.change(edit)
        changes = edit(NoEntries())
        changes.created = True
        return changes

    def write_to(self, descriptor: int) -> None:
        """Write the copy, as it now is, to the open empty file ``descriptor``. Raises OSError if the disk is full."""
        size = self.size
        done = 0
        while done < size:
            done += os.sendfile(descriptor, self._copy, done, size - done)

    @property
    def descriptor(self) -> int:
        """The file descriptor of the copy."""
        return self._copy

    @property
    def size(self) -> int:
        """The size of the copy in bytes."""
        return os.fstat(self._copy).st_size

    def content(self) -> bytes:
        """Return the whole copy."""
        return os.pread(self._copy, self.size, 0)

    def rebuild(self, items: Mapping[bytes, bytes]) -> None:
        """Make the copy a new database that holds ``items`` and nothing else."""
        os.ftruncate(self._copy, 0)
        with HashFile(self._copy, self.path, writable=True) as entries:
            for key, value in items.items():
                entries.put(key, value)

    def take(self, deadline: Deadline) -> None:
        """Copy the live file as it is now, in place of what the copy held."""
        while not self._copy_quiet_file(deadline):
            deadline.wait(self.path, "other programs are writing it")

    def _copy_quiet_file(self, deadline: Deadline) -> bool:
        os.ftruncate(self._copy, 0)
        os.lseek(self._copy, 0, os.SEEK_SET)
        try:
            with QuiescentFile(self.path, exclusive=False, deadline=deadline) as live:
                status = os.fstat(live.descriptor)
                self._refuse_what_is_no_database(status)
                # Copied without the locks: makemap gives up at once where it meets one.
                live.release()
                while os.sendfile(self._copy, live.descriptor, None, COPY_BYTES):
                    pass
                self.identity, self.modified_ns = identity_of(status), status.st_mtime_ns
                return self.identity == identity_of(os.fstat(live.descriptor)) == identity_at(self.path)
        except FileNotFoundError:
            self.identity = None
            return True
        except OSError as error:
            if error.errno in (errno.EFBIG, errno.ENOSPC, errno.ENOMEM):
                raise InputOutputError(
                    f"{self.path}: no room for a copy in memory: {error.strerror}; raise the limits"
                ) from None
            raise UnreadableError(f"{self.path}: cannot be read: {error.strerror}; {remedy_for(error)}") from None

    def _refuse_what_is_no_database(self, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableError(f"{self.path}: is not a regular file, so not a database; check the path")
        if status.st_size > LARGEST_BYTES:
            raise UnreadableError(
                f"{self.path}: has more than {LARGEST_BYTES >> 20} MiB, nothing was changed; no database of addresses needs so "
                f"much: rebuild it with makemap -u hash {self.path} | makemap hash new.db"
            )
        if status.st_size == 0 and not self._damaged:
            raise UnreadableError(
                f"{self.path}: is an empty file, not a Berkeley DB; remove it, then vsmtprelay add or makemap creates a new one"
            )


def identity_of(status: os.stat_result) -> tuple[int, ...]:
    """Return what changes whenever a file is written or replaced."""
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def identity_at(path: str) -> tuple[int, ...] | None:
    """Return the identity of the file at ``path`` now, or None if there is none."""
    try:
        return identity_of(os.stat(path))
    except FileNotFoundError:
        return None
