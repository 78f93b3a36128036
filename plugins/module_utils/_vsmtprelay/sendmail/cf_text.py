# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Insert the ruleset into the text of a sendmail.cf or sendmail.mc, and remove it without a trace.

The ruleset stands between two marker lines; what it needs at further places stands between further ones. sendmail
appends to an earlier ruleset of the same name
(readcf.c: an ``S`` line does not restart a ruleset), so it can stand at the end of the file, or in the
middle of a ruleset that continues behind it. In a sendmail.mc the same lines stand below LOCAL_RULESETS, so
that m4 copies them, markers included, into the sendmail.cf that it generates.
"""

from __future__ import annotations

from ..errors import MalformedError
from .placement import Place, places
from .ruleset import first_map, hook_in, window_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .ruleset import Hook, Ruleset

BEGIN = "# BEGIN vsmtp.relay: POP-before-SMTP, managed by Ansible"
# The first line of a further block, where one place is not enough.
ALSO = "# BEGIN vsmtp.relay as well"
END = "# END vsmtp.relay"
# Part of the first marker if the file did not end in a newline before.
UNENDED = " (below a line without an end)"
MC = "dnl "
# Debian's /etc/mail/Makefile puts this before each line of the sendmail.mc.
MADE_COMMENT = "# "


class Candidate:
    """A text with the ruleset at one place or several. Only sendmail can decide whether it works there."""

    __slots__ = ("_layout",)

    def __init__(self, layout: _Layout) -> None:
        self._layout = layout

    @property
    def refuses(self) -> bool:
        """Whether the ruleset refuses clients that may not relay."""
        return any(hook.refuses for hook in self._layout.hooks)

    def text(self, ruleset: Ruleset, everybody: bool = False) -> str:
        """Return the whole text; with ``everybody`` every client counts as listed."""
        return self._layout.filled(ruleset, everybody)


def is_mc(path: str) -> bool:
    """Return whether the file at ``path`` is m4 source of a sendmail.cf, by its name."""
    return path.endswith(".mc")


def candidates(text: str, mc: bool) -> list[Candidate]:
    """Return the candidates for the ruleset in ``text``, the best one first.

    If the ruleset is already there, its present place is the only candidate: in a sendmail.cf that m4
    generated, the middle of the file is right. Raises MalformedError if the markers do not come as one pair.
    """
    layout = _find(text, mc, MC if mc else "")
    if layout:
        return [Candidate(layout)]
    return [Candidate(_new(text, mc, tried)) for tried in places(text, mc)]


def without_ruleset(text: str, mc: bool) -> str:
    """Return ``text`` as it was before the ruleset was inserted. Raises MalformedError if the markers are not one pair.

    Debian's Makefile appends the sendmail.mc to the generated sendmail.cf, as comments: the ruleset is removed
    from those too.
    """
    for prefix in (MC,) if mc else ("", MADE_COMMENT + MC):
        layout = _find(text, mc, prefix)
        if layout:
            text = layout.taken_out()
    return text


def has_ruleset_for(text: str, relayers_db: str) -> bool:
    """Return whether ``text``, that of a sendmail.cf, has the ruleset and it looks into ``relayers_db``."""
    return first_map(relayers_db) in _main_block(text)


def window_in(text: str) -> int | None:
    """Return the window in minutes of the ruleset in ``text``, that of a sendmail.cf, as window_of() does."""
    return window_of(_main_block(text))


def _main_block(text: str) -> str:
    """Return the lines of the block with the maps, with UNIX ends of lines; empty if there is not exactly one."""
    begins, ends = _line_starts(text, BEGIN), _line_starts(text, END)
    ends = [end for end in ends if begins and end > begins[0]]
    return text[begins[0] : ends[0]].replace("\r\n", "\n") if len(begins) == 1 and ends else ""


class _Layout:
    """A text and the hooks of the ruleset in it: a piece of text, a hook, a piece of text, and so on."""

    __slots__ = ("hooks", "mc", "newline", "pieces", "unended")

    def __init__(self, pieces: Sequence[str], hooks: Sequence[Hook], newline: str, unended: bool, mc: bool) -> None:
        """A piece before a hook ends in a newline; ``unended`` is true if the original text did not."""
        self.pieces = pieces
        self.hooks = hooks
        self.newline = newline
        self.unended = unended
        self.mc = mc

    def filled(self, ruleset: Ruleset, everybody: bool) -> str:
        whole = [self.pieces[0]]
        for number, (hook, piece) in enumerate(zip(self.hooks, self.pieces[1:])):
            content = ruleset.text(hook, everybody, "".join(self.pieces)) if number == 0 else ruleset.more(hook)
            whole += [line + self.newline for line in self._lines(number, hook, content)]
            whole.append(piece)
        return "".join(whole)

    def taken_out(self) -> str:
        last = self.pieces[-2]
        if self.unended and not self.pieces[-1]:
            last = last[: -len(self.newline)]
        return "".join([*self.pieces[:-2], last, self.pieces[-1]])

    def _lines(self, number: int, hook: Hook, content: str) -> list[str]:
        is_last = number == len(self.hooks) - 1
        begin = (ALSO if number else BEGIN) + hook.note + (UNENDED if self.unended and is_last else "")
        lines = [begin, *content.splitlines(), END]
        if self.mc:
            lines = [MC + lines[0], "LOCAL_RULESETS", *lines, "divert(0)dnl", MC + END]
        return lines


def _new(text: str, mc: bool, tried: Sequence[Place]) -> _Layout:
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines(keepends=True)
    ordered = sorted(tried, key=lambda place: place.line)
    edges = [0, *(place.line for place in ordered), len(lines)]
    pieces = ["".join(lines[begin:end]) for begin, end in zip(edges, edges[1:])]
    unended = bool(lines) and ordered[-1].line == len(lines) and not lines[-1].endswith("\n")
    if unended:
        pieces[-2] += newline
    return _Layout(pieces, [place.hook for place in ordered], newline, unended, mc)


def _find(text: str, mc: bool, prefix: str) -> _Layout | None:
    """Return the layout of the ruleset in ``text``, or None if it is not there. Raises MalformedError."""
    mains = _line_starts(text, prefix + BEGIN)
    begins, ends = sorted([*mains, *_line_starts(text, prefix + ALSO)]), _line_starts(text, prefix + END)
    if not begins and not ends:
        return None
    in_pairs = len(begins) == len(ends) and all(begin < end for begin, end in zip(begins, ends))
    if not in_pairs or len(mains) != 1 or any(end > begin for end, begin in zip(ends, begins[1:])):
        raise MalformedError(
            f"the lines {prefix + BEGIN!r} and {prefix + END!r} do not come as one pair; remove them and the lines between"
        )
    hooks, pieces, at = [], [], 0
    markers = [text[begin : _end_of_line(text, begin)] for begin in begins]
    for begin, end, marker in zip(begins, ends, markers):
        hooks.append(hook_in(marker))
        pieces.append(text[at:begin])
        at = _end_of_line(text, end)
    newline = "\r\n" if markers[0].endswith("\r\n") else "\n"
    return _Layout([*pieces, text[at:]], hooks, newline, UNENDED in markers[-1], mc)


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
