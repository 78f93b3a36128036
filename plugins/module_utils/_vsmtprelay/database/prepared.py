# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The prepared file: the next relayers.db, copied and fsynced while no login waits.

Copying a database and its fsync take longer than the rest of recording a login. So the copy is made after
the previous login: in memory, open in libdb, and in a file without a name (open(2), O_TMPFILE), which
vanishes when the process ends. The next login changes the copy in memory, writes the few pages that differ
into the file, flushes only those, and puts the file in place. It makes the same checks as relayers_db at the
same moments. If anything changed since the copy was made, the prepared file is not used.
"""

from __future__ import annotations

import os

from ..backends.berkeley_file import HashFile
from ..errors import RelayError
from ..files.owner import RightsOfOwner
from ..files.symlinks import resolve
from .locks import Deadline, PreparedWriterLock
from .publish import give_attributes, put_in_place
from .published import identity_at, identity_of
from .snapshot import Snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .edits import Changes, Edit
    from .published import Published

# Each takes the size of the database on the disk, up to three times that in memory, and four file descriptors.
MOST_PREPARED = 64
LARGEST_PREPARED_BYTES = 1 << 20
# Read and compared at once, and written at once.
READ_BYTES = 1 << 15
PAGE_BYTES = 1 << 12


class PreparedFile:
    """The prepared file of one database. Not thread-safe."""

    def __init__(self, path: str, prepared: set[PreparedFile], published: Published) -> None:
        """Prepare nothing yet for the database at ``path`` (str).

        ``prepared`` is the set of all files that are prepared, ``published`` the files that this process published.
        """
        self._path = path
        self._prepared = prepared
        self._published = published
        self._copy: Snapshot | None = None
        self._entries: HashFile | None = None
        self._descriptor = -1
        # Keeps the replaced file open for a moment: freeing its blocks takes as long as flushing a few pages.
        self._replaced = -1

    def prepare(self) -> None:
        """Copy the database if this process wrote it. A failure leaves nothing prepared and is not reported."""
        self._drop_file()
        try:
            with RightsOfOwner(self._path):
                copy = self._up_to_date_copy() if len(self._prepared) < MOST_PREPARED else None
                if copy is not None:
                    self._descriptor = _unnamed_file_of(copy)
                    self._prepared.add(self)
        except (OSError, RelayError):
            pass  # no O_TMPFILE on this file system, or the disk is full: the next write of the database reports it
        if self not in self._prepared:
            self.close()

    def commit(self, edit: Edit) -> Changes | None:
        """Apply ``edit`` to the database, flush it, and return the changes, as relayers_db.change() does.

        Returns None if the prepared file cannot be used; then nothing was changed. Never waits for a lock.
        """
        if self not in self._prepared:
            return None
        try:
            with RightsOfOwner(self._path):
                changes = self._commit(edit)
        except Exception:  # pylint: disable=broad-except
            changes = None  # relayers_db.change() meets the same fault and reports it
        if changes is None:
            self.close()
        return changes

    def release(self) -> None:
        """Close the file that was replaced; called when no login waits."""
        if self._replaced >= 0:
            os.close(self._replaced)
            self._replaced = -1

    def close(self) -> None:
        """Free what is prepared."""
        self._drop_file()
        entries, self._entries = self._entries, None
        copy, self._copy = self._copy, None
        try:
            if entries is not None:
                entries.close()
        except RelayError:
            pass  # the copy is discarded
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
        """Return a copy of the present database, open in libdb; None if it cannot be prepared. Raises OSError, RelayError."""
        path = resolve(self._path)
        status = os.stat(path)
        identity = identity_of(status)
        # Checked before anything is copied, since the file may be large.
        if not self._published.has(path, identity) or status.st_size > LARGEST_PREPARED_BYTES:
            return None
        if self._copy is None or (self._copy.path, self._copy.identity) != (path, identity):
            self.close()
            self._copy = Snapshot(path, Deadline(0), published=self._published)
            if not self._copy.is_our_own:
                return None
            self._entries = HashFile(self._copy.descriptor, path, writable=True, known_sound=True)
        return self._copy

    def _commit(self, edit: Edit) -> Changes | None:
        copy, entries = self._copy, self._entries
        # By the path that was given: a link on it may have changed.
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
        return changes

    def _write_pages(self, copy: Snapshot) -> None:
        """Write the pages that differ from the copy into the file, and flush them."""
        for start in range(0, copy.size, READ_BYTES):
            now, before = (os.pread(descriptor, READ_BYTES, start) for descriptor in (copy.descriptor, self._descriptor))
            if now != before:
                for at in range(0, len(now), PAGE_BYTES):
                    page = now[at : at + PAGE_BYTES]
                    if page != before[at : at + PAGE_BYTES]:
                        os.pwrite(self._descriptor, page, start + at)
        os.fdatasync(self._descriptor)


def _unnamed_file_of(copy: Snapshot) -> int:
    """Return the descriptor of a file without a name that holds ``copy``, fsynced. Raises OSError."""
    descriptor = os.open(os.path.dirname(copy.path), os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        copy.write_to(descriptor)
        give_attributes(descriptor, copy)
        os.fsync(descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
