# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands of ``vsmtprelay``. Each parses its arguments and returns the function that works on one database."""

from __future__ import annotations

import os
import sys
import time

from ..database import edits, relayers_db
from ..entries.addresses import key_of
from ..entries.timestamps import expiry_cutoff, parse_minutes, parse_timestamp
from ..errors import UnreadableError, UsageError
from .output import complain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..database.locks import Deadline

    Work = Callable[[str, Deadline], int]

EXIT_NOT_LISTED = 1


def parse_command(words: Sequence[str], lock_seconds: float) -> Work:
    """Check the command and its arguments; return the function that works on a path, until a deadline.

    A file to import is waited for at most ``lock_seconds``. Raises UsageError, MalformedError.
    """
    name, arguments = words[0], words[1:]
    fewest, most, parse = COMMANDS.get(name, (0, 0, None))
    if parse is None:
        raise UsageError(f"unknown command {name!r}; vsmtprelay --help shows the commands")
    if len(arguments) < fewest:
        raise UsageError(f"{name} needs an address; vsmtprelay {name} --help shows how")
    if most is not None and len(arguments) > most:
        raise UsageError(f"{name} takes no argument {arguments[most]!r}; vsmtprelay {name} --help shows how")
    if parse is _import:
        return _import(arguments, lock_seconds)
    return parse(arguments)


def _add(arguments: Sequence[str]) -> Work:
    key = key_of(arguments[0])
    timestamp = parse_timestamp(arguments[1]) if len(arguments) > 1 else int(time.time())

    def work(path: str, deadline: Deadline) -> int:
        relayers_db.change(path, edits.put({key: timestamp}), deadline)
        return 0

    return work


def _delete(arguments: Sequence[str]) -> Work:
    keys = [key_of(argument) for argument in arguments]

    def work(path: str, deadline: Deadline) -> int:
        changes = relayers_db.change(_existing(path), edits.delete(keys), deadline, create=False)
        missing = [key for key in keys if key.encode() not in changes.removed]
        for key in missing:
            sys.stderr.write(f"vsmtprelay: {key} is not listed in {path}\n")
        return EXIT_NOT_LISTED if missing else 0

    return work


def _expire(arguments: Sequence[str]) -> Work:
    minutes = parse_minutes(arguments[0]) if arguments else 0

    def work(path: str, deadline: Deadline) -> int:
        edit = edits.expire(minutes, int(time.time()), name_them=False)
        relayers_db.change(_existing(path), edit, deadline, create=False)
        return 0

    return work


def _list(arguments: Sequence[str]) -> Work:
    minutes = parse_minutes(arguments[0]) if arguments else 0

    def work(path: str, deadline: Deadline) -> int:
        return _print(path, deadline, expiry_cutoff(int(time.time()), minutes))

    return work


def _dump(arguments: Sequence[str]) -> Work:
    def work(path: str, deadline: Deadline) -> int:
        return _print(path, deadline, None)

    return work


def _verify(arguments: Sequence[str]) -> Work:
    from ..database.repair import verify

    def work(path: str, deadline: Deadline) -> int:
        sys.stdout.write(f"{path}: sound, {verify(path, deadline)} entries\n")
        return 0

    return work


def _repair(arguments: Sequence[str]) -> Work:
    from ..database.repair import repair

    def work(path: str, deadline: Deadline) -> int:
        done = repair(path, deadline)
        if done is None:
            sys.stdout.write(f"{path}: sound, nothing to repair\n")
        else:
            sys.stdout.write(f"{path}: repaired, {done.entries} entries recovered; the damaged file is {done.copy}\n")
        return 0

    return work


def _import(arguments: Sequence[str], lock_seconds: float) -> Work:
    from .import_command import work_of

    return work_of(arguments, lock_seconds, complain)


def _print(path: str, deadline: Deadline, limit: int | None) -> int:
    """Print the entries stamped at ``limit`` (epoch seconds) or before, or all entries if it is None."""
    from ..entries.makemap_text import dump_lines  # start-up: see __init__

    with relayers_db.read(_existing(path), deadline) as snapshot:
        sys.stdout.buffer.writelines(dump_lines(snapshot.pages(), limit))
    return 0


def _existing(path: str) -> str:
    try:
        os.stat(path)
    except FileNotFoundError:
        raise UnreadableError(f"{path}: no such database; vsmtprelay add, makemap or the role creates it") from None
    except OSError:
        pass  # opening it fails in the same way and gives a better message
    return path


# By command: the fewest and the most arguments, None for any number, and the function that parses them.
COMMANDS: dict[str, tuple[int, int | None, Callable[..., Work]]] = {
    "add": (1, 2, _add),
    "delete": (1, None, _delete),
    "expire": (0, 1, _expire),
    "list": (0, 1, _list),
    "dump": (0, 0, _dump),
    "import": (0, None, _import),
    "verify": (0, 0, _verify),
    "repair": (0, 0, _repair),
}
