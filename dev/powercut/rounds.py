# SPDX-License-Identifier: GPL-3.0-or-later
"""Rounds on one disk: work, a cut, what the cut leaves, and the next start, which tells what is there."""

import random
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .disk import Disk
from .errors import PowerCutError
from .ledger import Counts, Ledger
from .machine import Bed, Machine

# From the start of the machine until it works, and from then until it is cut.
START_SECONDS = 240.0
WORK_SECONDS = 120.0
# After so many rounds a disk is made anew.
ROUNDS_OF_DISK = 12
# More than a round uses.
KEYS_OF_ROUND = 20_000
SCENES = (
    *("add", "logins_alone", "logins_alone", "logins_together", "logins_delayed"),
    *("import_some", "expire", "delete", "create", "repair"),
)
FILLS = (300, 3000, 9000)
# There is also "end": when the scenes are over.
KINDS_OF_CUT = ("time", "acknowledgement", "request")
LONGEST_WORK = 4.0
# How soon the guest's kernel writes what nobody flushed, in hundredths of a second; 0 for Debian's 5 and 30 seconds.
WRITEBACKS = (0, 3, 20)


@dataclass(frozen=True)
class Plan:
    """What is done. ``scenes`` are those of in_guest/work.py, ``cuts`` of KINDS_OF_CUT, ``mutant`` as in in_guest/programs.py.

    With the same ``seed`` the same is done, and cut at the same acknowledgements or requests. Without ``fill`` the first round
    on a disk begins with an empty database.
    """

    seed: int
    scenes: tuple[str, ...] = SCENES
    cuts: tuple[str, ...] = KINDS_OF_CUT
    mutant: str = ""
    fill: bool = True


@dataclass
class Result:
    """What the rounds on one file system have shown."""

    counts: Counts
    seconds: float
    complaints: list[str]


def _print(text: str) -> None:
    print(text, flush=True)


class Rounds:
    """Rounds on disks with one file system, one after the other."""

    def __init__(self, bed: Bed, file_system: str, plan: Plan, directory: Path, say: Callable[[str], None] = _print) -> None:
        """Work in DIRECTORY; the logs of rounds with faults stay there."""
        self._bed = bed
        self._file_system = file_system
        self._plan = plan
        self._directory = directory
        self._say = say
        self._disk = Disk(directory / "disk")
        self._ledger = Ledger()
        self._faults = 0

    def run(self, number: int, until: Callable[[Counts], bool] = lambda counts: False) -> Result:
        """Do NUMBER rounds, or fewer: until the function UNTIL says so of what was found. Raises PowerCutError."""
        shutil.rmtree(self._directory, ignore_errors=True)
        total, complaints = Counts(), []
        begun = time.monotonic()
        for position in range(number):
            if position % ROUNDS_OF_DISK == 0:
                self._disk.format(self._file_system)
                self._ledger = Ledger()
                self._faults = 0
            self._round(position, works=True)
            if (position + 1) % ROUNDS_OF_DISK == 0 or position + 1 == number or until(self._ledger.counts):
                self._round(position + 1, works=False)
                total += self._ledger.counts
                complaints += self._ledger.complaints
                if until(total):
                    break
        # What shows a fault stays: the logs, and the disk as the cut left it.
        shutil.rmtree(self._disk.directory if total.faults else self._directory, ignore_errors=True)
        return Result(total, time.monotonic() - begun, complaints)

    def _round(self, position: int, works: bool) -> None:
        """Start, tell what is there, and work until a cut; or only tell."""
        chance = random.Random(f"{self._plan.seed} {self._file_system} {position}")
        kind = chance.choice(self._plan.cuts)
        log = self._directory / f"round-{position}{'' if works else '-look'}"
        settings = {
            "round": position,
            "seed": chance.randrange(1 << 30),
            "time": int(time.time()),
            "file_system": self._file_system,
            "mutant": self._plan.mutant,
            "writeback": chance.choice(WRITEBACKS),
            "look_at": self._ledger.databases(),
            "work": works,
            "first": (position + 1) * KEYS_OF_ROUND,
            "fill": chance.choice(FILLS) if self._plan.fill and position % ROUNDS_OF_DISK == 0 else 0,
            "scenes": self._plan.scenes,
            "most_created": 2,
            "cut_after": chance.randint(1, 25) if kind == "acknowledgement" else 0,
        }
        cut_at = chance.randint(1, 80) if kind == "request" else 0
        seconds = chance.uniform(0.05, LONGEST_WORK) if kind == "time" else WORK_SECONDS
        begun = ready = time.monotonic()
        told = len(self._ledger.complaints)
        try:
            with self._bed.machine(self._disk, log, cut_at) as machine:
                machine.lines.send(settings)
                self._start(machine, "begin" if works else "end", log)
                if works:
                    ready = time.monotonic()
                    self._disk.arm(machine.pid)
                    self._work(machine, seconds, log)
                    if machine.lines.ended and not cut_at:
                        raise PowerCutError(f"the machine ended by itself: see {log}/console")
                machine.cut()
                while (said := machine.lines.next(time.monotonic() + 10)) is not None:
                    self._ledger.hear(said)
            left = self._disk.settle(chance) if works else {}
            if works:
                self._ledger.power_is_gone()
                self._disk.keep_copy(log / "disk")
        except PowerCutError:
            self._say(f"{self._file_system} round {position}: see {log}")
            raise
        faults = self._ledger.counts.faults
        self._say(
            f"{self._file_system} round {position}: {time.monotonic() - begun:.1f} s, {ready - begun:.1f} of them to start, "
            f"cut by {kind if works else 'nothing'}, unflushed {left}, "
            f"{self._ledger.counts.acknowledged} acknowledged, {faults} faults"
        )
        if faults > self._faults:
            for complaint in self._ledger.complaints[told:]:
                self._say(f"{self._file_system} round {position}: {complaint}; see {log} and the round before it")
        else:
            # The round before this one turned out to be right.
            shutil.rmtree(self._directory / f"round-{position - 1}", ignore_errors=True)
        self._faults = faults

    def _start(self, machine: Machine, last: str, log: Path) -> None:
        """Listen until the guest says LAST."""
        deadline = time.monotonic() + START_SECONDS
        while (said := self._next(machine, deadline, log)) is not None:
            if said["say"] == last:
                return
        raise PowerCutError(f"the machine did not come to its {last} within {START_SECONDS} s: see {log}")

    def _work(self, machine: Machine, seconds: float, log: Path) -> None:
        """Listen until the cut is due."""
        deadline = time.monotonic() + seconds
        while (said := self._next(machine, deadline, log)) is not None:
            if said["say"] in ("cut", "end"):
                return

    def _next(self, machine: Machine, deadline: float, log: Path) -> dict[str, Any] | None:
        said = machine.lines.next(deadline)
        if said is not None:
            if said["say"] == "broken":
                raise PowerCutError(f"the guest cannot go on: {said['text']}; see {log}")
            self._ledger.hear(said)
        return said
