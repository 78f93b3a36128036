# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Berkeley DB file of another program, hash or btree, read in a child process.

libdb trusts the pages of a btree: on a damaged one it may crash or never return. Then only the child ends.
"""

from __future__ import annotations

import marshal
import os

# What signal wraps; start-up: see __init__
from _signal import SIG_DFL, SIGALRM, alarm, signal

from ..backends.berkeley_binding import binding
from ..errors import UnreadableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

READ_SECONDS = 60


def read_items(descriptor: int, path: str) -> list[tuple[bytes, bytes]]:
    """Return all keys with their values of the hash or btree behind ``descriptor``; ``path`` is its name in messages.

    Raises UnreadableError if libdb cannot read it, MissingBindingError if this Python has no binding.
    """
    libdb = binding()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            signal(SIGALRM, SIG_DFL)
            alarm(READ_SECONDS)
            with open(writer, "wb") as pipe:
                marshal.dump(everything_in(descriptor, libdb), pipe)
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    try:
        items, reason = marshal.loads(answer)
    except (EOFError, ValueError, TypeError):
        items, reason = None, "libdb gave up on it"
    if items is None:
        raise UnreadableError(
            f"{path}: not a sound Berkeley DB file ({reason}), nothing was imported; see what db5.3_verify {path} says"
        )
    return list(items)


def everything_in(descriptor: int, libdb: Any) -> tuple[list[tuple[bytes, bytes]] | None, str]:
    """Return the items and an empty text, or None and the reason why libdb cannot read them. May crash."""
    database = libdb.DB()
    try:
        try:
            database.open(f"/proc/self/fd/{descriptor}", dbtype=libdb.DB_UNKNOWN, flags=libdb.DB_RDONLY)
            if database.get_type() not in (libdb.DB_HASH, libdb.DB_BTREE):
                return None, "neither a hash nor a btree"
            items = []
            cursor = database.cursor()
            item = cursor.first()
            while item is not None:
                items.append(item)
                item = cursor.next()
            cursor.close()
            return items, ""
        finally:
            database.close()
    except libdb.DBError as error:
        return None, str(error.args[-1])
