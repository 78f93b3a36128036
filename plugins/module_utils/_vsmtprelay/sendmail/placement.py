# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The places for the ruleset in a sendmail.cf, by the shape of its check_rcpt.

sendmail itself refuses no client: only check_rcpt does (srvrsmtp.c calls it, if it exists, for each RCPT). A
file without one is an open relay, and so is one whose check_rcpt only has a black list, as files of the 8.8
era may. Several places can fit; only sendmail can decide which of them works.
"""

from __future__ import annotations

import itertools
import re

from .ruleset import STOCK, accepting, refusing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .ruleset import Hook

CHECK_RCPT, LOCAL_CHECK_RCPT = "check_rcpt", "Local_check_rcpt"
# sendmail judges each place, which takes a tenth of a second: the owner of a file must not have it judge thousands.
MOST_REFUSALS = 4
# The name may stand apart from the S, and be given a number (readcf.c; strtorwset() in stab.c).
RULESET = re.compile(r"S\s*([A-Za-z0-9_-]+)")
# The right side of a rule, which a line that continues it can hold, ends the call of check_rcpt with an error. $#TEMP is
# that of the stock rules for a temporary one.
REFUSAL = re.compile(r"R[^\t]*\t+\s*(?:\$@\s*)?\$#\s*(error|discard|TEMP)\b")
CATCH_ALL = re.compile(r"R *\$[*+] *\t")
CALL = re.compile(r"\$>\s*\"?([A-Za-z0-9_-]+)")
LOCAL_RULESETS = "LOCAL_RULESETS"


class Place:
    """A place for lines of the ruleset: the index of the line before which they stand, and the hook that reaches them."""

    __slots__ = ("hook", "line")

    def __init__(self, line: int, hook: Hook) -> None:
        self.line = line
        self.hook = hook


def places(text: str, mc: bool) -> list[list[Place]]:
    """Return the possible places in ``text`` (a sendmail.mc if ``mc`` is true), the best ones first.

    Each item is what is tried at a time: one place or several.
    """
    lines = text.splitlines()
    end = len(lines)
    if mc:
        return [list(each) for each in _of_source(lines)]
    rulesets = _Rulesets(lines)
    if CHECK_RCPT not in rulesets.beginnings:
        return [[Place(end, refusing(CHECK_RCPT))]]
    # Right before a rule that refuses all other clients, usually the last one; the rules above it still apply.
    is_stock = STOCK.ruleset in rulesets.beginnings
    # In stock rules, those that can refuse a listed client are the owner's own, and Rcpt_ok itself.
    roots = (LOCAL_CHECK_RCPT, STOCK.ruleset) if is_stock else (CHECK_RCPT,)
    refusals = [Place(line, accepting(name)) for line, name in rulesets.refusals(roots)]
    # One of them is better than two: a listed client passes each that is chosen.
    tried = [list(some) for count in range(1, len(refusals) + 1) for some in itertools.combinations(refusals, count)]
    names = [name for name in (LOCAL_CHECK_RCPT, CHECK_RCPT) if name in rulesets.beginnings]
    begin = [[Place(rulesets.beginnings[name] + 1, refusing(name))] for name in names]
    if not is_stock:
        return [*tried, *reversed(begin)]
    stock = Place(end, STOCK)
    return [[stock], *([*each, stock] for each in tried), [Place(end, refusing(LOCAL_CHECK_RCPT))], *begin]


def _of_source(lines: Sequence[str]) -> Iterator[tuple[Place]]:
    yield (Place(len(lines), STOCK),)
    yield (Place(len(lines), refusing(LOCAL_CHECK_RCPT)),)
    for number, line in enumerate(lines):
        # Before a Local_check_rcpt of the file's own, which can change what it looks at.
        if line.startswith(LOCAL_RULESETS):
            yield (Place(number, refusing(LOCAL_CHECK_RCPT)),)
            return


class _Rulesets:
    """The rulesets of a sendmail.cf: ``beginnings`` is the first line of each, by name."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.beginnings: dict[str, int] = {}
        self._calls: dict[str, set[str]] = {}
        self._refusals: list[tuple[int, str]] = []
        self._catching_all: set[int] = set()
        current = ""
        for number, line in _logical(lines):
            if line.startswith("S"):
                found = RULESET.match(line)
                current = found.group(1) if found else ""
                self.beginnings.setdefault(current, number)
            elif line.startswith("R"):
                self._calls.setdefault(current, set()).update(CALL.findall(line))
                if REFUSAL.match(line):
                    self._refusals.append((number, current))
                    if CATCH_ALL.match(line):
                        self._catching_all.add(number)

    def refusals(self, roots: Sequence[str]) -> list[tuple[int, str]]:
        """Return line and ruleset of the last refusals that ``roots`` can reach, those in the first one first."""
        reached, left = set(), list(roots)
        while left:
            name = left.pop()
            if name not in reached:
                reached.add(name)
                left += self._calls.get(name, ())
        found = [refusal for refusal in reversed(self._refusals) if refusal[1] in reached]
        # What refuses everybody else comes before what bans somebody.
        found.sort(key=lambda refusal: (refusal[0] not in self._catching_all, refusal[1] != roots[0]))
        return found[:MOST_REFUSALS]


def _logical(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield the number of each line and its text, together with the lines that continue it."""
    begin, parts = 0, []
    for number, line in enumerate(lines):
        if line[:1] in (" ", "\t"):
            parts.append(line)
            continue
        if parts:
            yield begin, "".join(parts)
        begin, parts = number, [line]
    if parts:
        yield begin, "".join(parts)
