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


def is_mc(path: str) -> bool:
    """Tell whether the file at ``path`` is m4 source of a sendmail.cf, by its name."""
    return path.endswith(".mc")


def with_ruleset(text: str, ruleset: Ruleset, mc: bool) -> str:
    """Return ``text`` with ``ruleset`` in it, in the place of the one that it had. Raises MalformedError."""
    text = without_ruleset(text, mc)
    newline = "\r\n" if "\r\n" in text else "\n"
    unended = text != "" and not text.endswith("\n")
    lines = [BEGIN + (UNENDED if unended else ""), *ruleset.text().splitlines(), END]
    if mc:
        lines = [MC + lines[0], "LOCAL_RULESETS", *lines, "divert(0)dnl", MC + END]
    return text + (newline if unended else "") + "".join(line + newline for line in lines)


def without_ruleset(text: str, mc: bool) -> str:
    """Return ``text`` as it was before with_ruleset(). Raises MalformedError if only one of the two markers is there."""
    prefix = MC if mc else ""
    lines = text.splitlines(keepends=True)
    begins = [number for number, line in enumerate(lines) if line.startswith(prefix + BEGIN)]
    ends = [number for number, line in enumerate(lines) if line.startswith(prefix + END)]
    if not begins and not ends:
        return text
    if len(begins) != 1 or len(ends) != 1 or ends[0] < begins[0]:
        raise MalformedError(
            f"the lines {prefix + BEGIN!r} and {prefix + END!r} do not come as one pair; remove them and what is between"
        )
    before, after = "".join(lines[: begins[0]]), "".join(lines[ends[0] + 1 :])
    if UNENDED in lines[begins[0]] and not after:
        before = before[: -2 if before.endswith("\r\n") else -1]
    return before + after
