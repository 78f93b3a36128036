# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command ``vsmtprelay``: its words, its output and its exit statuses."""

from __future__ import annotations

import os
import sys
import time

from .. import __version__
from ..database import edits, relayers_db
from ..entries.addresses import key_of
from ..entries.makemap_text import dump_lines
from ..entries.timestamps import expiry_cutoff, parse_minutes, parse_timestamp
from ..errors import InputOutputError, MalformedError, RelayError, UnreadableError, UsageError
from ..servers.virtual_servers import TABLE, VirtualServers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

USAGE = f"""\
vsmtprelay {__version__} usage (optional items in []):
    % vsmtprelay command [arg] [...]
where "command [arg] [...]" can be one of the following:

    "add ip [ticks]"   insert address with current timestamp (or ticks)
    "delete ip [...]"  remove specified address(es)
    "expire [n]"       expire all old (or older than n minutes) entries
    "list [n]"         list all old (or older than n minutes) entries
    "dump"             list every entry, including the future timestamped

IP addresses are expressed as ASCII "dotted quads", e.g. "10.11.12.13".
All timestamps are stored as ASCII strings representing a count of seconds
elapsed since 0 hours, 0 minutes, 0 seconds, January 1, 1970, Coordinated
Universal Time (the common UNIX epoch).
"""

MORE = f"""
More commands:
    "import [file ...]"  add the entries of other programs' files: pop-before-smtp,
                         DRAC, text for makemap; without a file the standard input
    "verify"             check every page of the database
    "repair"             save what can be read of a damaged database; keep a copy

Options of import, before the files:
    --expires-after MINS  the times in the files are those at which an entry
                          expires, so long after the login (DRAC: 30, or its -e)
    --value WORD          entries with this value may relay (known: ok, RELAY)
    --skip-malformed      name what cannot be imported, and import the rest

Options, before the command:
    --database PATH       work on this file
    --server NAME         work on the database of this virtual server
    --all                 work on the databases of all virtual servers
    --lock-timeout SECS   wait so long for others who write (default {relayers_db.LOCK_SECONDS:g})
    --help, --version     after a command, --help tells of that command alone

Without --database, --server or --all: the virtual server whose root is your
home directory, else the host's only or default one, as {TABLE}
says. IPv6 addresses may be written in any way, e.g. "2001:db8::5".
"""

HELP_OPTIONS = ("-h", "--help")
TEXTS = {**dict.fromkeys(HELP_OPTIONS, USAGE + MORE), "--version": f"vsmtprelay {__version__}\n"}
OPTIONS_WITH_VALUE = ("--database", "--server", "--lock-timeout")

# The arguments of each command, and what it does; import_command has those of import.
HELP = {
    "add": (
        "ip [ticks]",
        """\
Stores the address with the current time, or with ticks, a time in epoch
seconds. An address that is there already gets the new time. A time in the
future is a permission that stays until then.
""",
    ),
    "delete": (
        "ip [...]",
        """\
Removes the addresses. Those that are not listed are named on the standard error
output, and the exit status is then 1; the others are removed.
""",
    ),
    "expire": (
        "[n]",
        """\
Removes every entry that is at least n minutes old, or without n every entry
that is not in the future.
""",
    ),
    "list": (
        "[n]",
        """\
Prints every entry that is at least n minutes old, or without n every entry
that is not in the future. makemap reads what it prints.
""",
    ),
    "dump": (
        "",
        """\
Prints every entry, those in the future too. makemap reads what it prints.
""",
    ),
    "verify": (
        "",
        """\
Looks at every page of the database, and prints how many entries a sound one
has.
""",
    ),
    "repair": (
        "",
        """\
Puts a sound database in the place of a damaged one, with all of it that can be
trusted. The damaged file is kept beside it. A sound one is left alone.
""",
    ),
}

EXIT_NOT_LISTED = 1
EXIT_SIGPIPE = 141  # as a shell reports a program that the closed pipe ended


class _Call:
    """The options of one call of the command."""

    def __init__(self) -> None:
        self.database = ""
        self.server = ""
        self.all = False
        self.lock_seconds = relayers_db.LOCK_SECONDS
        # Whether a -- ended the options: nothing behind it is an option of vsmtprelay.
        self.ended = False


