# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""relayers.db: read it as it was at one moment, and replace it so that nothing is lost and every reader sees it at once.

How a change is made, and why so:

1. The live file is copied into memory at a moment at which nobody writes it, and only the copy is changed. What is
   killed half-way has harmed nothing; what would change nothing writes nothing.
2. The result goes to a temporary file beside the database, which is also the lock among our own writers, with the owner,
   the mode and the extended attributes of the old one, and is flushed to the disk.
3. If the live file is still the one that was copied, the new one is renamed over it; otherwise everything starts again
   from the file as it is now. So neither our writers nor makemap ever lose a change to another.
4. sendmail reopens a map when the modification time of the file that it *has open* grew, in whole seconds
   (db_map_lookup() in sendmail's map.c). The old file's time is therefore raised by a second before the rename, for the
   sessions that have it open, and by another after it, for those that opened it in between. The new file is stamped a
   second in the past, so that makemap writing it in place within the same second is noticed as well.
"""

from __future__ import annotations

import errno

from ..errors import InputOutputError, RelayError, UnwritableError, remedy_for
from ..files.symlinks import resolve
from .edits import Changes
from .locks import Deadline, WriterLock
from .publish import publish
from .snapshot import Snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .edits import Edit

LOCK_SECONDS = 30.0


def read(path: str, lock_seconds: float = LOCK_SECONDS) -> Snapshot:
    """Return the database at ``path`` as it is now; to be used in a ``with`` statement.

    Waits at most ``lock_seconds`` for a program that is writing it. Raises UnreadableError, UnwritableError, BusyError.
    """
    return Snapshot(resolve(path), Deadline(lock_seconds))


def change(path: str, edit: Edit, lock_seconds: float = LOCK_SECONDS, check_only: bool = False, create: bool = True) -> Changes:
    """Apply ``edit`` to the database at ``path``, on the disk when this returns, and tell what changed.

    A database that does not exist is created, also for an edit that leaves it empty; without ``create`` it is taken as
    empty and left at that. With ``check_only`` nothing is written, but the answer is the same. Waits at most
    ``lock_seconds`` for others who are writing it.

    Raises UnreadableError (damaged, not permitted), UnwritableError (not permitted, read-only), InputOutputError (disk
    full or failing), BusyError (locked for too long); after each of them the old file is as it was.
    """
    path = resolve(path)
    deadline = Deadline(lock_seconds)
    with write_errors(path), Snapshot(path, deadline) as snapshot:
        if not snapshot.exists and not create:
            return Changes()
        changes = snapshot.try_out(edit) if check_only else snapshot.change(edit)
        if check_only or not changes:
            return changes
        with WriterLock(path, deadline) as writer:
            while not publish(snapshot, writer, deadline):
                snapshot.take(deadline)
                changes = snapshot.change(edit)
                if not changes:
                    break
        return changes


class write_errors:
    """A ``with`` block in which what the system refuses becomes an error that names the database and the remedy."""

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
