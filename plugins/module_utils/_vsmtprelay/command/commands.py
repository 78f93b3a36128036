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
    from ..servers.virtual_servers import VirtualServer
    from .json_document import Document

    Work = Callable[[str, Deadline], int]

EXIT_NOT_LISTED = 1
ONLY_HERE = "--here"
AS_JSON = "--json"
# The commands that print something; import parses its options itself.
WITH_JSON = frozenset(("status", "list", "dump", "expire", "verify", "repair", "import"))


class Command:
    """A command with its arguments: ``work`` works on one database, until a deadline, and returns the exit status.

    ``shared`` is what other hosts get to know of it, one of sharing.changes.OPERATIONS or empty, with its ``keys`` and its time
    in ``milliseconds`` since the epoch. ``document`` is what it prints with --json, else None. ``look`` is called with each
    path before other hosts get to know anything, if they do so before ``work``; it raises RelayError.
    """

    __slots__ = ("document", "keys", "look", "milliseconds", "shared", "work")

    def __init__(
        self,
        work: Work,
        shared: str = "",
        keys: Sequence[str] = ("",),
        milliseconds: int = 0,
        document: Document | None = None,
        look: Callable[[str], None] | None = None,
    ) -> None:
        self.work = work
        self.look = look
        self.document = document
        self.shared = shared
        self.keys = keys
        self.milliseconds = milliseconds


class Report:
    """A command that reports on virtual servers: ``run`` waits at most so many seconds, and returns the exit status."""

    __slots__ = ("run",)

    def __init__(self, run: Callable[[Sequence[VirtualServer], float], int]) -> None:
        self.run = run


def parse_command(words: Sequence[str], lock_seconds: float) -> Command | Report:
    """Check the command and its arguments, and return it.

    A file to import is waited for at most ``lock_seconds``. Raises UsageError, MalformedError.
    """
    name, arguments = words[0], words[1:]
    fewest, most, parse = COMMANDS.get(name, (0, 0, None))
    if parse is None:
        raise UsageError(f"unknown command {name!r}; vsmtprelay --help shows the commands")
    as_json = False
    if AS_JSON in arguments and name in WITH_JSON and parse is not _import:
        arguments, as_json = _without_json(arguments)
    if len(arguments) < fewest:
        raise UsageError(f"{name} needs an address; vsmtprelay {name} --help shows how")
    if most is not None and len(arguments) > most:
        raise UsageError(f"{name} takes no argument {arguments[most]!r}; vsmtprelay {name} --help shows how")
    if parse is _import:
        return _import(arguments, lock_seconds)
    return parse(arguments, as_json) if name in WITH_JSON else parse(arguments)