def main(arguments: Sequence[str], table: str = TABLE) -> int:
    """Run the command with ``arguments`` (without its own name) and return the exit status.

    ``table`` is the path of the table of virtual servers.
    """
    _replace_closed_streams()
    try:
        status = _run(arguments, table)
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()  # whoever read it has seen enough
        return EXIT_SIGPIPE
    except OSError as error:
        _drop_output()
        return _complain(InputOutputError(f"the output cannot be written: {error.strerror}"))
    return status


def _run(arguments: Sequence[str], table: str) -> int:
    try:
        call, words = _parse_options(arguments)
        if call is None:
            sys.stdout.write(words[0])
            return 0
        if not words:
            sys.stderr.write(USAGE)
            return UsageError.exit_status
        help_text = "" if call.ended else _help_of_command(words)
        if help_text:
            sys.stdout.write(help_text)
            return 0
        work = _parse_command(words, call.lock_seconds)
        paths = _databases(call, table)
    except RelayError as error:
        return _complain(error)
    status = 0
    for path in paths:
        try:
            status = max(status, work(path))
        except RelayError as error:
            status = max(status, _complain(error))
    if call.all and words[0] == "expire":
        from ..status import last_expiry

        last_expiry.note(status, int(time.time()))
    return status


def _replace_closed_streams() -> None:
    """Put something where the caller closed the standard output or error output, for which Python has None.

    What is written to a closed output fails, as it would elsewhere; a complaint that nobody can hear is dropped.
    """
    if sys.stdout is None:
        sys.stdout = open(os.open(os.devnull, os.O_RDONLY), "w")  # noqa: SIM115 (for the rest of the process)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115


