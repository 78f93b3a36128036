# SPDX-License-Identifier: GPL-3.0-or-later
"""The least that a login by itself waits for the disk: two pages of a file are flushed, and the directory after a rename.

flushes.py RESULT [--quick] writes the seconds of each turn to RESULT as JSON. Before each, nothing is written for a while, as
between two logins: a disk that has nothing to do takes longer for the next thing.
"""

import argparse
import json
import os
import shutil
import time

PLACE = "/etc/mail/bench-flushes"
PAGES, PAGE_BYTES = 6, 4096
PAUSE_SECONDS = 0.02
TURNS, QUICK_TURNS = 300, 30


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("result")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    os.mkdir(PLACE)
    directory = os.open(PLACE, os.O_RDONLY)
    took = [_turn(directory) for _ in range(QUICK_TURNS if options.quick else TURNS)]
    os.close(directory)
    shutil.rmtree(PLACE)
    with open(options.result, "w") as file:
        json.dump(took, file)


def _turn(directory):
    prepared = os.open(f"{PLACE}/prepared", os.O_RDWR | os.O_CREAT, 0o600)
    os.write(prepared, os.urandom(PAGES * PAGE_BYTES))
    os.fsync(prepared)
    time.sleep(PAUSE_SECONDS)
    begin = time.perf_counter()
    for page in (0, PAGES // 2):
        os.pwrite(prepared, os.urandom(PAGE_BYTES), page * PAGE_BYTES)
    os.fdatasync(prepared)
    os.rename(f"{PLACE}/prepared", f"{PLACE}/live")
    os.fsync(directory)
    took = time.perf_counter() - begin
    os.close(prepared)
    return took


if __name__ == "__main__":
    main()
