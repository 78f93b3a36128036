# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Publish a new relayers.db: steps 2 to 4 of the change that relayers_db describes."""

from __future__ import annotations

import os
import time

from ..files.owner import give, mode_of
from .locks import Deadline, QuiescentFile, WriterLock
from .published import identity_at, identity_of
from .snapshot import Snapshot

SECOND_NS = 1_000_000_000
# As makemap creates its files.
NEW_FILE_MODE = 0o640


def publish(snapshot: Snapshot, writer: WriterLock, deadline: Deadline) -> bool:
    """Replace the database by the changed ``snapshot``; return False if it is no longer the file that was copied."""
    if identity_at(writer.database, writer.directory) != snapshot.identity:
        return False
    os.ftruncate(writer.descriptor, 0)
    os.lseek(writer.descriptor, 0, os.SEEK_SET)
    snapshot.write_to(writer.descriptor)
    give_attributes(writer.descriptor, snapshot, writer.directory)
    os.fsync(writer.descriptor)
    return put_in_place(snapshot, writer, deadline)


def put_in_place(snapshot: Snapshot, writer: WriterLock, deadline: Deadline) -> bool:
    """Rename the file of ``writer``, which is written and fsynced, over the database that ``snapshot`` was taken from.

    Returns False, and changes nothing, if the database is no longer that file. Raises OSError, LockedError.
    """
    stamp = time.time_ns() - SECOND_NS
    os.utime(writer.descriptor, ns=(stamp, stamp))
    published = _replace(snapshot, writer, deadline) if snapshot.exists else _create(writer)
    if published:
        snapshot.identity = identity_of(os.fstat(writer.descriptor))
        snapshot.published.note(snapshot.path, snapshot.identity)
        writer.flush()
    return published


def _replace(snapshot: Snapshot, writer: WriterLock, deadline: Deadline) -> bool:
    try:
        live = QuiescentFile(snapshot.path, exclusive=True, deadline=deadline, directory=writer.directory)
    except FileNotFoundError:
        return False
    with live:
        status = os.fstat(live.descriptor)
        if not identity_of(status) == snapshot.identity == identity_at(writer.database, writer.directory):
            return False
        os.utime(live.descriptor, ns=(status.st_atime_ns, status.st_mtime_ns + SECOND_NS))
        try:
            writer.replace_database()
        except OSError:
            os.utime(live.descriptor, ns=(status.st_atime_ns, status.st_mtime_ns))
            raise
        os.utime(live.descriptor, ns=(status.st_atime_ns, status.st_mtime_ns + 2 * SECOND_NS))
    return True


def _create(writer: WriterLock) -> bool:
    try:
        writer.create_database()
    except FileExistsError:
        return False
    return True


def give_attributes(descriptor: int, snapshot: Snapshot, directory: int | None = None) -> None:
    """Give the new file, in the open ``directory``, the owner, mode and extended attributes of the one that was copied.

    They come from the open descriptor of that file: its name may lead to another one by now. A new file gets the owner
    and the group of its directory: that is how Debian's /etc/mail and the ``etc`` of a virtual server say whose it is,
    and a file of root's in another user's directory would be useless there. Raises OSError.
    """
    status = snapshot.status
    for name, value in snapshot.attributes.items() if status is not None else ():
        os.setxattr(descriptor, name, value)
    os.fchmod(descriptor, NEW_FILE_MODE if status is None else mode_of(status))
    if status is None:
        status = os.stat(os.path.dirname(snapshot.path) if directory is None else directory)
    give(descriptor, status.st_uid, status.st_gid)
