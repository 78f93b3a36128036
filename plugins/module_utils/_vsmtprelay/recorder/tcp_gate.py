# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The recorder's TCP port: a connection is served once it has shown the right key; before, it costs almost nothing.

Dovecot 2.3 reports over TCP, and any local user can connect to that port. aiohttp takes a tenth of a
millisecond and several kilobytes for each connection; a user who opens thousands again and again would starve
Dovecot's. So aiohttp gets a connection only after the head of its first request has shown the key. Until then
the connection is only a socket and a buffer.
"""

from __future__ import annotations

import asyncio
import collections
import socket
import struct
import time

from . import key as recorder_key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# Dovecot sends its request right after connecting. Even if strangers connect as fast as they can be accepted, more
# than a tenth of a second passes until this many have connected after it.
MOST_STRANGERS = 4000
# How long a connection may be open without having shown the key.
STRANGER_SECONDS = 5.0
# Connections accepted in a row before open ones get their turn.
ACCEPTED_IN_A_ROW = 100
# Connections that systemd and the kernel keep for the recorder while it is busy or down.
BACKLOG = 4096
LONGEST_HEAD = 4096  # bytes; Dovecot's has about 400
END_OF_HEAD = b"\r\n\r\n"
REFUSAL = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
CLOSE_WITHOUT_TRACE = struct.pack("ii", 1, 0)  # socket(7), SO_LINGER: the kernel keeps nothing of the connection


class Connections:
    """The connections to one listening socket. For use in the event loop only."""

    def __init__(
        self, listener: socket.socket, server: Callable[[], asyncio.Protocol], key: bytes, refused: Callable[[str], None]
    ) -> None:
        """Serve each connection that shows ``key`` with a protocol from ``server``; call ``refused`` for each refused one."""
        self._listener = listener
        self._server = server
        self._key = key
        self._refused = refused
        self._loop = asyncio.get_running_loop()
        self._strangers: collections.OrderedDict[socket.socket, _Stranger] = collections.OrderedDict()
        self._handovers: set[asyncio.Task[object]] = set()
        listener.setblocking(False)
        self._loop.add_reader(listener, self._accept)

    def close(self) -> None:
        """Stop accepting, and close all connections that have not shown the key."""
        self._loop.remove_reader(self._listener)
        self._listener.close()
        for connection in list(self._strangers):
            self._forget(connection).close()

    def close_unauthenticated(self) -> None:
        """Close the connections that have been open for STRANGER_SECONDS without the key; called regularly."""
        limit = time.monotonic() - STRANGER_SECONDS
        while self._strangers and next(iter(self._strangers.values())).since < limit:
            self._drop_oldest()

    def _accept(self) -> None:
        for _connection in range(ACCEPTED_IN_A_ROW):
            try:
                connection = self._listener.accept()[0]
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError:
                # No more file descriptors.
                if self._strangers:
                    self._drop_oldest()
                return
            if len(self._strangers) >= MOST_STRANGERS:
                self._drop_oldest()
            connection.setblocking(False)
            self._strangers[connection] = _Stranger()
            # With many connections, Dovecot's request has arrived by now, or the connection is closed already.
            self._read(connection)
            if connection in self._strangers:
                self._loop.add_reader(connection, self._read, connection)

    def _read(self, connection: socket.socket) -> None:
        try:
            said = connection.recv(LONGEST_HEAD)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        if not said:
            self._forget(connection).close()
            return
        stranger = self._strangers[connection]
        stranger.said += said
        head, end, _rest = bytes(stranger.said).partition(END_OF_HEAD)
        if end and self._shows_key(head):
            self._hand_over(self._forget(connection), bytes(stranger.said))
        elif end or len(stranger.said) >= LONGEST_HEAD:
            self._refuse(connection)

    def _shows_key(self, head: bytes) -> bool:
        name = recorder_key.HEADER.lower().encode()
        fields = [line.partition(b":") for line in head.split(b"\r\n")[1:]]
        given = [value for field, _colon, value in fields if field.lower() == name]
        return len(given) == 1 and recorder_key.is_right(given[0], self._key)

    def _hand_over(self, connection: socket.socket, said: bytes) -> None:
        protocol = _Introduction(self._server(), said)
        task = self._loop.create_task(self._loop.connect_accepted_socket(lambda: protocol, connection))
        # The event loop itself only keeps weak references to tasks.
        self._handovers.add(task)
        task.add_done_callback(self._handovers.discard)

    def _refuse(self, connection: socket.socket) -> None:
        self._refused("a report without the right key")
        try:
            connection.send(REFUSAL)
        except OSError:
            pass  # the client did not wait for the answer
        self._forget(connection).close()

    def _drop_oldest(self) -> None:
        self._refused("a connection that did not show the key")
        connection = self._forget(next(iter(self._strangers)))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, CLOSE_WITHOUT_TRACE)
        connection.close()

    def _forget(self, connection: socket.socket) -> socket.socket:
        self._loop.remove_reader(connection)
        del self._strangers[connection]
        return connection


class _Stranger:
    """A connection that has not shown the key: the time since which it is open, and the data received."""

    __slots__ = ("said", "since")

    def __init__(self) -> None:
        self.since = time.monotonic()
        self.said = bytearray()


class _Introduction(asyncio.Protocol):
    """Passes a connection to its protocol, together with the data already read."""

    def __init__(self, protocol: asyncio.Protocol, said: bytes) -> None:
        self._protocol = protocol
        self._said = said

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.set_protocol(self._protocol)
        self._protocol.connection_made(transport)
        self._protocol.data_received(self._said)
