# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Put a new relayers.db in the place of the old one; why so is told in the database module."""

from __future__ import annotations

import os
import time

from .locks import Deadline, QuiescentFile, WriterLock
from .snapshot import PUBLISHED, Snapshot, identity_at, identity_of

SECOND_NS = 1_000_000_000
# As makemap creates its files.
NEW_FILE_MODE = 0o640


def publish(snapshot: Snapshot, writer: WriterLock, deadline: Deadline) -> bool:
    """Put the changed ``snapshot`` in the place of the database, unless that is no longer what it was taken from."""
    if identity_at(snapshot.path) != snapshot.identity:
        return False
    os.ftruncate(writer.descriptor, 0)
    os.lseek(writer.descriptor, 0, os.SEEK_SET)
    snapshot.write_to(writer.descriptor)
    give_attributes(writer.descriptor, snapshot.path)
    os.fsync(writer.descriptor)
    return put_in_place(snapshot, writer, deadline)


def put_in_place(snapshot: Snapshot, writer: WriterLock, deadline: Deadline) -> bool:
    """Give the file of ``writer``, which is written and flushed, the name of the database that ``snapshot`` was taken from.

    Returns False, and has done nothing, if the database is no longer that one. Raises OSError, BusyError.
    """
    stamp = time.time_ns() - SECOND_NS
    os.utime(writer.descriptor, ns=(stamp, stamp))
    published = _replace(snapshot, writer, deadline) if snapshot.exists else _create(snapshot, writer)
    if published:
        PUBLISHED[snapshot.path] = identity_of(os.fstat(writer.descriptor))
        _flush_directory(snapshot.path)
    return published


def _replace(snapshot: Snapshot, writer: WriterLock, deadline: Deadline) -> bool:
    try:
        live = QuiescentFile(snapshot.path, exclusive=True, deadline=deadline)
    except FileNotFoundError:
        return False
    with live:
        status = os.fstat(live.descriptor)
        if identity_of(status) != snapshot.identity or identity_at(snapshot.path) != snapshot.identity:
            return False
        os.utime(live.descriptor, ns=(status.st_atime_ns, status.st_mtime_ns + SECOND_NS))
        try:
            os.replace(writer.path, snapshot.path)
        except OSError:
            os.utime(live.descriptor, ns=(status.st_atime_ns, status.st_mtime_ns))
            raise
        os.utime(live.descriptor, ns=(status.st_atime_ns, status.st_mtime_ns + 2 * SECOND_NS))
    return True


def _create(snapshot: Snapshot, writer: WriterLock) -> bool:
    try:
        # Unlike rename(2), link(2) does not replace what makemap may have created meanwhile.
        os.link(writer.path, snapshot.path)
    except FileExistsError:
        return False
    # Here, so that the change time is the last one when it is noted as that of our own file.
    os.unlink(writer.path)
    return True


def give_attributes(descriptor: int, path: str) -> None:
    """Give the new file the owner, mode and extended attributes of the one at ``path``.

    Where there is none yet, it gets the owner and group of its directory: that is how Debian's /etc/mail and the
    ``etc`` of a virtual server say whose it is, and root's own file in another user's directory would be no use there.
    """
    try:
        status = os.stat(path)
        mode = status.st_mode & 0o7777
        for name in os.listxattr(path):
            os.setxattr(descriptor, name, os.getxattr(path, name))
    except FileNotFoundError:
        status = os.stat(os.path.dirname(path))
        mode = NEW_FILE_MODE
    mine = os.fstat(descriptor)
    if (mine.st_uid, mine.st_gid) != (status.st_uid, status.st_gid):
        os.fchown(descriptor, status.st_uid, status.st_gid)
    os.fchmod(descriptor, mode)


def _flush_directory(path: str) -> None:
    directory = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
