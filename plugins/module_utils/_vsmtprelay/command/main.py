# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command ``vsmtprelay``: its options, which command runs on which databases, and the exit status."""

from __future__ import annotations

import os
import sys
import time

from ..database.in_turn import in_turn
from ..database.relayers_db import LOCK_SECONDS
from ..errors import InputOutputError, MalformedError, RelayError, UsageError
from ..servers.virtual_servers import TABLE, VirtualServers, is_shared
from .commands import Report, parse_command
from .output import complain, drop_output, replace_closed_streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..servers.virtual_servers import VirtualServer

OPTIONS_WITH_VALUE = ("--database", "--server", "--lock-timeout")
EXIT_SIGPIPE = 141  # as a shell reports a program that the closed pipe ended


class _Call:
    """The options of one call of the command."""

    def __init__(self) -> None:
        self.database = ""
        self.server = ""
        self.all = False
        self.lock_seconds = LOCK_SECONDS
        # Whether -- ended the options: no word after it is an option of vsmtprelay.
        self.ended = False


def main(arguments: Sequence[str], table: str = TABLE) -> int:
    """Run the command with ``arguments`` (without the program name) and return the exit status.

    ``table`` is the path of the table of virtual servers.
    """
    replace_closed_streams()
    try:
        status = _run(arguments, table)
        sys.stdout.flush()
    except BrokenPipeError:
        drop_output()  # the reader has closed the pipe
        return EXIT_SIGPIPE
    except OSError as error:
        drop_output()
        return complain(InputOutputError(f"the output cannot be written: {error.strerror}"))
    return status


def _run(arguments: Sequence[str], table: str) -> int:
    try:
        call, words = _parse_options(arguments)
        if call is None:
            sys.stdout.write(words[0])
            return 0
        if not words:
            from .usage import USAGE  # start-up: see __init__

            sys.stderr.write(USAGE)
            return UsageError.exit_status
        help_text = "" if call.ended else _help_of_command(words)
        if help_text:
            sys.stdout.write(help_text)
            return 0
        command = parse_command(words, call.lock_seconds)
        if isinstance(command, Report):
            return command.run(_servers(call, table), call.lock_seconds)
        databases = _databases(call, table)
    except RelayError as error:
        return complain(error)
    status = 0
    others = None
    paths, document = list(databases), command.document
    if document is not None:
        document.begin(databases)
    if command.shared and is_shared():
        from .other_hosts import OtherHosts

        others = OtherHosts(command, paths, table)
        status = others.before()
    for number, done in in_turn(paths, command.work, call.lock_seconds):
        if isinstance(done, RelayError):
            status = max(status, complain(done))
            if document is not None:
                document.add_failed(paths[number], done)
            continue
        status = max(status, done)
        if others is not None:
            others.done(number)
    if others is not None:
        status = max(status, others.after())
    if call.all and words[0] == "expire":
        from ..status import last_expiry

        last_expiry.note(status, int(time.time()))
    if document is not None:
        document.end()
    return status


def _parse_options(arguments: Sequence[str]) -> tuple[_Call | None, Sequence[str]]:
    """Return the options and the words after them; or None and the text to print, for --help and --version.

    Parsed by hand; start-up: see __init__.
    """
    call = _Call()
    words = list(arguments)
    while words and words[0].startswith("-"):
        option, equals, value = words.pop(0).partition("=")
        if option + equals == "--":
            call.ended = True
            break
        if option == "--all" and not equals:
            call.all = True
        elif option not in OPTIONS_WITH_VALUE:
            from .usage import TEXTS

            if option in TEXTS and not equals:
                return None, [TEXTS[option]]
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
    if not any(word.startswith("-") for word in words[1:]):
        return ""
    from .usage import help_of_command

    return help_of_command(words)


def _parse_seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= 86400:
        raise MalformedError(f"{text!r} is not a number of seconds from 0 to 86400")
    return seconds


def _databases(call: _Call, table: str) -> dict[str, str]:
    """Return the databases to work on, each with the name of its virtual server, which is empty with --database."""
    if call.database:
        return {call.database: ""}
    servers = VirtualServers.from_table(table)
    if call.all:
        return {server.relayers_db: server.name for server in servers.servers}
    server = servers.named(call.server) if call.server else servers.of_home(os.path.expanduser("~"))
    return {server.relayers_db: server.name}


def _servers(call: _Call, table: str) -> Sequence[VirtualServer]:
    """Return the virtual servers to report on: without options the caller's own, or all if the caller has none."""
    servers = VirtualServers.from_table(table)
    if call.all:
        return servers.servers
    if call.server:
        return [servers.named(call.server)]
    if not call.database:
        home = os.path.expanduser("~")
        own = None if os.path.realpath(home) == "/" else servers.with_root(home)
        return servers.servers if own is None else [own]
    server = servers.of_database(call.database)
    if server is None:
        raise MalformedError(f"{call.database}: not the database of a virtual server, which status reports on; see {table}")
    return [server]
