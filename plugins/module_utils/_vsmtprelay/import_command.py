# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``vsmtprelay import``: its own options, the files that it reads, and what it tells."""

from __future__ import annotations

import argparse
import sys
import time

from . import database, edits, importing
from .entries import parse_minutes, value_of
from .errors import MalformedError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import NoReturn


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"import: {message}; vsmtprelay --help shows the options")


def work_of(arguments: Sequence[str], lock_seconds: float, complain: Callable[[MalformedError], int]) -> Callable[[str], int]:
    """Read the files that ``arguments`` name, and return what adds their entries to a database and returns the exit status.

    ``complain`` is told of each entry that cannot be imported. Raises UsageError, MalformedError for such entries unless they
    are to be skipped, UnreadableError, BusyError.
    """
    options = _parse(arguments)
    timestamps, faults = _read(options, lock_seconds)
    for fault in faults:
        complain(MalformedError(fault))
    if faults and not options.skip_malformed:
        raise MalformedError(f"nothing was imported because of {len(faults)} entries; --skip-malformed imports the others")
    edit = edits.restore({key.encode(): value_of(timestamp) for key, timestamp in timestamps.items()})

    def work(path: str) -> int:
        changes = database.change(path, edit, lock_seconds)
        later = len(timestamps) - changes.count
        there = f"; {later} were there already, as late or later" if later else ""
        sys.stdout.write(f"{path}: {changes.count} entries imported{there}\n")
        return 0

    return work


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = _Parser(prog="vsmtprelay import", add_help=False, allow_abbrev=False)
    parser.add_argument("--expires-after")
    parser.add_argument("--value", action="append", default=[], type=_word)
    parser.add_argument("--skip-malformed", action="store_true")
    parser.add_argument("files", nargs="*")
    options = parser.parse_args(arguments)
    options.expires_after = None if options.expires_after is None else parse_minutes(options.expires_after)
    return options


def _word(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("an empty word")
    return text


def _read(options: argparse.Namespace, lock_seconds: float) -> tuple[dict[str, int], list[str]]:
    """Return the latest timestamp of each key of all files, in epoch seconds, and what is wrong with other entries."""
    now = int(time.time())
    timestamps: dict[str, int] = {}
    faults: list[str] = []
    for file in options.files or [importing.STANDARD_INPUT]:
        source = importing.read(file, now, lock_seconds)
        found, unfit = importing.timestamps_in(source, now, options.expires_after, (*importing.PERMISSIONS, *options.value))
        faults += unfit
        for key, timestamp in found.items():
            timestamps[key] = max(timestamp, timestamps.get(key, 0))
    return timestamps, faults
