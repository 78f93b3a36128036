# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of other makers with entries of other makers: what is not named is kept, byte by byte, and dump shows all of it."""

import collections
import json
import os
import subprocess

import common

LATER = 4_000_000_000
DUPLICATES = [(b"10.4.0.1", b"4000000001"), (b"10.4.0.1", b"4000000002"), (b"dup.example", b"one"), (b"dup.example", b"two")]
# More than fit into a page, or into an item of it.
MANY = [(b"many.example", b"value %04d" % number) for number in range(800)]
LONG = [(b"long value", b"v" * 5000), (b"k" * 3000, b"long key")]
# What a file is called, the lines of its header that db5.3_load reads, and what entries it has beside the usual ones.
FILES = [
    ("plain", [], []),
    ("checksums", ["chksum=1"], []),
    ("small pages", ["db_pagesize=512"], []),
    ("large pages", ["db_pagesize=65536"], []),
    ("other byte order", ["db_lorder=4321"], []),
    ("long entries", [], LONG),
    ("long entries, small pages", ["db_pagesize=512"], LONG),
    ("duplicates", ["duplicates=1"], DUPLICATES),
    ("sorted duplicates", ["duplicates=1", "dupsort=1"], DUPLICATES),
    ("many duplicates", ["duplicates=1"], DUPLICATES + MANY),
]
LISTED = [(b"10.1.0.%d" % n, b"%d" % (LATER + n)) for n in range(200)]
OLD = [(b"10.2.0.%d" % n, b"%d" % (1000 + n)) for n in range(50)] + [(b"10.2.1.%d\0" % n, b"%d\0" % n) for n in range(50)]
# As text it is more than what makes an entry old today, as a number less.
OLD += [(b"10.2.2.1\0", b"906502527\0")]
FOREIGN = [
    (b"10.3.0.1\0", b"4000000000\0"),
    (b"10.3.0.2\0", b"4000000000"),
    (b"10.3.0.3", b"4000000000\0"),
    (b"10.3.0.4", b"-5"),
    (b"10.3.0.5", b"0123"),
    (b"10.3.0.6", b"99999999999999"),
    (b"10.3.0.7", b"1e3"),
    (b"10.3.0.8", b" 5"),
    (b"10.3.0.9", b""),
    (b"10.3.0.10", "\u0663".encode()),
    (b"example.org", b"RELAY"),
    (b"connect:192.0.2", b'ERROR:5.7.1:"550 not you"'),
    (b"friend@example.org", b"ok"),
    (b"", b"the empty key"),
    (b"\xff\x80", b"\xfe\x00\x01"),
]
NEW = b"10.9.9.9"
# What is done, and what then becomes of the value of a key: its new one, None where it is taken away, or itself.
STEPS = [
    (["add", "10.9.9.9", "5000000000"], {NEW: b"5000000000"}),
    (["add", "10.9.9.9", "5000000001"], {NEW: b"5000000001"}),
    (["delete", "10.1.0.7", "10.2.1.7", "10.9.9.9"], {b"10.1.0.7": None, b"10.2.1.7\0": None, NEW: None}),
    (["expire"], {key: None for key, unused in OLD}),
    (["expire", "5"], {}),
    (["add", "10.4.0.1", "5000000002"], {b"10.4.0.1": b"5000000002"}),
    (["delete", "10.4.0.1", "10.3.0.1"], {b"10.4.0.1": None, b"10.3.0.1\0": None}),
]
PATH = "/var/lib/foreign/relayers.db"
counts = {"files": 0, "files with faults": 0, "commands": 0, "foreign entries kept": 0, "faults": []}


def load(header, entries):
    lines = ["VERSION=3", "format=bytevalue", "type=hash", *header, "HEADER=END"]
    lines += [f" {field.hex()}" for entry in entries for field in entry]
    subprocess.run(["db5.3_load", PATH], input="\n".join([*lines, "DATA=END", ""]).encode(), check=True)


def entries_there():
    """Return all entries as libdb's own program shows them, one counted as often as it is there."""
    dump = subprocess.run(["db5.3_dump", PATH], stdout=subprocess.PIPE, check=True).stdout.decode()
    fields = [bytes.fromhex(line) for line in dump.partition("HEADER=END\n")[2].partition("DATA=END")[0].splitlines()]
    return collections.Counter((fields[n], fields[n + 1]) for n in range(0, len(fields), 2))


def after(entries, change):
    """Return ``entries`` with ``change`` made."""
    kept = collections.Counter({entry: number for entry, number in entries.items() if entry[0] not in change})
    kept.update((key, value) for key, value in change.items() if value is not None)
    return kept


def vsmtprelay(*words):
    counts["commands"] += 1
    return subprocess.run(["vsmtprelay", "--database", PATH, *words], capture_output=True, check=False)


def lines(entries):
    return sorted(key.rstrip(b"\0") + b" " + value.rstrip(b"\0") for key, value in entries.elements())


def faults_of_dump(entries):
    dumped = vsmtprelay("dump")
    if dumped.returncode != 0:
        yield f"exit {dumped.returncode}: {dumped.stderr[-300:]}"
    elif sorted(line for line in dumped.stdout.split(b"\n") if line and not line.startswith(b"#")) != lines(entries):
        yield "does not show the entries as they are"


def faults_of(header, more):
    """Return what is wrong, up to the first step that goes wrong."""
    load(header, LISTED + OLD + FOREIGN + more)
    entries = entries_there()
    found = list(faults_of_dump(entries))
    for words, wanted in STEPS:
        if found:
            break
        keys = {key for key, unused in entries}
        change = {key: value for key, value in wanted.items() if value is not None or key in keys}
        unlisted = set(words[1:]) - {key.rstrip(b"\0").decode() for key in change}
        expected = after(entries, change)
        done = vsmtprelay(*words)
        entries = entries_there()
        if done.returncode != (words[0] == "delete" and bool(unlisted)) or (done.returncode == 0 and done.stderr):
            found.append(f"exit {done.returncode}: {done.stderr[-300:]}")
        if entries != expected:
            found.append(f"lost {list(expected - entries)[:3]}, too many {list(entries - expected)[:3]}")
        if not common.is_sound(PATH):
            found.append("the file is damaged")
        found = [f"{' '.join(words)}: {fault}" for fault in [*found, *faults_of_dump(entries)]]
    counts["foreign entries kept"] += 0 if found else sum(entry in entries for entry in FOREIGN + more)
    return found


os.makedirs(os.path.dirname(PATH), exist_ok=True)
for name, header, more in FILES:
    if os.path.exists(PATH):
        os.unlink(PATH)
    found = [f"{name}: {fault}" for fault in faults_of(header, more)]
    counts["files"] += 1
    counts["files with faults"] += bool(found)
    counts["faults"] += found
os.unlink(PATH)
print(json.dumps(counts))
