# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The descriptor store: systemd keeps the connections, so that no report is lost with the process that serves it.

systemd holds a duplicate of each connection (sd_pid_notify_with_fds(3), FDSTORE). If the recorder is killed, the
data that it had not read yet is still there, and the next recorder reads it. If the recorder ends
regularly, it lets the other side close first.
"""

from __future__ import annotations

import asyncio
import os
import socket

from .libraries import daemon

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from aiohttp.web import Server
    from aiohttp.web_protocol import RequestHandler

# The same as FileDescriptorStoreMax= in the unit.
MOST_KEPT = 4000
# A new connection is stored so long after it was made, together with others; a recorder that is killed before loses what it has
# not read.
STORE_SECONDS = 0.005


class ServedConnections:
    """The connections that ``servers`` serve. For use in the event loop only."""

    def __init__(self, servers: Sequence[Server], is_busy: Callable[[RequestHandler], bool]) -> None:
        """``is_busy`` returns whether a report from a connection is being processed."""
        self._servers = servers
        self._is_busy = is_busy
        self._names: dict[RequestHandler, str] = {}
        self._number = 0
        self._is_due = False
        self._dismissed: set[RequestHandler] = set()

    def serving(self, server: Server) -> Callable[[], asyncio.Protocol]:
        """Return what makes the protocol of a new connection to ``server``: the connection is stored soon."""

        def serve() -> asyncio.Protocol:
            if not self._is_due:
                self._is_due = True
                asyncio.get_running_loop().call_later(STORE_SECONDS, self._store)
            protocol: asyncio.Protocol = server()
            return protocol

        return serve

    def _store(self) -> None:
        self._is_due = False
        self.store_fds()

    async def adopt(self, connection: socket.socket, name: str, server: Server) -> None:
        """Serve a connection that an earlier recorder left in the descriptor store under ``name``."""
        connection.setblocking(False)
        _transport, protocol = await asyncio.get_running_loop().connect_accepted_socket(server, connection)
        self._names[protocol] = name

    def store_fds(self) -> None:
        """Add new connections to the descriptor store, and remove closed ones; called regularly."""
        open_ones = set(self._open_ones())
        for closed in [each for each in self._names if each not in open_ones]:
            daemon.notify(f"FDSTOREREMOVE=1\nFDNAME={self._names.pop(closed)}")
        for new in open_ones.difference(self._names):
            transport = new.transport
            if transport is not None and not transport.is_closing() and len(self._names) < MOST_KEPT:
                self._number += 1
                self._names[new] = name = f"report-{os.getpid()}-{self._number}"
                # Even if the other side has closed it: it may still contain a report.
                descriptor = transport.get_extra_info("socket").fileno()
                daemon.notify(f"FDSTORE=1\nFDPOLL=0\nFDNAME={name}", fds=[descriptor])

    def dismiss(self) -> int:
        """Make the other side close each idle connection, and return the number of connections that remain.

        Dovecot sees the end of the stream, and closes. A report that is in transit meanwhile is still read and
        recorded; if the recorder closed first, it would be lost.
        """
        open_ones = list(self._open_ones())
        for each in open_ones:
            transport = each.transport
            if isinstance(transport, asyncio.WriteTransport) and each not in self._dismissed and not self._is_busy(each):
                self._dismissed.add(each)
                transport.write_eof()
        return len(open_ones)

    def drop(self) -> None:
        """Remove all connections from the descriptor store."""
        for name in self._names.values():
            daemon.notify(f"FDSTOREREMOVE=1\nFDNAME={name}")
        self._names.clear()

    def _open_ones(self) -> Iterator[RequestHandler]:
        for server in self._servers:
            yield from server.connections


def sockets_from_systemd() -> tuple[list[socket.socket], list[tuple[str, socket.socket]]]:
    """Return the listening sockets, and the connections that an earlier recorder left, with their names."""
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    listening, left = [], []
    for position, descriptor in enumerate(daemon.listen_fds()):
        each = socket.socket(fileno=descriptor)
        if each.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            listening.append(each)
        else:
            left.append((names[position] if position < len(names) else "", each))
    return listening, left
