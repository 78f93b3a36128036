# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The prepared file: the next relayers.db, copied and fsynced while no login waits.

Copying a database and its fsync take longer than the rest of recording a login. So the copy is made after
the previous login: in memory, open in libdb, and in a file without a name (open(2), O_TMPFILE), which
vanishes when the process ends. The next login changes the copy in memory, writes the few pages that differ
into the file, flushes only those, and puts the file in place. The first three can be done ahead, while
Dovecot is asked whether the login counts: until the file is put in place, nobody sees what is in it. A login
that comes before the file is ready writes the whole copy. Both make the same checks as relayers_db at the
same moments. If anything changed since the copy was made, it is not used.
"""

from __future__ import annotations

import os

from ..backends.berkeley_file import HashFile
from ..errors import RelayError
from ..files.owner import RightsOfOwner
from ..files.symlinks import resolve
from .changed_pages import ChangedPages
from .locks import Deadline, PreparedWriterLock
from .publish import give_attributes, put_in_place
from .published import identity_at, identity_of
from .snapshot import Snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .edits import Changes, Edit
    from .published import Published

# Each takes the size of the database on the disk, up to three times that in memory, and four file descriptors.
MOST_PREPARED = 64
LARGEST_PREPARED_BYTES = 1 << 20


class PreparedFiles:
    """All prepared files of a process. Not thread-safe."""

    def __init__(self, published: Published, close: Callable[[int], object] = os.close) -> None:
        """``published`` are the files that this process published.

        ``close`` closes the descriptor of a replaced file, whose blocks are freed: that takes as long as flushing a few pages.
        """
        self.published = published
        self.close = close
        self.open: set[PreparedFile] = set()

    def of(self, path: str) -> PreparedFile:
        """Return that of the database at ``path``, with nothing prepared yet."""
        return PreparedFile(path, self)


class PreparedFile:
    """The copy of one database in memory, and its prepared file. Not thread-safe."""

    def __init__(self, path: str, files: PreparedFiles) -> None:
        """Prepare nothing yet for the database at ``path`` (str), one of ``files``."""
        self.path = path
        self._files = files
        self._copy: Snapshot | None = None
        self._entries: HashFile | None = None
        # Whose rights the copy was made with, and the device, the inode and the owner of its directory.
        self._rights: RightsOfOwner | None = None
        self._directory: tuple[int, ...] = ()
        self._pages: ChangedPages | None = None
        # The file without a name.
        self._descriptor = -1
        # What begin() has changed in both, and commit() has not put in place.
        self._begun: Changes | None = None

    def copy(self) -> None:
        """Copy the database into memory if this process wrote it. A failure is not reported."""
        self._try(self._up_to_date_copy)

    def prepare(self) -> None:
        """Copy the database if this process wrote it, also to the disk. A failure is not reported."""
        if self._begun is not None:
            return
        self._drop_file()
        self._try(self._write_copy)

    def begin(self, edit: Edit) -> bool:
        """Apply ``edit`` ahead to the prepared file, and flush it; return whether that was possible.

        The database is unchanged until commit(), which has to be of an edit that makes the same changes. If it is not, or if
        there is to be none, take_back() comes first.
        """
        if self._rights is None or self._descriptor < 0 or self._begun is not None:
            return False
        try:
            with self._rights:
                self._begun = self._apply(edit)
        except Exception:  # pylint: disable=broad-except
            self.close()  # commit() meets the same fault, and relayers_db.change() reports it
        return self._begun is not None

    def take_back(self) -> None:
        """Forget what begin() has changed."""
        if self._begun is not None:
            self.close()
            self.copy()

    def commit(self, edit: Edit) -> Changes | None:
        """Apply ``edit`` to the database, flush it, and return the changes, as relayers_db.change() does.

        What begin() has changed is put in place as well. Returns None if there is no copy that can be used; then nothing was
        changed. Never waits for a lock.
        """
        if self._rights is None:
            return None
        try:
            with self._rights:
                changes = self._commit(edit)
        except Exception:  # pylint: disable=broad-except
            changes = None  # relayers_db.change() meets the same fault and reports it
        if changes is None:
            self.close()
        return changes

    def close(self) -> None:
        """Free the copy and what is prepared."""
        self._drop_file()
        self._files.open.discard(self)
        self._rights = None
        self._pages = None
        self._begun = None
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

    def _try(self, work: Callable[[], Snapshot | None]) -> None:
        """Run ``work``, which makes the copy, with the rights of the owner of the database."""
        copy = None
        try:
            if self in self._files.open or len(self._files.open) < MOST_PREPARED:
                rights = RightsOfOwner(self.path)
                with rights:
                    copy = work()
                self._rights = rights
        except (OSError, RelayError):
            pass  # no O_TMPFILE on this file system, or the disk is full: the next write of the database reports it
        if copy is None:
            self.close()
        else:
            self._files.open.add(self)

    def _drop_file(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _up_to_date_copy(self) -> Snapshot | None:
        """Return a copy of the present database, open in libdb; None if it cannot be prepared. Raises OSError, RelayError."""
        path = resolve(self.path)
        status = os.stat(path)
        identity = identity_of(status)
        published = self._files.published
        # Checked before anything is copied, since the file may be large.
        if not published.has(path, identity) or status.st_size > LARGEST_PREPARED_BYTES:
            return None
        if self._copy is None or (self._copy.path, self._copy.identity) != (path, identity):
            self.close()
            self._copy = Snapshot(path, Deadline(0), published=published)
            if not self._copy.is_our_own:
                return None
            self._entries = HashFile(self._copy.descriptor, path, writable=True, known_sound=True)
            self._pages = ChangedPages(self._copy.descriptor)
        self._directory = _identity_of_directory(os.stat(os.path.dirname(path)))
        return self._copy

    def _write_copy(self) -> Snapshot | None:
        copy = self._up_to_date_copy()
        if copy is not None:
            self._descriptor = _unnamed_file_of(copy)
        return copy

    def _apply(self, edit: Edit) -> Changes | None:
        """Apply ``edit`` to the copy and to the file, and flush that; None if they are of another database by now."""
        copy, entries, pages = self._copy, self._entries, self._pages
        # By the path that was given: a link on it may have changed.
        if copy is None or entries is None or pages is None or identity_at(self.path) != copy.identity:
            return None
        changes = edit(entries)
        if changes:
            entries.sync()
            changed = list(pages.take())
            if self._descriptor < 0:
                self._descriptor = _unnamed_file_of(copy)
            else:
                self._write_pages(changed)
        return changes

    def _commit(self, edit: Edit) -> Changes | None:
        copy, more = self._copy, self._apply(edit)
        if copy is None or more is None:
            return None
        changes, self._begun = more if self._begun is None else self._begun.joined(more), None
        if not changes:
            return changes
        replaced = os.open(copy.path, os.O_PATH | os.O_CLOEXEC)
        try:
            lock = PreparedWriterLock(copy.path, self._descriptor)
            # From here on the lock closes it.
            self._descriptor = -1
            with lock as writer:
                # Who owns the directory decided whose rights this thread has.
                is_the_same = _identity_of_directory(os.fstat(writer.directory)) == self._directory
                return changes if is_the_same and put_in_place(copy, writer, Deadline(0)) else None
        finally:
            self._files.close(replaced)

    def _write_pages(self, pages: Iterable[tuple[int, bytes]]) -> None:
        """Write ``pages`` into the file, and flush it."""
        for offset, page in pages:
            os.pwrite(self._descriptor, page, offset)
        os.fdatasync(self._descriptor)


def _identity_of_directory(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_dev, status.st_ino, status.st_uid)


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
