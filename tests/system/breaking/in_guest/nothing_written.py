# SPDX-License-Identifier: GPL-3.0-or-later
"""Do what changes nothing, by the command, the modules' code and the recorder's code, and see that nothing is written."""

import json
import os
import subprocess

import common
from vsmtprelay.database import edits
from vsmtprelay.database import relayers_db as database

LATER = 4_000_000_000
ENTRIES = {"10.0.0.1": LATER, "10.0.0.2": LATER + 7, "ipv6:2001:db8:0:0:0:0:0:5": LATER}
DIRECTORY = os.path.dirname(common.DATABASE)


def command(*words):
    """Return what runs the command and tells its exit status."""
    return lambda: subprocess.run(["vsmtprelay", *words], capture_output=True, check=False).returncode


def edit(edit, **options):
    """Return what makes a change as the modules do and tells whether they would report one."""
    return lambda: bool(database.change(common.DATABASE, edit, **options))


def login(*logins):
    """Return what records logins as the recorder does and tells how many are not on the disk."""
    return lambda: len(logins) - len(common.record(logins, print, together=len(logins)))


# What is done, how, and what it answers.
RUNS = [
    ("add of the same tick", command("add", "10.0.0.1", str(LATER)), 0),
    ("add of the same tick, IPv6 in another spelling", command("add", "2001:DB8::5", str(LATER)), 0),
    ("delete of an unlisted address", command("delete", "10.9.9.9"), 1),
    ("delete of two unlisted addresses", command("delete", "10.9.9.9", "2001:db8::6"), 1),
    ("expire with nothing old", command("expire"), 0),
    ("expire with nothing older than that", command("expire", "1440"), 0),
    ("list", command("list"), 0),
    ("dump", command("dump"), 0),
    ("verify", command("verify"), 0),
    ("repair of a sound file", command("repair"), 0),
    ("add of a malformed address", command("add", "10.0.0"), 65),
    ("add of a malformed tick", command("add", "10.0.0.1", "soon"), 65),
    ("no command", command(), 64),
    ("all virtual servers, nothing old", command("--all", "expire", "1440"), 0),
    ("module: the same timestamps", edit(edits.ensure(ENTRIES, 1)), False),
    ("module: listed, any timestamp", edit(edits.ensure(dict.fromkeys(ENTRIES), 1)), False),
    ("module: listed, not old enough to refresh", edit(edits.ensure(dict.fromkeys(ENTRIES), LATER, 60)), False),
    ("module: purge of nothing", edit(edits.ensure(ENTRIES, 1, purge=True)), False),
    ("module: absent already", edit(edits.delete(["10.9.9.9"])), False),
    ("module: nothing old", edit(edits.expire(0, LATER - 1)), False),
    ("module: check mode of an add", edit(edits.put({"10.9.9.9": 1}), check_only=True), True),
    ("module: check mode of an expiry", edit(edits.expire(0, 2 * LATER), check_only=True), True),
    ("recorder: an older login", login(("10.0.0.1", LATER - 1)), 0),
    ("recorder: the same login", login(("10.0.0.1", LATER)), 0),
    ("recorder: many older logins at once", login(*((key, number) for key in ENTRIES for number in range(20))), 0),
]


def state():
    status, directory = os.stat(common.DATABASE), os.stat(DIRECTORY)
    with open(common.DATABASE, "rb") as file:
        content = file.read()
    return {
        "inode": status.st_ino,
        "mtime": status.st_mtime_ns,
        "ctime": status.st_ctime_ns,
        "content": content,
        "mtime of the directory": directory.st_mtime_ns,
        "names": sorted(os.listdir(DIRECTORY)),
    }


def by_makemap():
    text = "".join(f"{key}\t{value}\n" for key, value in ENTRIES.items())
    subprocess.run(["makemap", "hash", common.DATABASE], input=text.encode(), check=True)


def by_ourselves():
    os.unlink(common.DATABASE)
    database.change(common.DATABASE, edits.put(ENTRIES))


counts = {"runs": 0, "faults": []}
for make in (by_makemap, by_ourselves):
    make()
    for name, run, expected in RUNS:
        # A time long ago: no clock is too coarse to tell a change from it.
        os.utime(DIRECTORY, (1_000_000_000, 1_000_000_000))
        before = state()
        answer = run()
        after = state()
        counts["runs"] += 1
        if answer != expected:
            counts["faults"].append(f"{name}: answer {answer}, not {expected}")
        if after != before:
            changed = [field for field in before if after[field] != before[field]]
            counts["faults"].append(f"{name}: changed {', '.join(changed)}")
print(json.dumps(counts))
