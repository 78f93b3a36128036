# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A listening socket: its connections, and on TCP the strangers among them, which cost almost nothing.

Dovecot 2.3 reports over TCP, and any local user can connect to that port. A user who opens thousands of connections again and
again would starve Dovecot's. So a connection that has not shown the key is only a socket and a parser, the oldest of too many
gives way, and none stays for long.
"""

from __future__ import annotations

import collections
import socket
import time

from .connection import Connection, Owner
from .http_parser import LARGEST_BODY

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from .connection import Take
    from .fd_store import DescriptorStore

# Dovecot sends its request right after connecting. Even if strangers connect as fast as they can be accepted, more
# than a tenth of a second passes until this many have connected after it.
MOST_STRANGERS = 4000
# How long a connection may be open without having shown the key.
# Dovecot closes one that it does not use after 10 seconds (http_client_max_idle_time), and must do so itself: see dismiss().
STRANGER_SECONDS = 15.0
# Connections accepted in a row before open ones get their turn.
ACCEPTED_IN_A_ROW = 100


class Port(Owner):
    """The connections to one listening socket. For use in the event loop only."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        listener: socket.socket,
        take: Take,
        key: bytes | None,
        store: DescriptorStore,
        refused: Callable[[str], None],
        most: int | None = None,
        largest_body: int = LARGEST_BODY,
    ) -> None:
        """Accept connections to ``listener``; ``take`` is called with each request on one that has shown ``key``.

        With None as the key, the permissions of the socket decide who may connect. Known connections are kept in ``store``.
        ``refused`` is called with a message for each refused one, also for each that is one more than ``most`` known ones.
        A request has at most ``largest_body`` bytes.
        """
        self._refused = refused
        self._loop = loop
        self._listener = listener
        self._take = take
        self._key = key
        self._store = store
        self._most = most
        self.largest_body = largest_body
        self._known: set[Connection] = set()
        self._strangers: collections.OrderedDict[Connection, None] = collections.OrderedDict()
        listener.setblocking(False)
        loop.add_reader(listener, self._accept)

    def close(self) -> None:
        """Stop accepting, close all connections that have not shown the key, and each of the others after its next answer."""
        if self._listener.fileno() >= 0:
            self._loop.remove_reader(self._listener)
            self._listener.close()
        for stranger in list(self._strangers):
            stranger.close()
        for connection in self._known:
            connection.is_stopping = True

    def adopt(self, each: socket.socket, name: str) -> None:
        """Serve a connection that an earlier recorder left in the descriptor store under ``name``."""
        # The key was shown once; each report shows it again.
        connection = Connection(self._loop, each, self._take, self, self._key, time.monotonic())
        connection.is_known = True
        self._known.add(connection)
        self._store.adopted(connection, name)
        connection.serve()

    def dismiss(self) -> int:
        """Make the other side close each idle connection, and return the number of connections that remain.

        Dovecot sees the end of the stream, and closes. A report that is in transit meanwhile is still read and
        recorded; if the recorder closed first, it would be lost. One on which nothing was answered stays open and does not
        count: if it is closed, Dovecot doubles the time until it connects again
        (http_client_peer_shared_connection_lost() in lib-http). The descriptor store keeps it for the next recorder.
        """
        remaining = [connection for connection in self._known if connection.is_busy or connection.has_answered]
        for connection in remaining:
            if not connection.is_busy:
                connection.dismiss()
        return len(remaining)

    def abandon(self) -> None:
        """Close all connections but those that dismiss() leaves open."""
        for connection in list(self._known):
            if connection.is_busy or connection.has_answered:
                connection.close()

    def close_unauthenticated(self) -> None:
        """Close the connections that have been open for STRANGER_SECONDS without the key; called regularly."""
        limit = time.monotonic() - STRANGER_SECONDS
        while self._strangers and next(iter(self._strangers)).since < limit:
            self._drop_oldest()

    def known(self, connection: Connection) -> None:
        """Note that ``connection`` has shown the key."""
        self._strangers.pop(connection, None)
        self._known.add(connection)
        self._store.opened(connection)

    def closed(self, connection: Connection) -> None:
        """Forget ``connection``, which is being closed."""
        if connection.is_known:
            self._known.discard(connection)
            self._store.closed(connection)
        else:
            self._strangers.pop(connection, None)

    def refused(self, message: str) -> None:
        """Log that a connection was refused, and why."""
        self._refused(message)

    def _accept(self) -> None:
        for _connection in range(ACCEPTED_IN_A_ROW):
            try:
                each = self._listener.accept()[0]
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError:
                # No more file descriptors.
                if self._strangers:
                    self._drop_oldest()
                return
            if self._most is not None and len(self._known) >= self._most:
                self.refused("one connection too many")
                each.close()
                continue
            if len(self._strangers) >= MOST_STRANGERS:
                self._drop_oldest()
            connection = Connection(self._loop, each, self._take, self, self._key, time.monotonic())
            if connection.is_known:
                self.known(connection)
            else:
                self._strangers[connection] = None
            connection.serve()

    def _drop_oldest(self) -> None:
        self.refused("a connection that did not show the key")
        next(iter(self._strangers)).close(without_trace=True)
