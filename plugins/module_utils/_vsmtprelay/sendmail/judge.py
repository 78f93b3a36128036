# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""sendmail as the judge of a sendmail.cf: whether it accepts the file, and which clients may then relay.

The judge runs sendmail in address test mode (sendmail(8), -bt; Sendmail Operation Guide, 8.4): sendmail reads
its configuration, reports errors, and prints the result of a ruleset for an address. The macros of an SMTP
session are set by hand.
"""

from __future__ import annotations

import os
import re
import tempfile

from .. import programs
from ..errors import MalformedError
from ..files import text_file
from .cf_text import candidates, is_mc

SECONDS = 60
# From networks reserved for documentation (RFC 5737), and as literals, so that no name server is queried.
STRANGER = "203.0.113.77"
ELSEWHERE = "<somebody@[203.0.113.200]>"
QUESTION = f"""\
.D{{client_addr}}{STRANGER}
.D{{client_name}}[{STRANGER}]
.D{{client_resolve}}OK
.Df<>
.D{{mail_from}}<>
check_rcpt {ELSEWHERE}
"""
ANSWER = re.compile(r"^check_rcpt +returns: (.*)$", re.MULTILINE)
# The prefix of an m4 message: its name, the file and the line.
PLACE = re.compile(r"^[^ ]*:[0-9]+: *")
REFUSED = re.compile(r"\$# ?(error|discard)\b")

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .ruleset import Ruleset


class Judge:
    """Runs the programs ``sendmail`` and, for the source of a configuration, ``m4``: paths, or None if not installed."""

    def __init__(self, sendmail: str | None, m4: str | None) -> None:
        self._sendmail = sendmail
        self._m4 = m4

    def check(self, path: str, text: str) -> bool:
        """Have sendmail read ``text``, for the file at ``path``; return whether a stranger may relay then.

        A stranger is a client of another network with a recipient on another host. Raises MalformedError with
        sendmail's errors.
        """
        if self._sendmail is None:
            raise MalformedError("there is no sendmail to check it; install sendmail")
        content = text.encode("utf-8", "surrogateescape")
        if is_mc(path):
            content = self._generated(path, content)
        with tempfile.NamedTemporaryFile(suffix=".cf") as candidate:
            candidate.write(content)
            candidate.flush()
            asked = programs.run([self._sendmail, f"-C{candidate.name}", "-bt"], SECONDS, QUESTION.encode())
            answer = asked.text
            if asked.status != 0:
                lines = (answer + asked.errors.decode("utf-8", "replace")).splitlines()
                faults = [line for line in lines if candidate.name in line] or [f"exit status {asked.status}"]
                complaint = "; ".join(faults).replace(candidate.name, os.path.basename(path))
                raise MalformedError(f"sendmail rejects it, the old file is in place: {complaint}")
        answers = ANSWER.findall(answer)
        return not answers or not REFUSED.match(answers[-1])

    def _generated(self, path: str, source: bytes) -> bytes:
        """Return the sendmail.cf that m4 generates from ``source``, called as in Debian's /etc/mail/Makefile."""
        if self._m4 is None:
            raise MalformedError("there is no m4 to generate a sendmail.cf from it; install m4")
        status, output, complaints = _expand(self._m4, path, source)
        # cf.m4 prints errors and warnings on standard error and continues. Those of the old file are not the ruleset's fault.
        if status == 0 and complaints:
            known = _expand(self._m4, path, text_file.read(path) or b"")[2]
            complaints = [complaint for complaint in complaints if complaint not in known]
        if status != 0 or complaints:
            reason = "; ".join(complaints) or f"exit status {status}"
            raise MalformedError(f"m4 rejects it, the old file is in place: {reason}")
        return output


def fitting(judge: Judge, path: str, text: str, ruleset: Ruleset) -> str:
    """Return ``text``, for the file at ``path``, with ``ruleset`` at the first place where it works; idempotent.

    It works if a stranger is refused and, among rules that are not stock, a listed client is not. Raises
    MalformedError if sendmail rejects the text, or the ruleset works at no place.
    """
    mc = is_mc(path)
    for candidate in candidates(text, mc):
        after = candidate.text(ruleset)
        if after == text:
            return text
        if judge.check(path, after):
            continue
        if candidate.hook.tried and not judge.check(path, candidate.text(ruleset, everybody=True)):
            continue
        return after
    raise MalformedError(
        "found no place for the ruleset, the old file is in place: at every place, strangers may relay or listed clients may "
        "not; make the last rule of check_rcpt refuse clients that may not relay, with $#error"
    )


def _expand(m4: str, path: str, source: bytes) -> tuple[int, bytes, Sequence[str]]:
    """Return status and output of m4 for ``source``, for the file at ``path``, and its messages without their place."""
    done = programs.run([m4, "-"], SECONDS, source, os.path.dirname(path))
    lines = done.errors.decode("utf-8", "replace").splitlines()
    return done.status, done.output, [PLACE.sub("", line) for line in lines if line.strip()]
