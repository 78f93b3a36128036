# SPDX-License-Identifier: GPL-3.0-or-later
"""What was found about many virtual servers; times are seconds."""

from __future__ import annotations

import statistics
from dataclasses import dataclass


@dataclass(frozen=True)
class Timed:
    """One run of a playbook: how long it took, how many tasks changed something, and the time of each task, by name."""

    seconds: float
    changed: int
    tasks: list[tuple[str, float]]

    def by_task(self) -> dict[str, float]:
        """Return the time of each task, without the role's name; tasks of the same name are added up."""
        times: dict[str, float] = {}
        for name, seconds in self.tasks:
            task = name.rpartition(" : ")[2]
            times[task] = times.get(task, 0) + seconds
        return {**times, "start and end of ansible-playbook": self.seconds - sum(times.values())}


@dataclass(frozen=True)
class Contest:
    """One contestant on a host with so many virtual servers: ``role``, ``users`` (the role; each has an owner) or ``loops``."""

    contestant: str
    servers: int
    first: Timed
    again: list[Timed]
    changed: list[Timed]

    def seconds(self, work: str) -> list[float]:
        """Return the times of all runs of ``work``: ``first``, ``again`` or ``changed``."""
        runs = [self.first] if work == "first" else getattr(self, work)
        return [run.seconds for run in runs]

    def median_tasks(self) -> dict[str, float]:
        """Return the median time of each task with nothing to do."""
        runs = [run.by_task() for run in self.again]
        return {name: statistics.median(run.get(name, 0.0) for run in runs) for name in runs[0]}


@dataclass(frozen=True)
class Expiry:
    """Expiring so many ``databases`` of ``entries`` entries in one process, and the first ``processes`` by a process each."""

    databases: int
    processes: int
    entries: int
    together: list[float]
    apart: list[float]

    @property
    def extrapolated(self) -> list[float]:
        """What a process for each database would take."""
        return [seconds / self.processes * self.databases for seconds in self.apart]


@dataclass(frozen=True)
class VirtualServersResults:
    """Everything; ``expiries`` are those of ``role`` and ``users``, and ``host`` is what was measured with."""

    contests: list[Contest]
    expiries: dict[str, Expiry]
    host: dict[str, str]

    def of(self, contestant: str) -> list[Contest]:
        """Return those of one contestant, by size."""
        return sorted((each for each in self.contests if each.contestant == contestant), key=lambda each: each.servers)

    def loops(self, work: str, servers: int) -> tuple[float, bool]:
        """Return what the loops take, and whether that was measured; else it lies on the line through what was."""
        measured = {each.servers: statistics.median(each.seconds(work)) for each in self.of("loops")}
        if servers in measured:
            return measured[servers], True
        (few, short), (many, long) = sorted(measured.items())
        return short + (servers - few) * (long - short) / (many - few), False
