# SPDX-License-Identifier: GPL-3.0-or-later
"""What bounds the work on many entries: the least that any program pays that goes through this library or binding."""

import os
import shutil
import sys
from time import perf_counter

import databases
import spawn
from contest import repetitions, take_turns, tell

COPY = "/run/bench-floor.db"
CACHE_BYTES = 64 << 20


def measure(entries, quick):
    """Return name → seconds of each turn."""
    databases.lay_out(entries, "makemap")
    took = take_turns(
        {
            "C: makemap -u": lambda: spawn.seconds(["makemap", "-u", "hash", databases.LIVE]),
            "binding: cursor over all entries": lambda: _in_copy(_walk),
            "binding: cursor, delete every second entry": lambda: _in_copy(_delete_every_second),
            "Python: two lines of text for each entry": lambda: _format(entries),
        },
        repetitions(entries, quick),
    )
    tell(f"floors, {entries} entries", took)
    return took


def _in_copy(work):
    from bsddb3 import db

    shutil.copyfile(databases.LIVE, COPY)
    begin = perf_counter()
    file = db.DB()
    file.set_cachesize(0, CACHE_BYTES)
    file.open(COPY, dbtype=db.DB_HASH)
    cursor = file.cursor()
    work(cursor)
    cursor.close()
    file.close()
    took = perf_counter() - begin
    os.unlink(COPY)
    return took


def _walk(cursor):
    following = cursor.next
    while following() is not None:
        pass


def _delete_every_second(cursor):
    following = cursor.next
    while following() is not None:
        if following() is not None:
            cursor.delete()


def _format(entries):
    sys.path.insert(0, "/usr/local/lib")
    from vsmtprelay.entries import lines_of

    begin = perf_counter()
    for unused in range(entries):
        lines_of(b"192.0.2.200", b"1790000000")
    took = perf_counter() - begin
    sys.path.pop(0)
    return took
