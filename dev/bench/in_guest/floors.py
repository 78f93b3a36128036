# SPDX-License-Identifier: GPL-3.0-or-later
"""What bounds the work on many entries: the least that any program pays that goes through this library or binding."""

import os
import shutil
import struct
from time import perf_counter

import commands
import databases
import spawn
from contest import take_turns, tell

COPY = "/run/bench-floor.db"
CACHE_BYTES = 64 << 20
TURNS = 3
ITEM_PAGES = (2, 13)


def measure(entries):
    """Return name → seconds of each turn. Those that have a bound take part once more: only one run can be compared."""
    databases.lay_out(entries, "makemap")
    took = take_turns(
        {
            "C: makemap -u": lambda: spawn.seconds(["makemap", "-u", "hash", databases.LIVE]),
            "binding: cursor over all entries": lambda: _in_copy(_walk),
            "binding: delete every second entry by its key": lambda: _in_copy(_delete, _every_second_key()),
            "Python: keys and values out of the pages": lambda: _split_pages(databases.LIVE),
            "Python: two lines of text for each entry": lambda: _join_lines(entries),
            "Perl: list": lambda: spawn.seconds(["perl", commands.PEER, "list", databases.LIVE]),
            "Perl: expire": lambda: _expire(entries, ["perl", commands.PEER, "expire", databases.LIVE, str(databases.MINUTES)]),
            "makemap: survivors": lambda: _expire(entries, ["makemap", "-c", databases.CACHE_BYTES, "hash", databases.LIVE]),
        },
        TURNS,
    )
    tell(f"floors, {entries} entries", took)
    return took


def _expire(entries, command):
    """Time a command that changes the live file, and put a fresh copy there for the next."""
    took = spawn.seconds(command, stdin=databases.survivors(entries))
    databases.lay_out(entries, "makemap")
    return took


def _in_copy(work, *arguments):
    """Do ``work`` with a copy of the database in memory; return the seconds."""
    from bsddb3 import db

    shutil.copyfile(databases.LIVE, COPY)
    begin = perf_counter()
    file = db.DB()
    file.set_cachesize(0, CACHE_BYTES)
    file.open(COPY, dbtype=db.DB_HASH)
    work(file, *arguments)
    file.close()
    took = perf_counter() - begin
    os.unlink(COPY)
    return took


def _walk(file):
    cursor = file.cursor()
    while cursor.next() is not None:
        pass
    cursor.close()


def _every_second_key():
    """Return them in the order in which they lie in the file, in which libdb finds them soonest."""
    keys = []
    _in_copy(lambda file: keys.extend(file.keys()))
    return keys[::2]


def _delete(file, keys):
    for key in keys:
        file.delete(key)


def _split_pages(path):
    """Take each page's keys and values apart, without a check of anything; return the seconds."""
    begin = perf_counter()
    with open(path, "rb") as file:
        data = file.read()
    (page_size,) = struct.unpack_from("<I", data, 20)
    offsets_at = 32 if data[26] & 1 else 26
    for start in range(page_size, len(data), page_size):
        (count,) = struct.unpack_from("<H", data, start + 20)
        if data[start + 25] in ITEM_PAGES and count:
            (lowest,) = struct.unpack_from("<H", data, start + offsets_at + 2 * count - 2)
            items = data[start + lowest : start + page_size].split(b"\1")
            for _key_and_value in zip(items[::-2], items[-2::-2], strict=False):
                pass
    return perf_counter() - begin


def _join_lines(entries):
    """Put lines together as ``list`` prints them, from pieces that are ready; return the seconds."""
    key, value, before, clock, after = b"192.0.2.200", b"1790000000", b"# timestamp (UTC): Mon Sep 21 ", b"14:13:20", b" 2026\n"
    begin = perf_counter()
    for _ in range(entries // 1000):
        pieces = []
        for _ in range(1000):
            if int(value) < entries:
                break
            pieces += (before, clock, after, key, b" ", value, b"\n")
        b"".join(pieces)
    return perf_counter() - begin
