# SPDX-License-Identifier: GPL-3.0-or-later
"""The databases that are measured: made once for each size, and laid out afresh for each run.

As a program, ``databases.py ENTRIES VARIANT`` makes one, in a process of its own: the memory that it takes would be counted
against the commands that are measured later (an exec keeps the high-water mark of the process before it).
"""

import os
import random
import shutil
import subprocess
import sys
import time

import spawn

LIVE = "/etc/mail/relayers.db"
STORE = "/root/bench/data"
WRITERS = {"makemap": "makemap", "own": "vsmtprelay"}
VARIANTS = tuple(WRITERS)
CACHE_BYTES = "67108864"

MINUTES = 1440
HOUR = 3600


def stored(entries, variant):
    """Return the path of the original of ``entries`` entries, made by makemap or by our ``own`` code."""
    return f"{STORE}/{entries}-{variant}.db"


def survivors(entries):
    """Return the path of the text of those entries that an expiry leaves."""
    return f"{STORE}/{entries}-survivors"


def make(entries, variant):
    """Make the original in another process. Raises CalledProcessError."""
    subprocess.run([sys.executable, __file__, str(entries), variant], check=True, stdout=subprocess.DEVNULL)


def lay_out(entries, variant):
    """Put a fresh copy of the original in the live place, in the page cache and with nothing left to be written out."""
    status = os.stat(LIVE)
    beside = f"{LIVE}.bench"
    shutil.copyfile(stored(entries, variant), beside)
    os.chown(beside, status.st_uid, status.st_gid)
    os.chmod(beside, status.st_mode & 0o7777)
    flush(beside)
    os.replace(beside, LIVE)
    flush(os.path.dirname(LIVE))


def flush(path):
    """Have the disk hold what was written to ``path``."""
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def count():
    """Return how many entries the live database has, as makemap reads it."""
    dump = subprocess.Popen([spawn.found("makemap"), "-u", "hash", LIVE], stdout=subprocess.PIPE)
    lines = sum(1 for _ in dump.stdout)
    spawn.require_success(["makemap", "-u"], dump.wait())
    return lines


def listing(path):
    """Return the text (bytes) that makemap makes of the database at ``path``. Raises CalledProcessError."""
    # Run by root, it refuses what another user alone may read.
    uid = os.stat(path).st_uid
    dump = [spawn.found("makemap"), "-u", "hash", path]
    return subprocess.run(dump, stdout=subprocess.PIPE, check=True, user=uid, extra_groups=[]).stdout


def main():
    entries, variant = int(sys.argv[1]), sys.argv[2]
    chosen = random.Random(entries)
    now = int(time.time())
    numbers = chosen.sample(range(10 << 24, 223 << 24), entries)
    addresses = [f"{number >> 24}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}" for number in numbers]
    # Half is past the limit. No entry is so near to it that it would pass it while the benchmark runs.
    half = entries // 2
    times = [now - MINUTES * 60 - chosen.randrange(24 * HOUR) for _ in range(half)]
    times += [now - chosen.randrange(22 * HOUR) for _ in range(entries - half)]
    chosen.shuffle(times)
    os.makedirs(STORE, exist_ok=True)
    path = stored(entries, variant)
    if variant == "own":
        sys.path.insert(0, "/usr/local/lib")
        from vsmtprelay.database import edits
        from vsmtprelay.database import relayers_db as database

        database.change(path, edits.put(dict(zip(addresses, times, strict=True))))
        return
    text = f"{STORE}/{entries}-all"
    with open(text, "w") as everything, open(survivors(entries), "w") as some:
        for address, stamp in zip(addresses, times, strict=True):
            line = f"{address}\t{stamp}\n"
            everything.write(line)
            if stamp > now - MINUTES * 60:
                some.write(line)
    with open(text) as everything:
        subprocess.run([spawn.found("makemap"), "-c", CACHE_BYTES, "hash", path], stdin=everything, check=True)
    flush(path)


if __name__ == "__main__":
    main()
