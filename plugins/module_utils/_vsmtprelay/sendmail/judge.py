# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""sendmail as the judge of a sendmail.cf: whether it accepts the file, and which clients may then relay.

The judge runs sendmail in address test mode (sendmail(8), -bt; Sendmail Operation Guide, 8.4): sendmail reads
its configuration, reports errors, and prints the result of a ruleset for an address. The macros of an SMTP
session are set by hand.

A file in the tree of an ordinary user is judged with that user's rights (sandbox), since it can have any program run. Such a
user cannot read every file that the daemon, as root, will read, and sendmail gives up at the first. So in the copy that is
judged, a map over a file that the owner cannot read is replaced by one without entries (``null``), and m4 passes over what it
cannot include. An entry of such a map that lets every stranger relay stays unnoticed; rules that let a client relay unless a
map has it count as open. A temporary error is no refusal here: for want of name servers, it may hide what the rules decide.
"""

from __future__ import annotations

import os
import re
import tempfile
import time

from .. import programs
from ..errors import BusyError, MalformedError
from ..files import text_file
from ..files.owner import RightsOfOwner, writer_of
from . import sandbox
from .cf_text import candidates, is_mc

SECONDS = 60
# Of all programs over one file of an ordinary user, who decides how long they run.
SECONDS_FOR_OWNER = 20.0
MOST_SHOWN = 1000  # characters of what a user's program printed
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
TEMPORARY = re.compile(r"""\$# ?error\b.*(\$@ ?(4 ?\.|TEMPFAIL\b|75\b)|\$: ?"?4[0-9][0-9]\b)""")
# A K line with those that continue it; the file is its last word. Of the kinds of maps, those over a file with a suffix.
MAP = re.compile(rb"^K[ \t]*([^ \t\r\n]+)[ \t]+([A-Za-z]+)[ \t]+([^\n]*(?:\n[ \t][^\n]*)*)", re.MULTILINE)
SUFFIXES = {b"hash": b".db", b"btree": b".db", b"implicit": b".db", b"cdb": b".cdb", b"text": b""}
# Before an m4 source: an m4 that cannot read a file to be included goes on without a word.
SINCLUDE = b"define(`include',defn(`sinclude'))dnl\n"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .ruleset import Ruleset


