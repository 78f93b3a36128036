# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A snapshot of relayers.db: a consistent copy in memory."""

from __future__ import annotations

import errno
import itertools
import os
import stat

from ..backends.berkeley_file import HashFile
from ..errors import ForbiddenError, InputOutputError, TooLargeError, UnreadableError, remedy_for
from .locks import Deadline, QuiescentFile
from .published import Published, identity_at, identity_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .edits import Changes, Edit

COPY_BYTES = 1 << 30
# A large file is flushed piece by piece: with ext4, every other program's fsync waits for all that is dirty.
FLUSHED_BYTES = 4 << 20
# About four million entries. The owner of a database can make it as large as they like without a disk to match (truncate(1)).
# It must not take all memory from root's nightly run and from the recorder of all other virtual servers.
LARGEST_DATABASE_BYTES = 1 << 28


class Snapshot:
    """A consistent copy of the database in memory. A missing database is empty."""

    def __init__(
        self,
        path: str,
        deadline: Deadline,
        damaged: bool = False,
        published: Published | None = None,
        largest: int = LARGEST_DATABASE_BYTES,
    ) -> None:
        """Copy the database at ``path``; ``damaged`` also accepts an empty file, to be repaired.

        ``published`` are the files that this process published: they are not checked again.

        Raises TooLargeError if it has more than ``largest`` bytes, UnreadableError if it may not be read or is not a
        regular file, LockedError if other programs still write it at ``deadline``.
        """
        self.path = path
        self._largest = largest
        self._damaged = damaged
        self.published = Published() if published is None else published
        self.identity: tuple[int, ...] | None = None
        # When the file was last written, in nanoseconds since the epoch.
        self.modified_ns = 0
        # Status and extended attributes of the file, from its open descriptor.
        self.status: os.stat_result | None = None
        self.attributes: dict[str, bytes] = {}
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
        """Free the memory."""
        os.close(self._copy)

    @property
    def exists(self) -> bool:
        """Whether there is a file."""
        return self.identity is not None

    @property
    def modified(self) -> int:
        """When the file was last written, in epoch seconds."""
        return self.modified_ns // 1_000_000_000

    @property
    def is_our_own(self) -> bool:
        """Whether this process was the last to write the file."""
        return self.published.has(self.path, self.identity)

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield every key with its value (bytes). Raises UnreadableError if the file is damaged."""
        return itertools.chain.from_iterable(itertools.starmap(zip, self.pages()))

    def pages(self) -> Iterator[tuple[list[bytes], list[bytes]]]:
        """Yield the keys and their values (bytes), page by page. Raises UnreadableError if the file is damaged."""
        if self.exists:
            with HashFile(self._copy, self.path, known_sound=self.is_our_own) as entries:
                yield from entries.pages()

    def apply(self, edit: Edit) -> Changes:
        """Apply ``edit`` to the copy in memory. Raises UnreadableError if the file is damaged."""
        with HashFile(self._copy, self.path, writable=True, known_sound=self.is_our_own) as entries:
            changes = edit(entries)
        changes.created = not self.exists
        return changes

    def try_out(self, edit: Edit) -> Changes:
        """Return the changes that ``edit`` would make, for check mode; the result must not be published."""
        if self.exists:
            return self.apply(edit)
        from ..backends.no_entries import NoEntries  # start-up: see __init__

        changes = edit(NoEntries())
        changes.created = True
        return changes

    def write_to(self, descriptor: int) -> None:
        """Write the present copy to the open empty file ``descriptor``. Raises OSError if the disk is full."""
        size = self.size
        done = 0
        while done < size:
            done += os.sendfile(descriptor, self._copy, done, min(size - done, FLUSHED_BYTES))
            if done < size:
                os.fdatasync(descriptor)

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
        """Turn the copy into a new database that holds ``items`` and nothing else."""
        os.ftruncate(self._copy, 0)
        with HashFile(self._copy, self.path, writable=True) as entries:
            for key, value in items.items():
                entries.put(key, value)

    def take(self, deadline: Deadline) -> None:
        """Copy the live file again, in place of the former copy."""
        while not self._copy_quiet_file(deadline):
            deadline.wait(self.path, "other programs are writing it")

    def _copy_quiet_file(self, deadline: Deadline) -> bool:
        os.ftruncate(self._copy, 0)
        os.lseek(self._copy, 0, os.SEEK_SET)
        try:
            with QuiescentFile(self.path, exclusive=False, deadline=deadline) as live:
                status = os.fstat(live.descriptor)
                self._refuse_what_is_no_database(status)
                # Copied without the locks, since makemap fails at once when it meets one.
                live.release()
                while os.sendfile(self._copy, live.descriptor, None, COPY_BYTES):
                    pass
                self.identity, self.modified_ns = identity_of(status), status.st_mtime_ns
                self.status, self.attributes = status, _attributes_of(live.descriptor)
                return self.identity == identity_of(os.fstat(live.descriptor)) == identity_at(self.path)
        except FileNotFoundError:
            self.identity = self.status = None
            return True
        except OSError as error:
            if error.errno in (errno.EFBIG, errno.ENOSPC, errno.ENOMEM):
                raise InputOutputError(
                    f"{self.path}: no room for a copy in memory: {error.strerror}; raise the limits"
                ) from None
            kind = ForbiddenError if isinstance(error, PermissionError) else UnreadableError
            raise kind(f"{self.path}: cannot be read: {error.strerror}; {remedy_for(error)}") from None

    def _refuse_what_is_no_database(self, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableError(f"{self.path}: is not a regular file, so not a database; check the path")
        if status.st_size > self._largest:
            raise TooLargeError(
                f"{self.path}: has more than {self._largest >> 20} MiB, nothing was changed; "
                f"no database of addresses needs so much: rebuild it with makemap -u hash {self.path} | makemap hash new.db"
            )
        if status.st_size == 0 and not self._damaged:
            raise UnreadableError(
                f"{self.path}: is an empty file, not a Berkeley DB; remove it, then vsmtprelay add or makemap creates a new one"
            )


def _attributes_of(descriptor: int) -> dict[str, bytes]:
    """Return the extended attributes of an open file but those that give rights to who runs it (xattr(7), security)."""
    names = [name for name in os.listxattr(descriptor) if not name.startswith("security.")]
    return {name: os.getxattr(descriptor, name) for name in names}
