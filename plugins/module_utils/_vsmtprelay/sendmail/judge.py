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
map has it count as open. A temporary error is no refusal here: for want of name servers, it may hide what the rules decide. A
file that gives nothing else to any recipient is refused (fitting).
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
from .cf_text import is_mc
from .questions import MORE_RULESETS, failing_maps, maps_in, parse, script, script_for_maps

SECONDS = 60
# Of all programs over one file of an ordinary user, who decides how long they run.
SECONDS_FOR_OWNER = 20.0
MOST_REMEMBERED = 64  # answers, each with the text of its file
MOST_SHOWN = 1000  # characters of what a program printed
# What sendmail prints when it has read its configuration.
BANNER = "ADDRESS TEST MODE"
# The prefix of an m4 message: its name, the file and the line.
PLACE = re.compile(r"^[^ ]*:[0-9]+: *")
# A K line with those that continue it; the file is its last word. Of the kinds of maps, those over a file with a suffix.
MAP = re.compile(rb"^K[ \t]*([^ \t\r\n]+)[ \t]+([A-Za-z]+)[ \t]+([^\n]*(?:\n[ \t][^\n]*)*)", re.MULTILINE)
SUFFIXES = {b"hash": b".db", b"btree": b".db", b"implicit": b".db", b"cdb": b".cdb", b"text": b""}
# Before an m4 source: an m4 that cannot read a file to be included goes on without a word.
SINCLUDE = b"define(`include',defn(`sinclude'))dnl\n"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .questions import Answers, Question


class RejectedError(MalformedError):
    """m4 or sendmail rejects a text. ``reason`` (str) is its first complaint."""

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


class Judge:
    """Runs the programs ``sendmail`` and, for the source of a configuration, ``m4``: paths, or None if not installed."""

    def __init__(self, sendmail: str | None, m4: str | None) -> None:
        self._sendmail = sendmail
        self._m4 = m4
        # By path: how long the programs over an ordinary user's file have run, in seconds.
        self._spent: dict[str, float] = {}
        self._remembered: dict[object, Answers] = {}

    def accept(self, path: str, text: str) -> None:
        """Have sendmail read ``text``, for the file at ``path``; nothing is looked up.

        Raises MalformedError with sendmail's errors, UnwritableError if the file belongs to another user than its directory,
        BusyError if the checks of an ordinary user's file take more than SECONDS_FOR_OWNER altogether.
        """
        self._read(path, text, b"")

    def answers(self, path: str, text: str, asked: Sequence[Question], addresses: Sequence[str]) -> Answers:
        """Return what ``text``, for the file at ``path``, answers to the questions ``asked``, and the mailers of ``addresses``.

        The same text is judged once: a host can have a thousand files that are the same.
        Raises as accept().
        """
        # m4 includes other files by their path from the directory, and an ordinary user cannot read all of root's.
        place = os.path.dirname(path) if is_mc(path) else ""
        same = (place, os.geteuid() == 0 and writer_of(path) is not None, text, tuple(asked), tuple(addresses))
        try:
            return self._remembered[same]
        except KeyError:
            pass
        known = self._answers(path, text, asked, addresses)
        if len(self._remembered) >= MOST_REMEMBERED:
            self._remembered.clear()
        self._remembered[same] = known
        return known

    def failing_maps(self, path: str, text: str) -> list[str]:
        """Return the maps of ``text``, for the file at ``path``, that fail temporarily, with sendmail's complaint.

        Raises as accept().
        """
        maps = maps_in(text)
        if not maps or is_mc(path):
            return []
        return [_shown(one) for one in failing_maps(self._read(path, text, script_for_maps(maps))[0].text)]

    def _answers(self, path: str, text: str, asked: Sequence[Question], addresses: Sequence[str]) -> Answers:
        ended, name = self._read(path, text, script(asked, addresses), MORE_RULESETS.encode())
        answers = parse(ended.text, asked, addresses)
        if answers is None:
            last = ended.complaint.splitlines()[-1]
            raise MalformedError(
                f"sendmail does not answer all questions about it, and ends with status {ended.status} ({_shown(last)}); "
                "run this again, and see what sendmail -C FILE -bt prints"
            )
        # Warnings about the file are not news; the rest is about maps that it cannot use.
        complaints = [line for line in ended.errors.decode("utf-8", "replace").splitlines() if line and name not in line]
        answers.complaint = _shown("; ".join(dict.fromkeys(complaints)))
        return answers

    def _read(self, path: str, text: str, questions: bytes, more: bytes = b"") -> tuple[programs.Ended, str]:
        """Have sendmail read ``text``, with ``more`` at its end, and answer ``questions``.

        Return what it printed, and its name for the file.
        """
        if self._sendmail is None:
            raise MalformedError("there is no sendmail to check it; install sendmail")
        content = text.encode("utf-8", "surrogateescape")
        # Whose rights root takes for the content; any other user keeps their own.
        owner = writer_of(path) if os.geteuid() == 0 else None
        if is_mc(path):
            content = self._generated(path, content, owner)
        ended, name = self._run_sendmail(self._sendmail, path, content + more, owner, questions)
        lines = (ended.text + ended.errors.decode("utf-8", "replace")).splitlines()
        faults = [line for line in lines if name in line]
        if faults or BANNER not in ended.text:
            raise _rejected("sendmail", [fault.replace(name, os.path.basename(path)) for fault in faults] or [ended.complaint])
        return ended, name

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
            raise _rejected("m4", complaints or [f"exit status {status}"])
        return output

    def _run_sendmail(
        self, sendmail: str, path: str, content: bytes, owner: int | None, questions: bytes
    ) -> tuple[programs.Ended, str]:
        """Ask sendmail about ``content``, for the file at ``path``; return what it printed, and its name for the file."""
        name = sandbox.path_of("sendmail.cf")
        command = [sendmail, f"-C{name}", "-bt"]
        if owner is not None:
            return self._run_as(owner, path, command, questions, files={"sendmail.cf": _for_owner(path, content, owner)}), name
        if os.geteuid() == 0:
            try:
                return sandbox.run(None, command, questions, files={"sendmail.cf": content}, seconds=SECONDS), name
            except sandbox.NoNamespaces:
                pass  # its own files can be trusted, and only name servers decide then what a query costs
        with tempfile.NamedTemporaryFile(suffix=".cf") as candidate:
            candidate.write(content)
            candidate.flush()
            return programs.run([sendmail, f"-C{candidate.name}", "-bt"], SECONDS, questions), candidate.name

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


def _rejected(program: str, complaints: Sequence[str]) -> RejectedError:
    message = f"{program} rejects it, the old file is in place: {_shown('; '.join(complaints))}"
    return RejectedError(message, f"{program}: {_shown(complaints[0])}")


def _shown(complaint: str) -> str:
    """Return the beginning of what a program printed."""
    return complaint if len(complaint) <= MOST_SHOWN else f"{complaint[:MOST_SHOWN]}…"
