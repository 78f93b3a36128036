# SPDX-License-Identifier: GPL-3.0-or-later
"""Damage files at random, and see what verify says of them and repair saves."""

import argparse
import json
import os
import random
import subprocess

import common
from vsmtprelay.database import edits
from vsmtprelay.database import relayers_db as database

parser = argparse.ArgumentParser()
parser.add_argument("--files", type=int, required=True)
files = parser.parse_args().files
chance = random.Random(2)
counts = {
    "files": 0, "damaged as db5.3_verify says": 0, "of these not found": 0, "repaired": 0, "unsound after repair": 0,
    "entries": 0, "recovered": 0, "made up": 0, "no copy kept": 0, "refused and changed": 0, "crashes": 0,
}  # fmt: skip
PATH = "/run/damaged.db"
entries = {f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}": 1_700_000_000 + 7 * n for n in range(3000)}


def damage(data):
    for unused in range(chance.randint(1, 3)):
        at = chance.randrange(len(data))
        length = chance.choice((1, 4, 16, 64, 512, 4096))
        kind = chance.choice(("noise", "zeros", "flip", "cut"))
        if kind == "noise":
            data[at : at + length] = bytes(chance.randrange(256) for unused in data[at : at + length])
        elif kind == "zeros":
            data[at : at + length] = bytes(len(data[at : at + length]))
        elif kind == "flip":
            data[at] ^= 1 << chance.randrange(8)
        elif chance.random() < 0.2:
            del data[max(at, 1) :]


def vsmtprelay(command):
    return subprocess.run(["vsmtprelay", "--database", PATH, command], capture_output=True)


for number in range(files):
    if os.path.exists(PATH):
        os.unlink(PATH)
    database.change(PATH, edits.put(entries))
    with open(PATH, "rb") as file:
        data = bytearray(file.read())
    damage(data)
    with open(PATH, "wb") as file:
        file.write(data)
    counts["files"] += 1
    damaged = not common.is_sound(PATH)
    counts["damaged as db5.3_verify says"] += damaged
    verified = vsmtprelay("verify")
    counts["of these not found"] += damaged and verified.returncode == 0
    for command in ("dump", "expire"):
        counts["crashes"] += vsmtprelay(command).returncode not in (0, 66)
    if verified.returncode == 0:
        continue
    with open(PATH, "wb") as file:
        file.write(data)
    repaired = vsmtprelay("repair")
    counts["crashes"] += repaired.returncode not in (0, 66)
    counts["repaired"] += repaired.returncode == 0
    if repaired.returncode:
        # Nothing is left of it that can be recovered, as of a file that was cut off in its first pages.
        with open(PATH, "rb") as file:
            counts["refused and changed"] += file.read() != data
        continue
    copies = [name for name in os.listdir("/run") if name.startswith("damaged.db.damaged-")]
    with open(f"/run/{copies[0]}", "rb") as copy:
        counts["no copy kept"] += copy.read() != data
    os.unlink(f"/run/{copies[0]}")
    counts["unsound after repair"] += not common.is_sound(PATH)
    saved = common.dump(PATH)
    counts["entries"] += len(entries)
    counts["recovered"] += len(saved)
    counts["made up"] += sum(str(entries.get(key)) != value for key, value in saved.items())
print(json.dumps(counts))
