# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""sendmail as the judge of a sendmail.cf: whether it reads it, and whom it then lets relay.

Asked in address test mode (sendmail(8), -bt; Sendmail Operation Guide, 8.4), in which sendmail reads its configuration, says
what it does not like, and answers what a ruleset makes of an address. Macros that an SMTP session has are set by hand.
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
# Of networks that are set aside for documentation (RFC 5737), and as literals, so that nobody asks a name server.
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
# What m4 puts before a complaint: its name, the file and the line.
PLACE = re.compile(r"^[^ ]*:[0-9]+: *")
REFUSED = re.compile(r"\$# ?(error|discard)\b")

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .ruleset import Ruleset


class Judge:
    """Asks the programs ``sendmail`` and, for the source of a configuration, ``m4``: paths, or None where there is none."""

    def __init__(self, sendmail: str | None, m4: str | None) -> None:
        self._sendmail = sendmail
        self._m4 = m4

    def check(self, path: str, text: str) -> bool:
        """Have sendmail read ``text``, that of the file at ``path``; return whether a stranger may relay then.

        A stranger is a client elsewhere, with a recipient elsewhere. Raises MalformedError with what sendmail says against it.
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
        """Return the sendmail.cf that m4 makes of ``source``, as Debian's /etc/mail/Makefile calls it."""
        if self._m4 is None:
            raise MalformedError("there is no m4 to generate a sendmail.cf from it; install m4")
        status, output, complaints = _expand(self._m4, path, source)
        # cf.m4 tells errors and warnings on the standard error output and goes on. Those of the old file are its owner's.
        if status == 0 and complaints:
            known = _expand(self._m4, path, text_file.read(path) or b"")[2]
            complaints = [complaint for complaint in complaints if complaint not in known]
        if status != 0 or complaints:
            told = "; ".join(complaints) or f"exit status {status}"
            raise MalformedError(f"m4 rejects it, the old file is in place: {told}")
        return output


def fitting(judge: Judge, path: str, text: str, ruleset: Ruleset) -> str:
    """Return ``text``, that of the file at ``path``, with ``ruleset`` where it does what it has to; ``text`` if it is there.

    Strangers must be refused, and where the rules are not sendmail's own, those who are listed must not. Raises MalformedError
    if sendmail does not read it, or there is no such place.
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
        "found no place for the ruleset, the old file is in place: wherever it stands, strangers may relay or those who are "
        "listed may not; have check_rcpt refuse with $#error whoever may not relay, in its last rule"
    )


def _expand(m4: str, path: str, source: bytes) -> tuple[int, bytes, Sequence[str]]:
    """Return status and output of m4 for ``source``, that of the file at ``path``, and complaints without their place."""
    done = programs.run([m4, "-"], SECONDS, source, os.path.dirname(path))
    lines = done.errors.decode("utf-8", "replace").splitlines()
    return done.status, done.output, [PLACE.sub("", line) for line in lines if line.strip()]
