# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the time of ``vsmtprelay add`` goes: its stages, its imports, and what any program of its kind has to pay."""

import ast
import os
import shlex
import statistics
from time import perf_counter

import commands
import databases
import spawn
from contest import take_turns

RESULT = "/run/bench-stages"
IMPORTS = "/run/bench-imports"
MOST_IMPORTS = 12

# The compiled part of the binding, without the Python around it.
BINDING = """
import posix, sys
sys.modules["bsddb3"] = package = type(sys)("bsddb3")
package.__path__ = ["/usr/lib/python3/dist-packages/bsddb3"]
from bsddb3 import _pybsddb
posix._exit(0)
"""


def measure(entries, quick):
    """Return a dictionary: ``stages`` and ``imports`` (name → median seconds), ``starts`` (name → seconds of each turn)."""
    turns = 3 if quick else 25
    program = spawn.found("vsmtprelay")
    with open(program) as file:
        interpreter = shlex.split(file.readline().removeprefix("#!"))
    words = [program, "add", commands.NEW_ADDRESS, "1000"]
    return {
        "entries": entries,
        "stages": _stages(entries, interpreter, words, turns),
        "imports": _imports(entries, interpreter, words, turns),
        "starts": take_turns(
            {
                name: lambda command=command: spawn.seconds(command)
                for name, command in {
                    "a program that does nothing": ["true"],
                    "Python": [*interpreter, "-c", "pass"],
                    "Python and the binding, left by _exit": [*interpreter, "-c", BINDING],
                    "Perl": ["perl", "-e", "1"],
                    "Perl and DB_File": ["perl", "-MDB_File", "-e", "1"],
                    "Perl: add": ["perl", commands.PEER, "add", databases.LIVE, commands.NEW_ADDRESS, "1000"],
                }.items()
            },
            turns,
        ),
    }


def _stages(entries, interpreter, words, turns):
    """Return item → median seconds, in the order of time; one more item is how long the plain command takes."""
    plain, booked = [], []
    for _ in range(turns + 1):
        databases.lay_out(entries, "makemap")
        plain.append(spawn.seconds(words))
        databases.lay_out(entries, "makemap")
        begin = perf_counter()
        command = [*interpreter, "/root/bench/stages.py", repr(begin), words[0], RESULT, *words[1:]]
        took = spawn.seconds(command)
        with open(RESULT) as file:
            last, spent = ast.literal_eval(file.read())
        spent["end Python"] = begin + took - last
        booked.append(spent)
    os.unlink(RESULT)
    medians = {item: statistics.median(spent[item] for spent in booked[1:]) for item in booked[-1]}
    del medians["this measurement"]
    return {**medians, "the plain command, for comparison": statistics.median(plain[1:])}


def _imports(entries, interpreter, words, turns):
    """Return module → median seconds of the dearest imports, each without those made in it."""
    spent = {}
    for _ in range(turns):
        databases.lay_out(entries, "makemap")
        spawn.seconds([interpreter[0], "-X", "importtime", *interpreter[1:], *words], stderr=IMPORTS)
        with open(IMPORTS) as file:
            for line in file:
                own, _cumulated, name = line.removeprefix("import time:").split("|")
                if own.strip().isdigit():
                    spent.setdefault(name.strip(), []).append(int(own) / 1e6)
    os.unlink(IMPORTS)
    medians = {name: statistics.median(seconds) for name, seconds in spent.items()}
    dearest = sorted(medians, key=medians.get, reverse=True)
    rest = {f"{len(dearest) - MOST_IMPORTS} others": sum(medians[name] for name in dearest[MOST_IMPORTS:])}
    return {**{name: medians[name] for name in dearest[:MOST_IMPORTS]}, **rest}
