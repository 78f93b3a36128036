# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorder alone: how many logins it records in a second, each on the disk when it is acknowledged.

recorder_alone.py RESULT [--quick] writes what it found to RESULT as JSON and tells its progress.
"""

import argparse
import json
import os
import statistics
import subprocess
import time

import databases
import in_process
import reports
import spawn
import versions
from swaps import Swaps

UNIT = "vsmtprelay-recorder.service"
ENTRIES = 10_000
RECORDS = {1: 500, 64: 10_000}
QUICK_RECORDS = {1: 50, 64: 1_000}
TURNS = 5
QUICK_TURNS = 2
TICKS = os.sysconf("SC_CLK_TCK")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("result")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    for variant in databases.VARIANTS:
        databases.make(ENTRIES, variant)
    turns = QUICK_TURNS if options.quick else TURNS
    rows = [
        row
        for connections, records in (QUICK_RECORDS if options.quick else RECORDS).items()
        for variant in databases.VARIANTS
        for row in _rows(variant, connections, records, turns)
    ]
    with open(options.result, "w") as file:
        json.dump(rows, file)


def _rows(variant, connections, records, count):
    """Return a row for each version: what it is about, and the figures, each with an item for each turn."""
    turns = {version: [] for version in versions.there()}
    for number in range(count + 1):
        for version, done in turns.items():
            versions.switch(version)
            done.append(_turn(variant, connections, records, number))
    return [_row(version, variant, connections, records, done[1:]) for version, done in turns.items()]


def _row(version, variant, connections, records, turns):
    rate = records / statistics.median(turn["seconds"] for turn in turns)
    about = f"{connections} connections, file by {databases.WRITERS[variant]}, {version}"
    print(f"    {about}: {rate:.0f} records a second", flush=True)
    figures = {name: [turn[name] for turn in turns] for name in turns[0]}
    words = {"version": version, "variant": variant, "entries": ENTRIES, "connections": connections, "records": records}
    return {**words, **figures}


def _turn(variant, connections, records, number):
    begin = time.perf_counter()
    databases.lay_out(ENTRIES, variant)
    swap = time.perf_counter() - begin
    reported = reports.addresses(number * records, records)
    machine, recorder, load = _machine_seconds(), _recorder_seconds(), time.process_time()
    with Swaps() as swaps:
        seconds, took = reports.send(reported, connections)
        writes = swaps.count()
    recorder, load = _recorder_seconds() - recorder, time.process_time() - load
    others = max(0.0, _machine_seconds() - machine - recorder - load)
    _require(reported)
    return {
        "seconds": seconds,
        "took": took,
        "writes": writes,
        "cpu": recorder,
        "load": load,
        "others": others / seconds / os.cpu_count(),
        "copy": in_process.copy(),
        "swap": swap,
    }


def _require(reported):
    """See to it that every acknowledged address is in the file, as makemap reads it."""
    dump = subprocess.run([spawn.found("makemap"), "-u", "hash", databases.LIVE], capture_output=True, text=True, check=True)
    there = {line.split(None, 1)[0] for line in dump.stdout.splitlines()}
    lost = [address for address in reported if address not in there]
    if lost:
        raise SystemExit(f"{len(lost)} of {len(reported)} acknowledged logins are not in the database, such as {lost[0]}")
    if len(there) != ENTRIES + len(reported):
        raise SystemExit(f"{len(there)} entries are in the database instead of {ENTRIES + len(reported)}")


def _recorder_seconds():
    """Return the processor time that the recorder has taken so far."""
    show = ["systemctl", "show", "--property=MainPID", "--value", UNIT]
    process = subprocess.run(show, capture_output=True, text=True, check=True).stdout.strip()
    with open(f"/proc/{process}/stat") as file:
        user, system = file.read().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / TICKS


def _machine_seconds():
    """Return the processor time that all programs of the machine have taken so far."""
    with open("/proc/stat") as file:
        user, nice, system, _idle, _waiting, interrupts, soft_interrupts = map(int, file.readline().split()[1:8])
    return (user + nice + system + interrupts + soft_interrupts) / TICKS


if __name__ == "__main__":
    main()
