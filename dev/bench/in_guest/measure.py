# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure everything; measure.py RESULT [--quick] writes what it found to RESULT as JSON and tells its progress."""

import argparse
import ast
import json
import subprocess
import sys

import breakdown
import commands
import databases
import floors
import host
import in_process

SIZES = (1_000, 10_000, 100_000, 1_000_000)
QUICK_SIZES = (1_000, 10_000)
MEMORY = "/run/bench-memory"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("result")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    sizes, quick = QUICK_SIZES if options.quick else SIZES, options.quick
    for entries in sizes:
        print(f"    making databases of {entries} entries", flush=True)
        for variant in databases.VARIANTS:
            databases.make(entries, variant)
    found = {
        "sizes": sizes,
        "host": host.describe(),
        "breakdown": breakdown.measure(10_000, quick),
        "rows": [*commands.measure(sizes, quick), *in_process.measure(sizes, quick)],
        "floors": floors.measure(sizes[-1]),
        "memory": _memory(sizes[-1]),
    }
    with open(options.result, "w") as file:
        json.dump(found, file)


def _memory(entries):
    subprocess.run([sys.executable, "/root/bench/memory.py", str(entries), MEMORY], check=True)
    with open(MEMORY) as file:
        return ast.literal_eval(file.read())


if __name__ == "__main__":
    main()
