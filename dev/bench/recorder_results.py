# SPDX-License-Identifier: GPL-3.0-or-later
"""What was found about the recorder; times are seconds, ``others`` the share of the processors that other programs took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .in_guest.versions import NOW

Turn = tuple[float, list[float]]


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value that the ``share`` of ``values`` does not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


@dataclass(frozen=True)
class Records:
    """The recorder alone: each list has an item for each turn; ``took`` has the times of all reports of a turn."""

    version: str
    variant: str
    entries: int
    connections: int
    records: int
    seconds: list[float]
    took: list[list[float]]
    writes: list[int]
    cpu: list[float]
    load: list[float]
    others: list[float]
    copy: list[float]
    swap: list[float]

    @property
    def rates(self) -> list[float]:
        """Acknowledged records a second, of each turn."""
        return [self.records / seconds for seconds in self.seconds]

    def time(self, share: float) -> list[float]:
        """Return the quantile of the time of a report, of each turn."""
        return [quantile(took, share) for took in self.took]


@dataclass(frozen=True)
class LoginRow:
    """Logins, ``together`` at a time, to the Dovecot with the recorder and to the one without it, in turns."""

    release: str
    version: str
    entries: int
    together: int
    reported: list[Turn]
    unreported: list[Turn]
    delayed: int
    others: float

    def rate(self, with_recorder: bool) -> float:
        """Return the logins a second."""
        turns = self._turns(with_recorder)
        return sum(len(took) for _, took in turns) / sum(seconds for seconds, _ in turns)

    def time(self, with_recorder: bool, share: float) -> float:
        """Return the quantile of the time from the password to the answer."""
        return quantile([seconds for _, took in self._turns(with_recorder) for seconds in took], share)

    def added(self, share: float) -> float:
        """Return by how much the quantile is greater with the recorder."""
        return self.time(True, share) - self.time(False, share)

    def summary(self) -> str:
        """Return a line of progress."""
        rates = f"{self.rate(True):.0f} and {self.rate(False):.0f} logins a second with and without the recorder"
        return f"{rates}, p50 {self.added(0.5) * 1000:+.2f} ms, p99 {self.added(0.99) * 1000:+.2f} ms"

    def _turns(self, with_recorder: bool) -> list[Turn]:
        return self.reported if with_recorder else self.unreported


@dataclass(frozen=True)
class BusyRow:
    """Logins on a host whose cores are all busy.

    How many there were, how many of them were let in before they were recorded, and the seconds of the later half.
    """

    release: str
    version: str
    logins: int
    delayed: int
    took: list[float]

    def summary(self) -> str:
        """Return a line of progress."""
        times = f"p50 {quantile(self.took, 0.5) * 1000:.1f} ms, p99 {quantile(self.took, 0.99) * 1000:.1f} ms"
        return f"{self.release}, busy host, {self.version}: {self.delayed} delayed, {times}"


@dataclass(frozen=True)
class Least:
    """What a login waits for in any case: seconds that an answer at once adds (median), and those of the flushes, each turn."""

    answer: float
    flushes: list[float]

    @property
    def together(self) -> float:
        """Return the median of both."""
        return self.answer + quantile(self.flushes, 0.5)


@dataclass(frozen=True)
class RecorderResults:
    """Everything; ``hosts`` is release → what was measured with, ``least`` release → what no recorder can do without."""

    records: list[Records]
    logins: list[LoginRow]
    busy: list[BusyRow]
    least: dict[str, Least]
    hosts: dict[str, dict[str, str]]

    def highest(self, release: str, entries: int) -> LoginRow:
        """Return the row of the present version with the most logins a second."""
        rows = [row for row in self.logins if (row.release, row.version, row.entries) == (release, NOW, entries)]
        return max(rows, key=lambda row: row.rate(True))
