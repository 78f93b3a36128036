# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Insert the ruleset into the text of a sendmail.cf or sendmail.mc, and remove it without a trace.

The ruleset stands between two marker lines. sendmail appends to an earlier ruleset of the same name
(readcf.c: an ``S`` line does not restart a ruleset), so it can stand at the end of the file, or in the
middle of a ruleset that continues behind it. In a sendmail.mc the same lines stand below LOCAL_RULESETS, so
that m4 copies them, markers included, into the sendmail.cf that it generates.
"""

from __future__ import annotations

from ..errors import MalformedError
from .placement import Place, places
from .ruleset import HOOKS, first_map, window_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .ruleset import Hook, Ruleset

BEGIN = "# BEGIN vsmtp.relay: POP-before-SMTP, managed by Ansible"
END = "# END vsmtp.relay"
# Part of the first marker if the file did not end in a newline before.
UNENDED = " (below a line without an end)"
MC = "dnl "
# Debian's /etc/mail/Makefile puts this before each line of the sendmail.mc.
MADE_COMMENT = "# "


class Candidate:
    """A text with the ruleset at one place. Only sendmail can decide whether it works there."""

    __slots__ = ("_block", "hook")

    def __init__(self, block: _Block, hook: Hook) -> None:
        self._block = block
        self.hook = hook

    def text(self, ruleset: Ruleset, everybody: bool = False) -> str:
        """Return the whole text; with ``everybody`` every client counts as listed."""
        return self._block.around(ruleset.text(self.hook, everybody), self.hook)


def is_mc(path: str) -> bool:
    """Return whether the file at ``path`` is m4 source of a sendmail.cf, by its name."""
    return path.endswith(".mc")


def candidates(text: str, mc: bool) -> list[Candidate]:
    """Return the candidates for the ruleset in ``text``, the best one first.

    If the ruleset is already there, its present place is the only candidate: in a sendmail.cf that m4
    generated, the middle of the file is right. Raises MalformedError if the markers do not come as one pair.
    """
    block = _find(text, mc, MC if mc else "")
    if block:
        return [Candidate(block, block.hook)]
    return [Candidate(_new(text, mc, place), place.hook) for place in places(text, mc)]


def without_ruleset(text: str, mc: bool) -> str:
    """Return ``text`` as it was before the ruleset was inserted. Raises MalformedError if the markers are not one pair.

    Debian's Makefile appends the sendmail.mc to the generated sendmail.cf, as comments: the ruleset is removed
    from those too.
    """
    for prefix in (MC,) if mc else ("", MADE_COMMENT + MC):
        block = _find(text, mc, prefix)
        if block:
            text = block.taken_out()
    return text


def has_ruleset_for(text: str, relayers_db: str) -> bool:
    """Return whether ``text``, that of a sendmail.cf, has the ruleset and it looks into ``relayers_db``."""
    begins, ends = _line_starts(text, BEGIN), _line_starts(text, END)
    return len(begins) == len(ends) == 1 and first_map(relayers_db) in text[begins[0] : ends[0]].replace("\r\n", "\n")


def window_in(text: str) -> int | None:
    """Return the window in minutes of the ruleset in ``text``, that of a sendmail.cf, as window_of() does."""
    begins, ends = _line_starts(text, BEGIN), _line_starts(text, END)
    return window_of(text[begins[0] : ends[0]]) if len(begins) == len(ends) == 1 else None


class _Block:
    """The ruleset's block in a text: the text before it and after it, and its newline."""

    __slots__ = ("after", "before", "hook", "mc", "newline", "unended")

    def __init__(self, before: str, after: str, newline: str, unended: bool, mc: bool, hook: Hook) -> None:
        """``before`` ends in a newline; ``unended`` is true if the original did not."""
        self.before = before
        self.after = after
        self.newline = newline
        self.unended = unended
        self.mc = mc
        self.hook = hook

    def around(self, content: str, hook: Hook) -> str:
        lines = [BEGIN + hook.note + (UNENDED if self.unended else ""), *content.splitlines(), END]
        if self.mc:
            lines = [MC + lines[0], "LOCAL_RULESETS", *lines, "divert(0)dnl", MC + END]
        return self.before + "".join(line + self.newline for line in lines) + self.after

    def taken_out(self) -> str:
        before = self.before[: -len(self.newline)] if self.unended and not self.after else self.before
        return before + self.after


def _new(text: str, mc: bool, place: Place) -> _Block:
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines(keepends=True)
    before, after = "".join(lines[: place.line]), "".join(lines[place.line :])
    unended = bool(before) and not before.endswith("\n")
    return _Block(before + (newline if unended else ""), after, newline, unended, mc, place.hook)


def _find(text: str, mc: bool, prefix: str) -> _Block | None:
    """Return the block of the ruleset, or None if there is none. Raises MalformedError."""
    begins, ends = _line_starts(text, prefix + BEGIN), _line_starts(text, prefix + END)
    if not begins and not ends:
        return None
    if len(begins) != 1 or len(ends) != 1 or ends[0] < begins[0]:
        raise MalformedError(
            f"the lines {prefix + BEGIN!r} and {prefix + END!r} do not come as one pair; remove them and the lines between"
        )
    first = text[begins[0] : _end_of_line(text, begins[0])]
    hook = next(hook for hook in HOOKS if hook.note in first)
    before, after = text[: begins[0]], text[_end_of_line(text, ends[0]) :]
    return _Block(before, after, "\r\n" if first.endswith("\r\n") else "\n", UNENDED in first, mc, hook)


def _line_starts(text: str, beginning: str) -> list[int]:
    """Return the offsets in ``text`` of the lines that begin with ``beginning``.

    It searches the text whole: a host can have a thousand files of two thousand lines each.
    """
    found = []
    at = text.find(beginning)
    while at >= 0:
        if at == 0 or text[at - 1] == "\n":
            found.append(at)
        at = text.find(beginning, at + 1)
    return found


def _end_of_line(text: str, start: int) -> int:
    """Return the offset of the line after the one at ``start``."""
    return text.find("\n", start) + 1 or len(text)
