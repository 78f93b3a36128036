# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""relayers.db: consistent reads, and changes by atomic replace that lose no update and reach every reader at once.

A change takes four steps:

1. The live file is copied into memory while no program writes it, and only the copy is changed. A writer that
   is killed half-way leaves the database intact. An edit that changes nothing writes nothing.
2. The result is written to a temporary file beside the database, which is also the writer lock, with the
   owner, mode and extended attributes of the old file, and fsynced.
3. If the live file is still the one that was copied, the new file is renamed over it. Otherwise the change
   starts again from the present file. So a change is never lost to another writer, makemap included.
4. sendmail reopens a map when the modification time of the file that it *has open* grew, in whole seconds
   (db_map_lookup() in sendmail's map.c). So the old file's time is raised by a second before the rename, for
   the sessions that have it open, and by another after it, for those that opened it in between. The new file
   is stamped a second in the past, so that sendmail notices makemap writing it in place within the same second.
"""

from __future__ import annotations

import errno

from ..errors import InputOutputError, Naming, RelayError, UnwritableError, remedy_for
from ..files.owner import RightsOfOwner
from ..files.symlinks import resolve
from .edits import Changes, delete
from .locks import Deadline, WriterLock
from .publish import publish
from .snapshot import LARGEST_DATABASE_BYTES, Snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .edits import Edit
    from .published import Published

LOCK_SECONDS = 30.0


def read(path: str, lock_seconds: float | Deadline = LOCK_SECONDS, largest: int = LARGEST_DATABASE_BYTES) -> Snapshot:
    """Return a snapshot of the database at ``path``, a context manager.

    Waits at most ``lock_seconds``, or until that deadline, for a program that is writing it. ``largest`` (bytes) is as for
    Snapshot. Raises TooLargeError, UnreadableError, UnwritableError, LockedError.
    """
    with Naming(path), RightsOfOwner(path):
        return Snapshot(resolve(path), Deadline.of(lock_seconds), largest=largest)


def listed(path: str, keys: Sequence[str]) -> dict[bytes, bytes]:
    """Return those of ``keys`` that are in the database at ``path``, with their values, for Changes.add_removed().

    Waits for nobody: there are none in a database that cannot be read now. Whoever changes it next reports why.
    """
    try:
        with read(path, 0) as snapshot:
            return snapshot.try_out(delete(keys)).removed
    except RelayError:
        return {}


def copy_of(path: str, lock_seconds: float | Deadline = LOCK_SECONDS) -> Snapshot:
    """Return a copy of the file at ``path``, whatever its content, a context manager.

    For the file of another program: it may be empty, damaged, or not a Berkeley DB. Waits and raises as read().
    """
    with RightsOfOwner(path):
        return Snapshot(path, Deadline.of(lock_seconds), damaged=True)


def change(
    path: str,
    edit: Edit,
    lock_seconds: float | Deadline = LOCK_SECONDS,
    check_only: bool = False,
    create: bool = True,
    published: Published | None = None,
    largest: int = LARGEST_DATABASE_BYTES,
) -> Changes:
    """Apply ``edit`` to the database at ``path``, fsync it, and return the changes.

    A missing database is created, even if the edit leaves it empty; without ``create`` it counts as empty and
    stays missing. With ``check_only`` nothing is written, and the result is the same. Waits at most
    ``lock_seconds`` for other writers. ``published`` and ``largest`` (bytes) are as for Snapshot.

    Raises TooLargeError, UnreadableError (damaged, not permitted), UnwritableError (not permitted, read-only),
    InputOutputError (disk full or failing), LockedError (past the deadline). After each of them the old file is
    unchanged.
    """
    with Naming(path), RightsOfOwner(path):
        path = resolve(path)
        deadline = Deadline.of(lock_seconds)
        with WriteErrors(path), Snapshot(path, deadline, published=published, largest=largest) as snapshot:
            if not snapshot.exists and not create:
                return Changes()
            changes = snapshot.try_out(edit) if check_only else snapshot.apply(edit)
            if check_only or not changes:
                return changes
            with WriterLock(path, deadline) as writer:
                while not publish(snapshot, writer, deadline):
                    deadline.wait(path, "other programs have been changing it")
                    snapshot.take(deadline)
                    changes = snapshot.apply(edit)
                    if not changes:
                        break
            return changes


class WriteErrors:
    """A context manager that turns OSError into an error that names the database and the remedy."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise _write_error(self._path, error) from None


def _write_error(path: str, error: OSError) -> RelayError:
    message = f"{path}: cannot be written: {error.strerror}, nothing was changed; {remedy_for(error)}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
        return InputOutputError(message)
    return UnwritableError(message)
