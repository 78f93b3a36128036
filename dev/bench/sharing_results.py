# SPDX-License-Identifier: GPL-3.0-or-later
"""What was found about logins that are shared; times are seconds."""

from __future__ import annotations

from dataclasses import dataclass

from .in_guest.versions import ALONE, NOW
from .recorder_results import LoginRow


@dataclass(frozen=True)
class Latency:
    """How long after what ``where`` tells it was seen on another host, in each case."""

    where: str
    took: list[float]


@dataclass(frozen=True)
class Receiving:
    """A host that received ``rate`` logins a second for ``seconds``; ``used`` is unit → seconds of processor time."""

    rate: float
    seconds: float
    used: dict[str, float]
    took: list[float]

    @property
    def share(self) -> float:
        """The part of a core that the host took for it."""
        return sum(self.used.values()) / self.seconds


@dataclass(frozen=True)
class Readers:
    """``readers`` at one engine while ``rate`` single logins a second were published; ``share`` is the engine's, of a core."""

    readers: int
    streams: int
    rate: float
    share: float
    resident: int
    wakes: float
    missed: int
    slowest: float


@dataclass(frozen=True)
class MadeUp:
    """A host was cut off, and another one has its ``logins`` so many ``seconds`` after it is back."""

    logins: int
    seconds: float


@dataclass(frozen=True)
class SharingResults:
    """Everything that one run found; ``hosts`` is what it was measured with, by the name of the host.

    ``outbox`` is how long the recorder takes to add a login to its outbox.
    """

    logins: list[LoginRow]
    outbox: list[float]
    latencies: list[Latency]
    receiving: list[Receiving]
    made_up: list[MadeUp]
    readers: list[Readers]
    engine: str
    hosts: dict[str, dict[str, str]]

    def login(self, entries: int, shares: bool) -> LoginRow:
        """Return the row of a host that shares, or does not, with so many entries."""
        name = NOW if shares else ALONE
        (row,) = [row for row in self.logins if (row.entries, row.version) == (entries, name)]
        return row
