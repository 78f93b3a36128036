# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill a writer at a random instant, many times, and look at everything after each."""

import argparse
import json
import os
import random
import signal
import time

import common
from vsmtprelay.database import edits
from vsmtprelay.database import relayers_db as database
from vsmtprelay.database.prepared import PreparedFiles
from vsmtprelay.database.published import Published

parser = argparse.ArgumentParser()
parser.add_argument("--single", type=int, required=True)
parser.add_argument("--prepared", type=int, required=True)
parser.add_argument("--bulk", type=int, required=True)
parser.add_argument("--expire", type=int, required=True)
sizes = parser.parse_args()
# The files that this process put in place.
PUBLISHED = Published()
chance = random.Random(1)
counts = {
    "kills": 0,
    "hit while writing": 0,
    "failed": 0,
    "acknowledged": 0,
    "lost": 0,
    "others lost": 0,
    "damaged": 0,
    "stale": 0,
    "left over": 0,
}


def single(round_number):
    key = f"10.1.{round_number // 256 % 256}.{round_number % 256}"
    return edits.put({key: 1000 + round_number})


def bulk(round_number):
    return edits.put({f"10.2.{number // 256}.{number % 256}": 1000 + round_number for number in range(5000)})


def half(round_number):
    # Every other entry of 100,000 carries an old timestamp.
    return edits.expire(0, 2_000_000_000, name_them=False)


def fill_for_expiry():
    database.change(
        common.DATABASE,
        edits.put({f"10.{3 + n // 65536}.{n // 256 % 256}.{n % 256}": 1 if n % 2 else 3_000_000_000 for n in range(100_000)}),
    )


def applied(entries, edit):
    """Return what ``entries`` become through ``edit``, in a database elsewhere."""
    path = "/run/model.db"
    if os.path.exists(path):
        os.unlink(path)
    database.change(path, edits.put({key: int(value) for key, value in entries.items()}))
    database.change(path, edit)
    return common.dump(path)


def check(before, after, acknowledged, reader):
    counts["acknowledged"] += acknowledged
    if not common.is_sound():
        counts["damaged"] += 1
        return
    now = common.dump()
    if acknowledged and now != after:
        counts["lost"] += 1
    if now not in (before, after):
        counts["others lost"] += 1
    for key in chance.sample(sorted(before), 3):
        if reader.look_up(key) != now.get(key):
            counts["stale"] += 1


def write(edit):
    database.change(common.DATABASE, edit, published=PUBLISHED)


def write_to_prepared_file(edit):
    """As the recorder does. The process that this one was forked from wrote the database last."""
    file = PreparedFiles(PUBLISHED).of(common.DATABASE)
    file.prepare()
    if file.commit(edit) is None:
        raise SystemExit("the prepared file was not used")


def kill_one(edit, longest, reader, write=write):
    before = common.dump()
    after = applied(before, edit)
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(told)
        try:
            write(edit)
            os.write(tell, b"done")
            os._exit(0)
        finally:
            os._exit(1)
    os.close(tell)
    time.sleep(chance.random() * longest)
    os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    acknowledged = os.read(told, 10) == b"done"
    os.close(told)
    counts["kills"] += 1
    counts["failed"] += os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0
    counts["hit while writing"] += os.WIFSIGNALED(status) and not acknowledged
    check(before, after, acknowledged, reader)
    # The next write takes away what the killed one left.
    database.change(common.DATABASE, edits.put({"10.0.0.1": counts["kills"]}), published=PUBLISHED)
    counts["left over"] += len(common.leftovers())
    if reader.look_up("10.0.0.1") != str(counts["kills"]):
        counts["stale"] += 1


def duration_of(edit, write=write):
    start = time.monotonic()
    write(edit)
    return time.monotonic() - start


database.change(common.DATABASE, edits.put({f"10.2.{number // 256}.{number % 256}": 1 for number in range(5000)}))
reader = common.Sendmail()
longest = 1.2 * duration_of(single(70000)) + 0.002
for number in range(sizes.single):
    kill_one(single(number), longest, reader)
longest = 1.2 * duration_of(single(70001), write_to_prepared_file) + 0.002
for number in range(sizes.prepared):
    kill_one(single(number + sizes.single), longest, reader, write_to_prepared_file)
longest = 1.2 * duration_of(bulk(70000))
for number in range(sizes.bulk):
    kill_one(bulk(number), longest, reader)
for number in range(sizes.expire):
    fill_for_expiry()
    kill_one(half(number), 0.25, reader)
reader.close()
print(json.dumps(counts))
