# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole commands: vsmtprelay against a Perl script and against makemap, from the start of the process to its end."""

import filecmp
import os
import time

import databases
import spawn
from contest import repetitions, take_turns, tell

PEER = "/root/bench/peer.pl"
NEW_ADDRESS = "192.0.2.200"


def measure(sizes, quick):
    """Yield a row for each work, variant and size: (work, variant, entries, contestant → seconds of each turn)."""
    for entries in sizes:
        for variant in databases.VARIANTS:
            if variant == "own" and entries not in (10_000, 1_000_000):
                continue
            for work, contest in (("add", _add), ("expire", _expire), ("list", _list)):
                took = contest(entries, variant, repetitions(entries, quick, second=variant == "own"))
                tell(f"{work}, {entries} entries, file by {databases.WRITERS[variant]}", took)
                yield work, variant, entries, took


def _add(entries, variant, turns):
    ticks = str(int(time.time()))
    commands = {
        "vsmtprelay": ["vsmtprelay", "add", NEW_ADDRESS, ticks],
        "perl": ["perl", PEER, "add", databases.LIVE, NEW_ADDRESS, ticks],
    }
    return _contest(entries, variant, commands, 2 * turns, left=entries + 1)


def _expire(entries, variant, turns):
    minutes = str(databases.MINUTES)
    commands = {
        "vsmtprelay": ["vsmtprelay", "expire", minutes],
        "perl": ["perl", PEER, "expire", databases.LIVE, minutes],
        "makemap": ["makemap", "-c", databases.CACHE_BYTES, "hash", databases.LIVE],
    }
    return _contest(entries, variant, commands, turns, left=entries - entries // 2, stdin=databases.survivors(entries))


def _list(entries, variant, turns):
    commands = {"vsmtprelay": ["vsmtprelay", "list"], "perl": ["perl", PEER, "list", databases.LIVE]}
    databases.lay_out(entries, variant)
    outputs = [f"{databases.STORE}/{name}.list" for name in commands]
    for command, output in zip(commands.values(), outputs, strict=True):
        spawn.seconds(command, stdout=output)
    if not filecmp.cmp(*outputs, shallow=False):
        raise SystemExit("vsmtprelay and Perl do not list the same")
    for output in outputs:
        os.unlink(output)
    return take_turns({name: lambda command=command: spawn.seconds(command) for name, command in commands.items()}, turns)


def _contest(entries, variant, commands, turns, left, stdin=os.devnull):
    """Let commands that change the file take turns, each on a fresh copy; whoever does not leave ``left`` entries is out."""
    checked = set()

    def turn(name, command):
        databases.lay_out(entries, variant)
        seconds = spawn.seconds(command, stdin=stdin)
        if name not in checked and databases.count() != left:
            raise SystemExit(f"{name} left {databases.count()} entries instead of {left}: {' '.join(command)}")
        checked.add(name)
        return seconds

    return take_turns({name: lambda words=(name, command): turn(*words) for name, command in commands.items()}, turns)
