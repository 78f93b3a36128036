# SPDX-License-Identifier: GPL-3.0-or-later
"""What was measured, as the script in the guest wrote it down."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any

Turns = dict[str, list[float]]


@dataclass(frozen=True)
class Row:
    """One work on one file: ``took`` is contestant → seconds of each turn; ``variant`` is who wrote the file."""

    work: str
    variant: str
    entries: int
    took: Turns

    def median(self, contestant: str) -> float:
        """Return the seconds of ``contestant``'s median turn."""
        return statistics.median(self.took[contestant])

    def ratio(self, contestant: str, other: str) -> float:
        """Return the median of ``contestant`` in medians of ``other``."""
        return self.median(contestant) / self.median(other)


@dataclass(frozen=True)
class Memory:
    """Peaks of one command, in bytes; ``together`` counts the copy in memory (``memfd``), ``maxrss`` where it is mapped."""

    work: str
    variant: str
    who: str
    entries: int
    file: int
    maxrss: int
    memfd: int
    together: int


class Results:
    """Everything that one run of the benchmark found."""

    def __init__(self, found: dict[str, Any]) -> None:
        self.sizes: list[int] = found["sizes"]
        self.host: dict[str, str] = found["host"]
        self.breakdown: dict[str, Any] = found["breakdown"]
        self.rows = [Row(*row) for row in found["rows"]]
        self.floors: Turns = found["floors"]
        self.memory = [Memory(**peak) for peak in found["memory"]]

    def of(self, work: str, variant: str | None = None) -> list[Row]:
        """Return the rows of ``work``, by size; those of one ``variant`` or of all."""
        rows = [row for row in self.rows if row.work == work and variant in (None, row.variant)]
        return sorted(rows, key=lambda row: (row.entries, row.variant != "makemap"))
