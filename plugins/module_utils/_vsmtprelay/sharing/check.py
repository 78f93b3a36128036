# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The check of the engines: whether they permit what this host needs, and nothing else."""

from __future__ import annotations

import time

from ..errors import printable
from . import access
from .access import PUBLISH, SUBSCRIBE
from .engine import CommandError, Connection, EngineError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .configuration import Configuration, Engine
    from .engine import Command

# What tests/ and people may find for a moment beside the keys of a host.
CHECK = "check"
# No host has such a name.
FOREIGN = "-"
REFUSED = "NOPERM"


def missing(configuration: Configuration, engine: Engine, secret: str) -> list[str]:
    """Return what is missing at ``engine``, each as a part of one line; nothing if all is well."""
    host, found = configuration.host, []
    for role in (PUBLISH, SUBSCRIBE):
        try:
            with Connection(engine, access.user_of(host, role), secret, configuration.ca) as connection:
                found += _denied(connection, host, role)
                found += _permitted(connection, host, role)
        except EngineError as error:
            found.append(str(error).partition(f"{engine.name}: ")[2] or str(error))
    try:
        with Connection(engine, "", "", configuration.ca) as connection:
            if not isinstance(connection.many([("PING",)])[0], CommandError):
                found.append("takes commands without a password: set the default user off")
    except EngineError:
        pass  # refused, or reported above
    return list(dict.fromkeys(found))


def line(engine: Engine, found: Iterable[str]) -> str:
    """Return the line about ``engine``."""
    return printable(f"{engine.name}: {'; '.join(found) or 'fine'}")


def _denied(connection: Connection, host: str, role: str) -> list[str]:
    """Return the commands that the user needs and may not use. What they write is gone after a second."""
    stream, members = access.key(host, f"{CHECK}-stream"), access.key(host, f"{CHECK}-set")
    commands: dict[str, list[Command]] = {
        PUBLISH: [
            ("PING",),
            ("TIME",),
            ("MULTI",),
            ("EXEC",),
            ("XADD", stream, "MAXLEN", "~", 1, "*", "n", 1),
            ("XREVRANGE", stream, "+", "-", "COUNT", 1),
            ("ZADD", members, int(time.time()), "x"),
            ("ZREM", members, "y"),
            ("ZREMRANGEBYSCORE", members, "-inf", "(1"),
            ("PEXPIRE", stream, 1000),
            ("PEXPIRE", members, 1000),
            ("XINFO", "STREAM", stream),
        ],
        SUBSCRIBE: [
            ("PING",),
            ("TIME",),
            ("XREAD", "COUNT", 1, "STREAMS", access.key(host, access.STREAM), "$"),
            ("XINFO", "STREAM", stream),
            ("ZRANGEBYSCORE", access.key(FOREIGN, access.LOGINS), 0, 0),
        ],
    }
    answers = connection.many(commands[role])
    found = []
    for command, answer in zip(commands[role], answers):
        if isinstance(answer, CommandError) and "no such key" not in str(answer):
            reason = str(answer).partition(": ")[2]
            found.append(f"{command[0]!s} as {access.user_of(host, role)} is refused: {reason}")
    return found


def _permitted(connection: Connection, host: str, role: str) -> list[str]:
    """Return what the user may do though it must not. None of it changes anything where it is permitted."""
    foreign = access.key(FOREIGN, access.LOGINS)
    commands: list[Command] = [("ZRANGEBYSCORE", "vsmtprelay-check", 0, 0), ("PEXPIRE", foreign, 1), ("GET", foreign)]
    if role == PUBLISH:
        commands.append(("ZREMRANGEBYSCORE", foreign, 1, 0))
    else:
        commands.append(("ZREMRANGEBYSCORE", access.key(host, access.LOGINS), 1, 0))
    answers = connection.many(commands)
    return [
        f"{command[0]!s} {command[1]!s} as {access.user_of(host, role)} is not refused"
        for command, answer in zip(commands, answers)
        if not isinstance(answer, CommandError)
    ]
