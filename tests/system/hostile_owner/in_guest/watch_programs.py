# SPDX-License-Identifier: GPL-3.0-or-later
"""See which processes run a program of the owner's, and with which rights, until standard input ends.

Arguments: the path of the program. Prints "ready" once, then JSON at the end: a list of the rights that were seen, each with
``uids``, ``gids`` (real, effective, saved, file system), ``groups`` and ``capabilities``.
"""

import json
import os
import select
import sys

PROGRAM = os.fsencode(sys.argv[1])
PAUSE_SECONDS = 0.005
seen = {}


def look(process):
    with open(f"/proc/{process}/cmdline", "rb") as file:
        if PROGRAM not in file.read().split(b"\0")[:2]:
            return
    with open(f"/proc/{process}/status") as file:
        lines = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    # Before execve(2) the process is still what starts it.
    rights = {
        "uids": lines["Uid"].split(),
        "gids": lines["Gid"].split(),
        "groups": lines["Groups"].split(),
        "capabilities": [lines[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")],
    }
    seen[json.dumps(rights, sort_keys=True)] = rights


print("ready", flush=True)
while not select.select([sys.stdin], [], [], PAUSE_SECONDS)[0]:
    for each in os.listdir("/proc"):
        if each.isdigit():
            try:
                look(each)
            except (OSError, KeyError):
                continue  # it has ended
print(json.dumps(list(seen.values())))
