# SPDX-License-Identifier: GPL-3.0-or-later
"""Eight writers add distinct addresses as fast as they can, makemap writes in place, sendmail looks up; count what is lost."""

import argparse
import json
import os
import subprocess
import time

import common
from vsmtprelay.database import edits
from vsmtprelay.database import relayers_db as database
from vsmtprelay.errors import RelayError

parser = argparse.ArgumentParser()
parser.add_argument("--each", type=int, required=True)
each = parser.parse_args().each


def address(writer, number):
    return f"10.{writer}.{number // 256}.{number % 256}"


def by_command(writer):
    for number in range(each):
        key = address(writer, number)
        if subprocess.run(["vsmtprelay", "add", key, "1000"]).returncode == 0:
            yield key


def by_module(writer):
    for number in range(each):
        key = address(writer, number)
        try:
            database.change(common.DATABASE, edits.ensure({key: 1000}, int(time.time())))
        except RelayError:
            continue
        yield key


def by_recorder(writer):
    yield from common.record([(address(writer, number), 1000) for number in range(each)], lambda _message: None)


def by_makemap(writer):
    """Not told how many: as long as the others work."""
    number = 0
    while not os.path.exists("/run/contention-over"):
        key = address(writer, number)
        done = subprocess.run(
            ["makemap", "-o", "hash", common.DATABASE], input=f"{key}\t1000\n".encode(), stderr=subprocess.DEVNULL
        )
        if done.returncode == 0:
            yield key
        number += 1
        time.sleep(0.01)


def in_process(work, writer):
    pid = os.fork()
    if pid == 0:
        with open(f"/run/contention-{writer}", "w") as acknowledged:
            for key in work(writer):
                acknowledged.write(key + "\n")
                acknowledged.flush()
        os._exit(0)
    return pid


def acknowledged_by(writer):
    with open(f"/run/contention-{writer}") as file:
        return file.read().split()


if os.path.exists("/run/contention-over"):
    os.unlink("/run/contention-over")
works = [by_command] * 3 + [by_module] * 3 + [by_recorder] * 2
pids = [in_process(work, writer) for writer, work in enumerate(works, 1)]
makemap = in_process(by_makemap, 9)
reader = common.Sendmail()
lookups = closed = 0
while pids:
    # A process that reopens the map in the very moment of a swap cannot use it any more: known, and not what is counted here.
    if reader.look_up("10.1.0.0") == "closed":
        closed += 1
        reader.close()
        reader = common.Sendmail()
    lookups += 1
    pids = [pid for pid in pids if os.waitpid(pid, os.WNOHANG)[0] == 0]
open("/run/contention-over", "w").close()
os.waitpid(makemap, 0)
reader.close()
there = common.dump()
ours = [key for writer in range(1, 9) for key in acknowledged_by(writer)]
theirs = acknowledged_by(9)
print(
    json.dumps(
        {
            "acknowledged": len(ours),
            "of": 8 * each,
            "lost": sum(key not in there for key in ours),
            "makemap": len(theirs),
            "makemap lost": sum(key not in there for key in theirs),
            "lookups": lookups,
            "closed": closed,
            "sound": common.is_sound(),
            "leftovers": common.leftovers(),
        }
    )
)
