# SPDX-License-Identifier: GPL-3.0-or-later
"""One add inside a process, as the recorder makes it, against the floor: a copy of the file that is flushed to the disk."""

import os
import shutil
import sys
import time
from time import perf_counter

import databases
from contest import repetitions, take_turns, tell

sys.path.insert(0, "/usr/local/lib")

COPY = f"{databases.LIVE}.bench"


def measure(sizes, quick):
    """Yield a row for each size and variant, as commands.measure() does."""
    from vsmtprelay.database import edits
    from vsmtprelay.database import relayers_db as database
    from vsmtprelay.database.published import Published

    numbers = iter(range(1 << 20))
    published = Published()
    now = int(time.time())

    def add():
        number = next(numbers)
        edit = edits.put({f"240.{number >> 16}.{number >> 8 & 255}.{number & 255}": now})
        begin = perf_counter()
        changes = database.change(databases.LIVE, edit, published=published)
        took = perf_counter() - begin
        if changes.count != 1:
            raise SystemExit("an add did not add")
        return took

    for entries in sizes:
        for variant in databases.VARIANTS:
            if variant == "own" and entries not in (10_000, 1_000_000):
                continue

            def add_to_foreign_file(entries=entries, variant=variant):
                databases.lay_out(entries, variant)
                return add()

            contestants = {"after another": add_to_foreign_file, "after its own": add, "copy": copy}
            took = take_turns(contestants, 2 * repetitions(entries, quick))
            tell(f"add in a process, {entries} entries, file by {databases.WRITERS[variant]}", took)
            yield "process", variant, entries, took


def copy():
    """Copy the live file beside itself and flush the copy; return the seconds."""
    begin = perf_counter()
    shutil.copyfile(databases.LIVE, COPY)
    databases.flush(COPY)
    took = perf_counter() - begin
    os.unlink(COPY)
    return took
