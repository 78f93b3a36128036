# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``vsmtprelay import``: its options, the files that it reads, and its output."""

from __future__ import annotations

import argparse
import sys
import time

from ..database import edits, relayers_db
from ..entries.timestamps import parse_minutes, value_of
from ..errors import MalformedError, UsageError
from . import import_sources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import NoReturn

    from ..database.locks import Deadline
    from .commands import Work
    from .json_document import Document


HELP = f"""\
usage: vsmtprelay [option ...] import [option of import ...] [file ...]

Adds the entries of other programs' files, all of them in one write. An address
that is listed already keeps its time if that is later. The program that writes
a file has to be stopped: a file that it has open is not read.

A file is one of these:
    a Berkeley DB, hash or btree    pop-before-smtp, DRAC, popauth
    text that makemap reads         the same, dumped; open-smtp of vpopmail
    {import_sources.STANDARD_INPUT}, or no file at all            such text on the standard input

Each entry is an address, and a value:
    a number                        the time of the login, in epoch seconds
    {" or ".join(import_sources.PERMISSIONS) + ", in any case":<32}a login when the file was last changed

Options of import, before the files:
    --expires-after MINS    the numbers are the times at which an entry expires,
                            so long after the login (DRAC: 30, or its -e)
    --value WORD            entries with this value may relay, too
    --skip-malformed        name what cannot be imported, and import the rest
    --json                  print a JSON document instead of a line
    -h, --help              show this; what stands behind -- is a file

vsmtprelay --help shows the options that stand before the command.
"""
OPTIONS_WITH_VALUE = ("--expires-after", "--value")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"import: {message}; vsmtprelay import --help shows the options")


def work_of(
    options: argparse.Namespace,
    lock_seconds: float,
    complain: Callable[[MalformedError], int],
    document: Document | None = None,
) -> Work:
    """Read the files that ``options`` name, a result of parse(); return the function that adds their entries to a database.

    That function returns the exit status, and prints a line, or adds to ``document``. ``complain`` is called for each entry
    that cannot be imported. Raises MalformedError for such entries unless they are to be skipped, UnreadableError,
    LockedError.
    """
    timestamps, faults = _read(options, lock_seconds)
    for fault in faults:
        complain(MalformedError(fault))
    if faults and not options.skip_malformed:
        raise MalformedError(f"nothing was imported because of {len(faults)} entries; --skip-malformed imports the others")
    edit = edits.restore({key.encode(): value_of(timestamp) for key, timestamp in timestamps.items()})

    def work(path: str, deadline: Deadline) -> int:
        changes = relayers_db.change(path, edit, deadline)
        if document is not None:
            document.add(path, **changes.as_returned())
            return 0
        later = len(timestamps) - changes.count
        there = f"; {later} were there already, as late or later" if later else ""
        sys.stdout.write(f"{path}: {changes.count} entries imported{there}\n")
        return 0

    return work


def asks_for_help(arguments: Sequence[str], help_options: Sequence[str]) -> bool:
    """Return whether ``arguments`` have one of ``help_options``, not as the value of another option."""
    return any(
        argument in help_options and before not in OPTIONS_WITH_VALUE for before, argument in zip(("", *arguments), arguments)
    )


def parser() -> argparse.ArgumentParser:
    """Return the parser for the arguments of import; --help is handled before."""
    made = _Parser(prog="vsmtprelay import", add_help=False, allow_abbrev=False)
    made.add_argument("--expires-after")
    made.add_argument("--value", action="append", default=[], type=_word)
    made.add_argument("--skip-malformed", action="store_true")
    made.add_argument("--json", action="store_true")
    made.add_argument("files", nargs="*")
    return made


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options of import and its files. Raises UsageError, MalformedError."""
    options = parser().parse_args(arguments)
    options.expires_after = None if options.expires_after is None else parse_minutes(options.expires_after)
    return options


def _word(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("an empty word")
    return text


def _read(options: argparse.Namespace, lock_seconds: float) -> tuple[dict[str, int], list[str]]:
    """Return the latest timestamp of each key of all files, in epoch seconds, and the faults of the other entries."""
    now = int(time.time())
    timestamps: dict[str, int] = {}
    faults: list[str] = []
    for file in options.files or [import_sources.STANDARD_INPUT]:
        source = import_sources.read_source(file, now, lock_seconds)
        found, unfit = import_sources.timestamps_in(
            source, now, options.expires_after, (*import_sources.PERMISSIONS, *options.value)
        )
        faults += unfit
        for key, timestamp in found.items():
            timestamps[key] = max(timestamp, timestamps.get(key, 0))
    return timestamps, faults
