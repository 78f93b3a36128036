# SPDX-License-Identifier: GPL-3.0-or-later
"""What was found about fleets; times are seconds."""

from __future__ import annotations

import statistics
from dataclasses import dataclass


@dataclass(frozen=True)
class Timed:
    """One run over all hosts: by the clock, of the controller's processors, and how many tasks a host had.

    ``main`` is what the one process took that hands the tasks out, ``processor`` all of them together.
    """

    seconds: float
    main: float
    processor: float
    tasks: int


@dataclass(frozen=True)
class Fleet:
    """What took how long over ``size`` hosts; ``round_trips`` is how often one is asked over SSH with nothing to do."""

    size: int
    works: dict[str, list[Timed]]
    round_trips: int

    def median(self, work: str, of: str = "seconds") -> float:
        """Return the median of all runs of ``work``; ``of`` is one of the times of Timed."""
        return statistics.median(getattr(run, of) for run in self.works[work])

    def tasks(self, work: str) -> int:
        """Return the most tasks that a host had."""
        return max(run.tasks for run in self.works[work])


@dataclass(frozen=True)
class FleetResults:
    """Everything; ``host`` is what was measured with."""

    fleets: list[Fleet]
    host: dict[str, str]

    def another_host(self, work: str, of: str = "seconds") -> float:
        """Return what each further host adds to the median of ``work``; ``of`` is one of the times of Timed."""
        few, many = self.fleets[0], self.fleets[-1]
        return (many.median(work, of) - few.median(work, of)) / (many.size - few.size)
