# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts how often the database is replaced: the kernel notes each rename in a queue, which is read afterwards."""

import ctypes
import os
import struct

import databases

IN_MOVED_FROM = 0x40
IN_MOVED_TO = 0x80
IN_Q_OVERFLOW = 0x4000
EVENT = struct.Struct("iIII")
_LIBC = ctypes.CDLL(None, use_errno=True)


class Swaps:
    """A ``with`` block; ``count()`` tells how many files took the database's place since it began."""

    def __enter__(self):
        self._queue = _LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        directory, name = os.path.split(databases.LIVE)
        self._name = name.encode()
        # The queue holds several events in a row that are the same only once. With both names of a rename no two are.
        wanted = IN_MOVED_FROM | IN_MOVED_TO
        if self._queue < 0 or _LIBC.inotify_add_watch(self._queue, directory.encode(), wanted) < 0:
            raise SystemExit(f"inotify: {os.strerror(ctypes.get_errno())}")
        return self

    def __exit__(self, *_):
        os.close(self._queue)

    def count(self):
        found = 0
        while True:
            try:
                events = os.read(self._queue, 1 << 16)
            except BlockingIOError:
                return found
            place = 0
            while place < len(events):
                _watch, mask, _cookie, length = EVENT.unpack_from(events, place)
                place += EVENT.size
                if mask & IN_Q_OVERFLOW:
                    raise SystemExit("more writes than the kernel could note")
                found += events[place : place + length].rstrip(b"\0") == self._name
                place += length
