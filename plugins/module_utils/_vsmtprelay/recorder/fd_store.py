# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The descriptor store: systemd keeps the connections, so that no report is lost with the process that serves it.

systemd holds a duplicate of each connection (sd_pid_notify_with_fds(3), FDSTORE). If the recorder is killed, the
data that it had not read yet is still there, and the next recorder reads it. If the recorder ends
regularly, it lets the other side close first.

It keeps the connections over which Dovecot is asked as well: the auth process of Dovecot 2.4.1 ends (signal 11, in
o_stream_nsendv()) if one is closed while it has a question.
"""

from __future__ import annotations

import functools
import os
import socket
from typing import NamedTuple

from .libraries import daemon

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from .connection import Connection

# The same as FileDescriptorStoreMax= in the unit.
MOST_KEPT = 4000
# A new connection is stored so long after it was made, together with others; a recorder that is killed before loses what it has
# not read.
STORE_SECONDS = 0.005
# The names of connections over which Dovecot is asked begin with it. Those of a killed recorder stay open for so long: Dovecot
# has answered by then, also where an LDAP or SQL server is slow.
QUESTIONS = "questions-"
QUESTIONS_SECONDS = 120.0
# The same as FileDescriptorName= in the unit of the socket for the sharer.
SHARED = "shared"


class DescriptorStore:
    """The connections that systemd keeps. For use in the event loop only."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._names: dict[Connection, str] = {}
        self._new: set[Connection] = set()
        self._is_due = False
        self._number = 0

    def opened(self, connection: Connection) -> None:
        """Keep a new connection from STORE_SECONDS on, if it is still open then."""
        self._new.add(connection)
        if not self._is_due:
            self._is_due = True
            self._loop.call_later(STORE_SECONDS, self._store)

    def adopted(self, connection: Connection, name: str) -> None:
        """Note that systemd keeps ``connection`` under ``name``."""
        self._names[connection] = name

    def closed(self, connection: Connection) -> None:
        """Have systemd forget a connection that is closed."""
        self._new.discard(connection)
        name = self._names.pop(connection, None)
        if name is not None:
            self._forget(name)

    def keep_questions(self, each: socket.socket) -> Callable[[], None]:
        """Keep a connection over which Dovecot is asked; return what has systemd forget it, for when it is closed."""
        self._number += 1
        name = f"{QUESTIONS}{os.getpid()}-{self._number}"
        # What is sent to systemd counts as open from now on.
        daemon.notify(f"FDSTORE=1\nFDPOLL=0\nFDNAME={name}", fds=[each.fileno()])
        return functools.partial(self._forget, name)

    def close_questions_later(self, each: socket.socket, name: str) -> None:
        """Close a connection of a killed recorder over which Dovecot was asked, in QUESTIONS_SECONDS."""

        def close() -> None:
            self._forget(name)
            each.close()

        self._loop.call_later(QUESTIONS_SECONDS, close)

    @staticmethod
    def _forget(name: str) -> None:
        daemon.notify(f"FDSTOREREMOVE=1\nFDNAME={name}")

    def _store(self) -> None:
        self._is_due = False
        while self._new and len(self._names) < MOST_KEPT:
            connection = self._new.pop()
            self._number += 1
            self._names[connection] = name = f"report-{os.getpid()}-{self._number}"
            # Even if the other side has closed it: it may still contain a report.
            daemon.notify(f"FDSTORE=1\nFDPOLL=0\nFDNAME={name}", fds=[connection.socket.fileno()])


class NoStore(DescriptorStore):
    """Keeps no connection: the sharer asks again, and what a connection of its own could do, none of the others may."""

    def opened(self, connection: Connection) -> None:
        pass

    def closed(self, connection: Connection) -> None:
        pass


class Sockets(NamedTuple):
    """What systemd has passed on: ``listening`` sockets for reports, and those for the sharer, ``shared``.

    ``left`` are the connections that an earlier recorder left, with their names.
    """

    listening: list[socket.socket]
    shared: list[socket.socket]
    left: list[tuple[str, socket.socket]]


def sockets_from_systemd() -> Sockets:
    """Return the sockets that systemd has passed on."""
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    sockets = Sockets([], [], [])
    for position, descriptor in enumerate(daemon.listen_fds()):
        each = socket.socket(fileno=descriptor)
        name = names[position] if position < len(names) else ""
        if not each.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            sockets.left.append((name, each))
        elif name == SHARED:
            sockets.shared.append(each)
        else:
            sockets.listening.append(each)
    return sockets
