# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The file that takes the place of relayers.db at the next login, prepared while nobody waits.

To copy a database and have the copy flushed to the disk takes longer than all the rest of recording a login. So the copy
is made after the login before: in memory, open in libdb, and in a file without a name (open(2), O_TMPFILE), of which nothing
is left when the process ends. The login then changes the copy in memory, writes the few pages that differ into the file,
flushes these alone, and puts the file in place. Every check is that of the database module, at the same moment; where anything
is not as it was when the copy was made, nothing is done this way.
"""

from __future__ import annotations

import os

from ..backends.berkeley_file import HashFile
from ..errors import RelayError
from ..files.symlinks import resolve
from .locks import Deadline, PreparedWriterLock
from .publish import give_attributes, put_in_place
from .snapshot import PUBLISHED, Snapshot, identity_at, identity_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .edits import Changes, Edit

# Each takes its size on the disk, up to three times as much memory, and four file descriptors.
MOST_PREPARED = 64
LARGEST_BYTES = 1 << 20
# Read and compared at once, and written at once.
READ_BYTES = 1 << 15
PAGE_BYTES = 1 << 12


class PreparedFile:
    """The next file of one database. To be used by one thread only."""

    def __init__(self, path: str, prepared: set[PreparedFile]) -> None:
        """``path`` (str) is that of the database; nothing is prepared yet. ``prepared`` are all next files that are."""
        self._path = path
        self._prepared = prepared
        self._copy: Snapshot | None = None
        self._entries: HashFile | None = None
        self._descriptor = -1
        # Keeps the file that was replaced for a moment: to give its blocks back takes as long as to flush a few pages.
        self._replaced = -1

    def prepare(self) -> None:
        """Copy the database, if this process wrote it. Where that is not possible, nothing is prepared, and all is well."""
        self._drop_file()
        try:
            copy = self._up_to_date_copy() if len(self._prepared) < MOST_PREPARED else None
            if copy is not None:
                self._descriptor = _unnamed_file_of(copy)
                self._prepared.add(self)
        except (OSError, RelayError):
            pass  # the file system has no files without names, the disk is full: whoever writes the database tells
        if self not in self._prepared:
            self.close()

    def change(self, edit: Edit) -> Changes | None:
        """Apply ``edit`` to the database, on the disk when this returns, and tell what changed, as database.change() does.

        Returns None if that is not possible this way; then nothing was changed. Never waits for anybody.
        """
        if self not in self._prepared:
            return None
        try:
            changes = self._change(edit)
        except Exception:  # pylint: disable=broad-except
            changes = None  # whatever it was: database.change() meets it too, and tells
        if changes is None:
            self.close()
        return changes

    def release(self) -> None:
        """Let the file go that was replaced; to be called when nobody waits any more."""
        if self._replaced >= 0:
            os.close(self._replaced)
            self._replaced = -1

    def close(self) -> None:
        """Give back what is prepared."""
        self._drop_file()
        entries, self._entries = self._entries, None
        copy, self._copy = self._copy, None
        try:
            if entries is not None:
                entries.close()
        except RelayError:
            pass  # nobody is going to use that copy
        finally:
            if copy is not None:
                copy.close()

    def _drop_file(self) -> None:
        self._prepared.discard(self)
        self.release()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _up_to_date_copy(self) -> Snapshot | None:
        """Return a copy of the database as it now is, open in libdb; None if it is not for this. Raises OSError, RelayError."""
        path = resolve(self._path)
        status = os.stat(path)
        identity = identity_of(status)
        # Asked before anything is copied: the file may be a large one.
        if PUBLISHED.get(path) != identity or status.st_size > LARGEST_BYTES:
            return None
        if self._copy is None or (self._copy.path, self._copy.identity) != (path, identity):
            self.close()
            self._copy = Snapshot(path, Deadline(0))
            if not self._copy.is_our_own:
                return None
            self._entries = HashFile(self._copy.descriptor, path, writable=True, known_sound=True)
        return self._copy

    def _change(self, edit: Edit) -> Changes | None:
        copy, entries = self._copy, self._entries
        # By the path that was given: a link on it may lead elsewhere by now.
        if copy is None or entries is None or identity_at(self._path) != copy.identity:
            return None
        changes = edit(entries)
        if not changes:
            return changes
        entries.sync()
        self._write_pages(copy)
        self._prepared.discard(self)
        self._replaced = os.open(copy.path, os.O_PATH | os.O_CLOEXEC)
        writer = PreparedWriterLock(copy.path, self._descriptor)
        self._descriptor = -1
        with writer:
            if not put_in_place(copy, writer, Deadline(0)):
                return None
        copy.identity = PUBLISHED[copy.path]
        return changes

    def _write_pages(self, copy: Snapshot) -> None:
        """Write what differs from the copy into the file, and flush it."""
        for start in range(0, copy.size, READ_BYTES):
            now, before = (os.pread(descriptor, READ_BYTES, start) for descriptor in (copy.descriptor, self._descriptor))
            if now != before:
                for at in range(0, len(now), PAGE_BYTES):
                    page = now[at : at + PAGE_BYTES]
                    if page != before[at : at + PAGE_BYTES]:
                        os.pwrite(self._descriptor, page, start + at)
        os.fdatasync(self._descriptor)


def _unnamed_file_of(copy: Snapshot) -> int:
    """Return a file without a name that is ``copy``, on the disk. Raises OSError."""
    descriptor = os.open(os.path.dirname(copy.path), os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        copy.write_to(descriptor)
        give_attributes(descriptor, copy.path)
        os.fsync(descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
