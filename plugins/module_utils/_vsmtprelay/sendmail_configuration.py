# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Put the ruleset into the text of a sendmail.cf or sendmail.mc, and take it out again without a trace.

The ruleset stands between two marker lines at the end of the file, where sendmail adds to the rulesets that it met before
under the same name (readcf.c: an ``S`` line does not begin a ruleset anew). In a sendmail.mc the same lines stand below
LOCAL_RULESETS, so that m4 brings them, markers included, into the sendmail.cf that it generates.
"""

from __future__ import annotations

from .errors import MalformedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .ruleset import Ruleset

BEGIN = "# BEGIN vsmtp.relay: POP-before-SMTP, managed by Ansible"
END = "# END vsmtp.relay"
# The second marker tells that the file did not end in a newline before.
UNENDED = " (below a line without an end)"
MC = "dnl "
# Debian's /etc/mail/Makefile puts this before each line of the sendmail.mc.
MADE_COMMENT = "# "


def is_mc(path: str) -> bool:
    """Tell whether the file at ``path`` is m4 source of a sendmail.cf, by its name."""
    return path.endswith(".mc")


def with_ruleset(text: str, ruleset: Ruleset, mc: bool) -> str:
    """Return ``text`` with ``ruleset`` in it, in the place of the one that it had, else at its end. Raises MalformedError.

    The place is kept because a sendmail.cf that m4 generated has it in the middle, and is right as it is.
    """
    found = _find(text, MC if mc else "")
    if found:
        before, unended, after, newline = found
    else:
        newline = "\r\n" if "\r\n" in text else "\n"
        unended = newline if text and not text.endswith("\n") else ""
        before, after = text + unended, ""
    lines = [BEGIN + (UNENDED if unended else ""), *ruleset.text().splitlines(), END]
    if mc:
        lines = [MC + lines[0], "LOCAL_RULESETS", *lines, "divert(0)dnl", MC + END]
    return before + "".join(line + newline for line in lines) + after


def without_ruleset(text: str, mc: bool) -> str:
    """Return ``text`` as it was before with_ruleset(). Raises MalformedError if only one of the two markers is there.

    Debian's Makefile appends the sendmail.mc to the sendmail.cf that it generates, as comments: the ruleset goes there too.
    """
    for prefix in (MC,) if mc else ("", MADE_COMMENT + MC):
        found = _find(text, prefix)
        if found:
            before, unended, after, _newline = found
            text = (before[: -len(unended)] if unended and not after else before) + after
    return text


def _find(text: str, prefix: str) -> tuple[str, str, str, str] | None:
    """Return what is before the ruleset, the newline that was put there for it (or nothing), what is after it, and its newline.

    None if there is no ruleset. Raises MalformedError.
    """
    lines = text.splitlines(keepends=True)
    begins = [number for number, line in enumerate(lines) if line.startswith(prefix + BEGIN)]
    ends = [number for number, line in enumerate(lines) if line.startswith(prefix + END)]
    if not begins and not ends:
        return None
    if len(begins) != 1 or len(ends) != 1 or ends[0] < begins[0]:
        raise MalformedError(
            f"the lines {prefix + BEGIN!r} and {prefix + END!r} do not come as one pair; remove them and what is between"
        )
    first = lines[begins[0]]
    newline = "\r\n" if first.endswith("\r\n") else "\n"
    return "".join(lines[: begins[0]]), newline if UNENDED in first else "", "".join(lines[ends[0] + 1 :]), newline