def _without_json(arguments: Sequence[str]) -> tuple[Sequence[str], bool]:
    """Return the arguments without the option --json, and whether it was there; what stands behind -- is no option."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    options = [argument for argument in arguments[:end] if argument != AS_JSON]
    return [*options, *arguments[end:]], len(options) < end


def _document(command: str, **members: object) -> Document:
    from .json_document import Document  # start-up: see __init__

    return Document(command, int(time.time()), **members)


def _add(arguments: Sequence[str]) -> Command:
    key = key_of(arguments[0])
    now = int(time.time() * 1000)
    milliseconds = parse_timestamp(arguments[1]) * 1000 if len(arguments) > 1 else now
    timestamp = milliseconds // 1000

    def work(path: str, deadline: Deadline) -> int:
        relayers_db.change(path, edits.put({key: timestamp}), deadline)
        return 0

    # A permission in the future is this host's.
    return Command(work, "login" if milliseconds <= now else "", [key], milliseconds)


def _delete(arguments: Sequence[str]) -> Command:
    addresses = [argument for argument in arguments if argument != ONLY_HERE]
    if not addresses:
        raise UsageError("delete needs an address; vsmtprelay delete --help shows how")
    keys = [key_of(address) for address in addresses]
    # This host's own sharer can be the first to remove what all hosts are to remove.
    listed: dict[str, dict[bytes, bytes]] = {}

    def look(path: str) -> None:
        listed[path] = relayers_db.listed(path, keys)

    def work(path: str, deadline: Deadline) -> int:
        changes = relayers_db.change(_existing(path), edits.delete(keys), deadline, create=False)
        changes.add_removed(listed.get(path, {}))
        missing = [key for key in keys if key.encode() not in changes.removed]
        for key in missing:
            sys.stderr.write(f"vsmtprelay: {key} is not listed in {path}\n")
        return EXIT_NOT_LISTED if missing else 0

    return Command(work, "here" if ONLY_HERE in arguments else "revoke", keys, int(time.time() * 1000), look=look)


def _expire(arguments: Sequence[str], as_json: bool) -> Command:
    minutes = parse_minutes(arguments[0]) if arguments else 0
    document = _document("expire", older_than=minutes) if as_json else None

    def work(path: str, deadline: Deadline) -> int:
        text_of = None if document is None else _json_text_of
        edit = edits.expire(minutes, int(time.time()), name_them=False, text_of=text_of)
        changes = relayers_db.change(_existing(path), edit, deadline, create=False)
        if document is not None:
            document.add_with(path, "expired", ([text] for text in changes.texts))
        return 0

    return Command(work, document=document)


def _json_text_of(keys: Sequence[bytes]) -> bytes:
    from ..entries.relayers import json_keys  # start-up: see __init__

    return b",\n".join(json_keys(keys))


def _list(arguments: Sequence[str], as_json: bool) -> Command:
    minutes = parse_minutes(arguments[0]) if arguments else 0
    document = _document("list", older_than=minutes) if as_json else None

    def work(path: str, deadline: Deadline) -> int:
        now = int(time.time()) if document is None else document.now
        return _print(path, deadline, expiry_cutoff(now, minutes), document)

    return Command(work, document=document)


def _dump(arguments: Sequence[str], as_json: bool) -> Command:
    document = _document("dump") if as_json else None

    def work(path: str, deadline: Deadline) -> int:
        return _print(path, deadline, None, document)

    return Command(work, document=document)


def _verify(arguments: Sequence[str], as_json: bool) -> Command:
    from ..database.repair import verify

    document = _document("verify") if as_json else None

    def work(path: str, deadline: Deadline) -> int:
        entries = verify(path, deadline)
        if document is not None:
            document.add(path, sound=True, entries=entries)
        else:
            sys.stdout.write(f"{path}: sound, {entries} entries\n")
        return 0

    return Command(work, document=document)


def _repair(arguments: Sequence[str], as_json: bool) -> Command:
    from ..database.repair import repair

    document = _document("repair") if as_json else None

    def work(path: str, deadline: Deadline) -> int:
        done = repair(path, deadline)
        if document is not None:
            document.add(path, repaired=None if done is None else done.members())
        elif done is None:
            sys.stdout.write(f"{path}: sound, nothing to repair\n")
        else:
            sys.stdout.write(f"{path}: repaired, {done.entries} entries recovered; the damaged file is {done.copy}\n")
        return 0

    return Command(work, document=document)


def _import(arguments: Sequence[str], lock_seconds: float) -> Command:
    from .import_command import parse, work_of

    options = parse(arguments)
    document = _document("import") if options.json else None
    work = work_of(options, lock_seconds, complain, document)
    return Command(work, "check", milliseconds=int(time.time() * 1000), document=document)


def _status(arguments: Sequence[str], as_json: bool) -> Report:
    def run(servers: Sequence[VirtualServer], lock_seconds: float) -> int:
        from .status_command import report

        return report(servers, lock_seconds, as_json)

    return Report(run)


def _metrics(arguments: Sequence[str]) -> Report:
    from .metrics_command import path_in, report

    path = path_in(arguments)
    return Report(lambda servers, lock_seconds: report(servers, lock_seconds, path))


def _print(path: str, deadline: Deadline, limit: int | None, document: Document | None) -> int:
    """Print the entries stamped at ``limit`` (epoch seconds) or before, or all entries if it is None."""
    with relayers_db.read(_existing(path), deadline) as snapshot:
        if document is not None:
            document.add_entries(path, snapshot.pages(), limit)
            return 0
        from ..entries.makemap_text import dump_lines  # start-up: see __init__

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
# Those of WITH_JSON get whether --json was given, too.
COMMANDS: dict[str, tuple[int, int | None, Callable[..., Command | Report]]] = {
    "status": (0, 0, _status),
    "metrics": (0, None, _metrics),
    "add": (1, 2, _add),
    "delete": (1, None, _delete),
    "expire": (0, 1, _expire),
    "list": (0, 1, _list),
    "dump": (0, 0, _dump),
    "import": (0, None, _import),
    "verify": (0, 0, _verify),
    "repair": (0, 0, _repair),
}
