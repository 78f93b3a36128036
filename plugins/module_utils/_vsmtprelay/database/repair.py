# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Verify a database, and repair a damaged one."""

from __future__ import annotations

import errno
import os
import time
from shlex import quote

from ..backends import berkeley_pages
from ..backends.berkeley_salvage import holds_no_entries, salvage
from ..backends.berkeley_verify import libdb_finds_sound
from ..backends.kinds import other_kind_of
from ..entries.addresses import key_of
from ..entries.timestamps import timestamp_of
from ..errors import MalformedError, Naming, UnreadableError
from ..files.owner import RightsOfOwner, give, mode_of
from ..files.symlinks import resolve
from .locks import Deadline, WriterLock
from .publish import publish
from .relayers_db import LOCK_SECONDS, WriteErrors
from .snapshot import Snapshot

# Of damaged files that are kept in one second.
MOST_COPIES = 100


class Repaired:
    """The result of a repair: the number of ``entries`` of the new database, and the path of the ``copy`` of the old one."""

    __slots__ = ("copy", "entries")

    def __init__(self, copy: str, entries: int) -> None:
        self.copy = copy
        self.entries = entries

    def members(self) -> dict[str, str | int]:
        """Return the result as modules and JSON documents show it."""
        return {"damaged_file": self.copy, "entries": self.entries}


def verify(path: str, lock_seconds: float | Deadline = LOCK_SECONDS) -> int:
    """Check every page of the database at ``path``; return the number of its entries.

    Raises UnreadableError if it is damaged, of another kind, or missing, LockedError.
    """
    with Naming(path), RightsOfOwner(path):
        path = resolve(path)
        with Snapshot(path, Deadline.of(lock_seconds)) as snapshot:
            if not snapshot.exists:
                raise UnreadableError(f"{path}: no such database")
            if not _is_sound(snapshot):
                _refuse_other_kind(path, snapshot.content())
                raise UnreadableError(f"{path}: damaged; vsmtprelay --database {path} repair saves what can be read of it")
            return sum(1 for unused in snapshot.items())


def repair(path: str, lock_seconds: float | Deadline = LOCK_SECONDS, check_only: bool = False) -> Repaired | None:
    """Replace a damaged database by a sound one with all entries that can be trusted; return None if it is sound.

    The damaged file is kept beside it. Entries that are not an address with a timestamp remain only there. With
    ``check_only`` nothing is written. Raises UnreadableError if there is no database, if it is a file of another kind, or
    if nothing can be recovered of it although it held something; UnwritableError, InputOutputError, LockedError.
    """
    with Naming(path), RightsOfOwner(path):
        path = resolve(path)
        deadline = Deadline.of(lock_seconds)
        with WriteErrors(path), Snapshot(path, deadline, damaged=True) as snapshot:
            if not snapshot.exists:
                raise UnreadableError(f"{path}: no such database")
            if _is_sound(snapshot):
                return None
            saved = _saved(path, snapshot.content())
            copy = f"{path}.damaged-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}"
            if check_only:
                return Repaired(copy, len(saved))
            with WriterLock(path, deadline) as writer:
                copy = os.path.join(os.path.dirname(path), _keep(snapshot, os.path.basename(copy), writer.directory))
                snapshot.rebuild(saved)
                if not publish(snapshot, writer, deadline):
                    raise UnreadableError(f"{path}: changed while it was being repaired; check it again")
            return Repaired(copy, len(saved))


def _is_sound(snapshot: Snapshot) -> bool:
    """Return whether neither berkeley_pages nor libdb's verify program finds a fault in any page."""
    data = snapshot.content()
    if berkeley_pages.fault_of(data, len(data)) or berkeley_pages.has_misplaced_keys(data):
        return False
    return libdb_finds_sound(snapshot.descriptor)


def _refuse_other_kind(path: str, data: bytes) -> None:
    kind = other_kind_of(data)
    if kind is not None:
        raise UnreadableError(kind.refusal(path))


def _saved(path: str, data: bytes) -> dict[bytes, bytes]:
    """Return the entries of ``data`` that can be trusted. Raises UnreadableError if there are none though it held something."""
    _refuse_other_kind(path, data)
    saved: dict[bytes, bytes] = {}
    for key, value in salvage(data, _is_entry):
        # Of two entries with one key, the older timestamp is the one that cannot extend a permission.
        if key not in saved or (timestamp_of(value) or 0) < (timestamp_of(saved[key]) or 0):
            saved[key] = value
    if data and not saved and not holds_no_entries(data):
        raise UnreadableError(
            f"{path}: no entry of it can be recovered, nothing was changed; restore it from a backup, or move it away, and "
            f"the next login or vsmtprelay add creates a new one: mv -T {quote(path)} {quote(path + '.before')}"
        )
    return saved


def _is_entry(key: bytes, value: bytes) -> bool:
    try:
        return timestamp_of(value) is not None and key_of(key.decode("ascii")).encode() == key
    except (MalformedError, UnicodeDecodeError):
        return False


def _keep(snapshot: Snapshot, name: str, directory: int) -> str:
    """Write the damaged file, as it was read, to ``name`` in the open ``directory``, with its owner and mode.

    Returns the name, with a number appended if there was such a file already.
    """
    descriptor, copy = _create(name, directory)
    try:
        snapshot.write_to(descriptor)
        if snapshot.status is not None:
            os.fchmod(descriptor, mode_of(snapshot.status))
            give(descriptor, snapshot.status.st_uid, snapshot.status.st_gid)
        os.fsync(descriptor)
    except BaseException:
        os.unlink(copy, dir_fd=directory)
        raise
    finally:
        os.close(descriptor)
    return copy


def _create(name: str, directory: int) -> tuple[int, str]:
    """Create a file ``name``, with a number appended if there is one already; return its descriptor and its name."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    for number in range(MOST_COPIES):
        copy = f"{name}-{number}" if number else name
        try:
            return os.open(copy, flags, 0o600, dir_fd=directory), copy
        except FileExistsError:
            continue
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
