# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Counts, lists and times in words."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def some(things: Sequence[str], most: int) -> str:
    """Return the names of ``things``, separated by commas: at most ``most`` of them, and the number of the others."""
    named = ", ".join(things[:most])
    return named if len(things) <= most else f"{named} and {len(things) - most} more"


def count(number: int, one: str, many: str = "") -> str:
    """Return ``number`` with its noun: ``one``, or ``many`` (by default ``one`` with an s) unless it is 1."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def ago(seconds: float) -> str:
    """Return ``seconds`` for people: in seconds, minutes, hours or days."""
    for size, unit, most in ((1, "s", 60), (60, "min", 60), (3600, "h", 48)):
        if seconds < size * most:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds // 86400)} d"