def _drop_output() -> None:
    """Keep Python from flushing at exit, and failing at, what could not be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(error: RelayError) -> int:
    line = "".join(character if character.isprintable() else ascii(character)[1:-1] for character in str(error))
    sys.stderr.write(f"vsmtprelay: {line}\n")
    return error.exit_status


def _parse_options(arguments: Sequence[str]) -> tuple[_Call | None, Sequence[str]]:
    """Return the options and the words after them; or None and the text to print, for --help and --version.

    By hand, because getopt and argparse import re, which takes as long as all the rest of a command.
    """
    call = _Call()
    words = list(arguments)
    while words and words[0].startswith("-"):
        option, equals, value = words.pop(0).partition("=")
        if option + equals == "--":
            call.ended = True
            break
        if option in TEXTS and not equals:
            return None, [TEXTS[option]]
        if option == "--all" and not equals:
            call.all = True
        elif option not in OPTIONS_WITH_VALUE:
            raise UsageError(f"unknown option {option + equals + value!r}; vsmtprelay --help shows the options")
        else:
            if not equals and words:
                value = words.pop(0)
            if not value:
                raise UsageError(f"{option} needs a value; vsmtprelay --help shows the options")
            if option == "--lock-timeout":
                call.lock_seconds = _parse_seconds(value)
            else:
                setattr(call, option[2:], value)
    if (call.database != "") + (call.server != "") + call.all > 1:
        raise UsageError("--database, --server and --all exclude each other")
    return call, words


def _help_of_command(words: Sequence[str]) -> str:
    """Return the help of the command if its arguments ask for that, else an empty text."""
    name, arguments = words[0], words[1:]
    if "--" in arguments:
        arguments = arguments[: arguments.index("--")]
    if name not in COMMANDS or not any(option in arguments for option in HELP_OPTIONS):
        return ""
    if name == "import":
        from . import import_command

        return import_command.HELP if import_command.asks_for_help(arguments, HELP_OPTIONS) else ""
    usage, text = HELP[name]
    return f"usage: vsmtprelay [option ...] {name} {usage}".rstrip() + f"\n\n{text}\nvsmtprelay --help shows the options.\n"


def _parse_seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= 86400:
        raise MalformedError(f"{text!r} is not a number of seconds from 0 to 86400")
    return seconds


def _parse_command(words: Sequence[str], lock_seconds: float) -> Callable[[str], int]:
    """Return the work that the command asks for, to be done on a path; all its arguments are looked at before."""
    name, arguments = words[0], words[1:]
    fewest, most, parse = COMMANDS.get(name, (0, 0, None))
    if parse is None:
        raise UsageError(f"unknown command {name!r}; vsmtprelay --help shows the commands")
    if len(arguments) < fewest:
        raise UsageError(f"{name} needs an address; vsmtprelay {name} --help shows how")
    if most is not None and len(arguments) > most:
        raise UsageError(f"{name} takes no argument {arguments[most]!r}; vsmtprelay {name} --help shows how")
    return parse(arguments, lock_seconds)


def _databases(call: _Call, table: str) -> list[str]:
    if call.database:
        return [call.database]
    servers = VirtualServers.from_table(table)
    if call.all:
        return [server.relayers_db for server in servers.servers]
    server = servers.named(call.server) if call.server else servers.of_home(os.path.expanduser("~"))
    return [server.relayers_db]


def _add(arguments: Sequence[str], lock_seconds: float) -> Callable[[str], int]:
    key = key_of(arguments[0])
    timestamp = parse_timestamp(arguments[1]) if len(arguments) > 1 else int(time.time())

    def work(path: str) -> int:
        relayers_db.change(path, edits.put({key: timestamp}), lock_seconds)
        return 0

    return work


def _delete(arguments: Sequence[str], lock_seconds: float) -> Callable[[str], int]:
    keys = [key_of(argument) for argument in arguments]

    def work(path: str) -> int:
        changes = relayers_db.change(_existing(path), edits.delete(keys), lock_seconds, create=False)
        missing = [key for key in keys if key.encode() not in changes.removed]
        for key in missing:
            sys.stderr.write(f"vsmtprelay: {key} is not listed in {path}\n")
        return EXIT_NOT_LISTED if missing else 0

    return work


def _expire(arguments: Sequence[str], lock_seconds: float) -> Callable[[str], int]:
    minutes = parse_minutes(arguments[0]) if arguments else 0

    def work(path: str) -> int:
        edit = edits.expire(minutes, int(time.time()), name_them=False)
        relayers_db.change(_existing(path), edit, lock_seconds, create=False)
        return 0

    return work


def _list(arguments: Sequence[str], lock_seconds: float) -> Callable[[str], int]:
    minutes = parse_minutes(arguments[0]) if arguments else 0

    def work(path: str) -> int:
        return _print(path, lock_seconds, expiry_cutoff(int(time.time()), minutes))

    return work


def _dump(arguments: Sequence[str], lock_seconds: float) -> Callable[[str], int]:
    def work(path: str) -> int:
        return _print(path, lock_seconds, None)

    return work


def _verify(arguments: Sequence[str], lock_seconds: float) -> Callable[[str], int]:
    from ..database.repair import verify

    def work(path: str) -> int:
        sys.stdout.write(f"{path}: sound, {verify(path, lock_seconds)} entries\n")
        return 0

    return work


def _repair(arguments: Sequence[str], lock_seconds: float) -> Callable[[str], int]:
    from ..database.repair import repair

    def work(path: str) -> int:
        done = repair(path, lock_seconds)
        if done is None:
            sys.stdout.write(f"{path}: sound, nothing to repair\n")
        else:
            sys.stdout.write(f"{path}: repaired, {done.entries} entries recovered; the damaged file is {done.copy}\n")
        return 0

    return work


def _import(arguments: Sequence[str], lock_seconds: float) -> Callable[[str], int]:
    from .import_command import work_of

    return work_of(arguments, lock_seconds, _complain)


def _print(path: str, lock_seconds: float, limit: int | None) -> int:
    """Print the entries stamped at ``limit`` (epoch seconds) or before, or all of them where it is None."""
    with relayers_db.read(_existing(path), lock_seconds) as snapshot:
        sys.stdout.buffer.writelines(dump_lines(snapshot.pages(), limit))
    return 0


def _existing(path: str) -> str:
    try:
        os.stat(path)
    except FileNotFoundError:
        raise UnreadableError(f"{path}: no such database; vsmtprelay add, makemap or the role creates it") from None
    except OSError:
        pass  # told better by whoever opens it
    return path


# The fewest and the most arguments of each command, None for any number, and what parses them.
COMMANDS = {
    "add": (1, 2, _add),
    "delete": (1, None, _delete),
    "expire": (0, 1, _expire),
    "list": (0, 1, _list),
    "dump": (0, 0, _dump),
    "import": (0, None, _import),
    "verify": (0, 0, _verify),
    "repair": (0, 0, _repair),
}