class Judge:
    """Runs the programs ``sendmail`` and, for the source of a configuration, ``m4``: paths, or None if not installed."""

    def __init__(self, sendmail: str | None, m4: str | None) -> None:
        self._sendmail = sendmail
        self._m4 = m4
        # By path: how long the programs over an ordinary user's file have run, in seconds.
        self._spent: dict[str, float] = {}

    def check(self, path: str, text: str) -> bool:
        """Have sendmail read ``text``, for the file at ``path``; return whether a stranger may relay then.

        A stranger is a client of another network with a recipient on another host. Raises MalformedError with
        sendmail's errors, UnwritableError if the file belongs to another user than its directory, BusyError if the checks of
        an ordinary user's file take more than SECONDS_FOR_OWNER altogether.
        """
        if self._sendmail is None:
            raise MalformedError("there is no sendmail to check it; install sendmail")
        content = text.encode("utf-8", "surrogateescape")
        # Whose rights root takes for the content; any other user keeps their own.
        owner = writer_of(path) if os.geteuid() == 0 else None
        if is_mc(path):
            content = self._generated(path, content, owner)
        asked, name = self._ask(self._sendmail, path, content, owner)
        if asked.status != 0:
            lines = (asked.text + asked.errors.decode("utf-8", "replace")).splitlines()
            reason = f"exit status {asked.status}" if owner is None else asked.complaint
            faults = [line for line in lines if name in line] or [reason]
            complaint = "; ".join(faults).replace(name, os.path.basename(path))
            raise MalformedError(f"sendmail rejects it, the old file is in place: {_shown(complaint, owner)}")
        answers = ANSWER.findall(asked.text)
        if not answers or not REFUSED.match(answers[-1]):
            return True
        return owner is not None and TEMPORARY.match(answers[-1]) is not None

    def _generated(self, path: str, source: bytes, owner: int | None) -> bytes:
        """Return the sendmail.cf that m4 generates from ``source``, called as in Debian's /etc/mail/Makefile."""
        if self._m4 is None:
            raise MalformedError("there is no m4 to generate a sendmail.cf from it; install m4")
        status, output, complaints = self._expand(self._m4, path, source, owner)
        # cf.m4 prints errors and warnings on standard error and continues. Those of the old file are not the ruleset's fault.
        if status == 0 and complaints:
            known = self._expand(self._m4, path, text_file.read(path) or b"", owner)[2]
            complaints = [complaint for complaint in complaints if complaint not in known]
        if status != 0 or complaints:
            reason = "; ".join(complaints) or f"exit status {status}"
            raise MalformedError(f"m4 rejects it, the old file is in place: {_shown(reason, owner)}")
        return output

    def _ask(self, sendmail: str, path: str, content: bytes, owner: int | None) -> tuple[programs.Ended, str]:
        """Ask sendmail about ``content``, for the file at ``path``; return what it printed, and its name for the file."""
        if owner is not None:
            name = sandbox.path_of("sendmail.cf")
            files = {"sendmail.cf": _for_owner(path, content, owner)}
            return self._run_as(owner, path, [sendmail, f"-C{name}", "-bt"], QUESTION.encode(), files=files), name
        with tempfile.NamedTemporaryFile(suffix=".cf") as candidate:
            candidate.write(content)
            candidate.flush()
            return programs.run([sendmail, f"-C{candidate.name}", "-bt"], SECONDS, QUESTION.encode()), candidate.name

    def _expand(self, m4: str, path: str, source: bytes, owner: int | None) -> tuple[int, bytes, Sequence[str]]:
        """Return status and output of m4 for ``source``, for the file at ``path``, and its messages without their place."""
        directory = os.path.dirname(path)
        if owner is not None:
            done = self._run_as(owner, path, [m4, "-"], SINCLUDE + source, os.path.abspath(directory))
        else:
            done = programs.run([m4, "-"], SECONDS, source, directory)
        lines = done.errors.decode("utf-8", "replace").splitlines()
        return done.status, done.output, [PLACE.sub("", line) for line in lines if line.strip()]

    def _run_as(
        self,
        owner: int,
        path: str,
        command: Sequence[str],
        data: bytes,
        directory: str = "/",
        files: Mapping[str, bytes] | None = None,
    ) -> programs.Ended:
        """Run ``command`` over the file at ``path`` in the sandbox, in what is left of its time."""
        begin, spent = time.monotonic(), self._spent.get(path, 0.0)
        try:
            return sandbox.run(owner, command, data, directory, files, SECONDS_FOR_OWNER - spent)
        except BusyError:
            raise BusyError(
                f"sendmail and m4, with the rights of the owner, did not check it within {SECONDS_FOR_OWNER:g} seconds, the "
                "old file is in place; remove what it waits for, such as a program, from the file"
            ) from None
        finally:
            self._spent[path] = spent + time.monotonic() - begin


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


def _for_owner(path: str, content: bytes, owner: int) -> bytes:
    """Return ``content``, of a sendmail.cf at ``path``, with null maps over what ``owner`` cannot read."""
    with RightsOfOwner(path, owner):
        return MAP.sub(lambda line: b"K%b null" % line[1] if _is_denied(line[2], line[3]) else line[0], content)


def _is_denied(kind: bytes, arguments: bytes) -> bool:
    """Return whether this thread may not read the file of a map."""
    words = arguments.split()
    suffix = SUFFIXES.get(kind.lower())
    if suffix is None or not words or not words[-1].startswith(b"/"):
        return False
    file = words[-1] if words[-1].endswith(suffix) else words[-1] + suffix
    try:
        # A pipe or a device must not make root wait.
        os.close(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC))
    except PermissionError:
        return True
    except (OSError, ValueError):
        pass  # sendmail names it
    return False


def _shown(complaint: str, owner: int | None) -> str:
    """Return what a program printed, of a user's program the beginning."""
    return complaint if owner is None or len(complaint) <= MOST_SHOWN else f"{complaint[:MOST_SHOWN]}…"
