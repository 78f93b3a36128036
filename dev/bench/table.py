# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables in Markdown that can also be read on a terminal, and the line above them."""

from __future__ import annotations

import datetime
import statistics
from collections.abc import Sequence

import yaml

from support.places import CHECKOUT


def made_by() -> str:
    """Return the sentence that says when and of which version a page was made."""
    version = yaml.safe_load((CHECKOUT / "galaxy.yml").read_text(encoding="utf-8"))["version"]
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    return f"Made by `make bench` on {date}, version {version}; do not edit."


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table whose first column is flush left and whose others are flush right."""
    lines = [heads, *rows]
    widths = [max(3, *(len(line[place]) for line in lines)) for place in range(len(heads))]

    def line_of(cells: Sequence[str]) -> str:
        first, *others = zip(cells, widths, strict=True)
        return "| " + " | ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]) + " |"

    rule = "|" + "|".join(["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])]) + "|"
    return "\n".join([line_of(heads), rule, *(line_of(row) for row in rows)]) + "\n"


def milliseconds(seconds: float) -> str:
    """Return milliseconds with three digits that count."""
    value = seconds * 1000
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def spread(seconds: Sequence[float]) -> str:
    """Return the median and, in brackets, the least and the most, in milliseconds."""
    return f"{milliseconds(statistics.median(seconds))} ({milliseconds(min(seconds))}..{milliseconds(max(seconds))})"


def number(count: int) -> str:
    """Return a number with its thousands apart."""
    return f"{count:,}".replace(",", " ")


def verdict(bound: str, reached: bool) -> str:
    """Return the bound that was set, and whether it was reached."""
    return f"{bound}: {'reached' if reached else '**not reached**'}"


def seconds(value: float) -> str:
    """Return seconds with three digits that count."""
    return number(round(value)) if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def seconds_spread(values: Sequence[float]) -> str:
    """Return the median and, in brackets, the least and the most, in seconds; of a single value that alone."""
    median = seconds(statistics.median(values))
    return f"{median} ({seconds(min(values))}..{seconds(max(values))})" if len(values) > 1 else median
