# SPDX-License-Identifier: GPL-3.0-or-later
"""How many branches of the pure code the unit tests take: coverage's own limit counts lines and branches together."""

from __future__ import annotations

import json
from pathlib import Path

from .errors import GateError

FEWEST_PERCENT = 95


def check(report: Path) -> str:
    """Return in one line how many branches are covered, by coverage's JSON ``report``; raises GateError if they are too few."""
    totals = json.loads(report.read_text(encoding="utf-8"))["totals"]
    percent = 100 * totals["covered_branches"] / totals["num_branches"]
    told = f"{totals['covered_branches']} of {totals['num_branches']} branches are covered: {percent:.1f} percent"
    if percent < FEWEST_PERCENT:
        raise GateError(f"{told}; {FEWEST_PERCENT} are wanted")
    return told
