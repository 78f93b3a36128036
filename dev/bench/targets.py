# SPDX-License-Identifier: GPL-3.0-or-later
"""The targets that the results are compared with: how many medians of another contestant ours may take, at one size."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Target:
    """At most ``most`` times ``other``, for ``work`` on ``entries`` entries."""

    work: str
    entries: int
    other: str
    most: Fraction

    @property
    def text(self) -> str:
        """The bound, as people write it."""
        return str(self.most) if self.most < 1 else f"{float(self.most):g}"

    def verdict(self, ratio: float) -> str:
        """Return the bound and whether ``ratio`` keeps it."""
        return f"≤ {self.text}: {'reached' if ratio <= self.most else '**not reached**'}"


TARGETS = (
    Target("add", 10_000, "perl", Fraction(13, 10)),
    Target("expire", 1_000_000, "perl", Fraction(1, 3)),
    Target("expire", 1_000_000, "makemap", Fraction(1, 2)),
    Target("list", 1_000_000, "perl", Fraction(1, 3)),
    Target("process", 10_000, "copy", Fraction(3)),
    Target("memory", 1_000_000, "file", Fraction(2)),
)


def verdict(work: str, entries: int, other: str, ratio: float) -> str:
    """Return what the issue says to a ratio, or nothing where it says nothing."""
    for target in TARGETS:
        if (target.work, target.entries, target.other) == (work, entries, other):
            return target.verdict(ratio)
    return ""
