# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where in a sendmail.cf the ruleset belongs, by what its check_rcpt looks like.

sendmail itself refuses nobody: that is check_rcpt's work alone (srvrsmtp.c calls it, if it is there, for each RCPT). A file
without one is an open relay, and so is one whose check_rcpt only knows a black list, as files of the 8.8 era may. Several
places can be fitting; which of them does what it has to is for sendmail to tell.
"""

from __future__ import annotations

import re

from .ruleset import OWN, OWN_OPEN, STOCK, STOCK_OPEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .ruleset import Hook

# The name may stand apart from the S, and be given a number (readcf.c; strtorwset() in stab.c).
RULESET = re.compile(r"S\s*([^\s=#]+)")
REFUSAL = re.compile(r"R[^\t]*\t+\$#\s*(error|discard)\b")


class Place:
    """A line of the file before which the ruleset can stand, as an index, and how it is reached there."""

    __slots__ = ("hook", "line")

    def __init__(self, line: int, hook: Hook) -> None:
        self.line = line
        self.hook = hook


def places(text: str, mc: bool) -> list[Place]:
    """Return the places that may do in ``text`` (of a sendmail.mc where ``mc`` is true), the most fitting first."""
    lines = text.splitlines()
    end = len(lines)
    if mc:
        return [Place(end, STOCK), Place(end, STOCK_OPEN)]
    beginnings: dict[str, int] = {}
    refusals = []
    current = ""
    for number, line in enumerate(lines):
        if line.startswith("S"):
            found = RULESET.match(line)
            current = found.group(1) if found else ""
            beginnings.setdefault(current, number)
        elif current == "check_rcpt" and REFUSAL.match(line):
            refusals.append(number)
    if "check_rcpt" not in beginnings:
        return [Place(end, OWN_OPEN)]
    if STOCK.ruleset in beginnings:
        return [Place(end, STOCK), Place(end, STOCK_OPEN)]
    # Right before the rule that refuses everybody else, which usually is the last one; what stands above it still applies.
    return [*(Place(number, OWN) for number in reversed(refusals)), Place(beginnings["check_rcpt"] + 1, OWN_OPEN)]
