# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The places for the ruleset in a sendmail.cf, by the shape of its check_rcpt.

sendmail itself refuses no client: only check_rcpt does (srvrsmtp.c calls it, if it exists, for each RCPT). A
file without one is an open relay, and so is one whose check_rcpt only has a black list, as files of the 8.8
era may. Several places can fit; only sendmail can decide which of them works.
"""

from __future__ import annotations

import re

from .ruleset import OWN, OWN_OPEN, STOCK, STOCK_OPEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .ruleset import Hook

# sendmail judges each place, which takes a tenth of a second: the owner of a file must not have it judge thousands.
MOST_REFUSALS = 4
# The name may stand apart from the S, and be given a number (readcf.c; strtorwset() in stab.c).
RULESET = re.compile(r"S\s*([^\s=#]+)")
REFUSAL = re.compile(r"R[^\t]*\t+\$#\s*(error|discard)\b")


class Place:
    """A place for the ruleset: the index of the line before which it stands, and the hook that reaches it."""

    __slots__ = ("hook", "line")

    def __init__(self, line: int, hook: Hook) -> None:
        self.line = line
        self.hook = hook


def places(text: str, mc: bool) -> list[Place]:
    """Return the possible places in ``text`` (a sendmail.mc if ``mc`` is true), the best one first."""
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
    # Right before the rule that refuses all other clients, usually the last one; the rules above it still apply.
    last = refusals[: -MOST_REFUSALS - 1 : -1]
    return [*(Place(number, OWN) for number in last), Place(beginnings["check_rcpt"] + 1, OWN_OPEN)]
