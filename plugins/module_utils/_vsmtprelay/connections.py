# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The recorder's connections: never more than it can serve, and none kept by somebody who does not say what it wants.

Dovecot 2.3 reports over TCP, and any local user can open connections to that port.
"""

from __future__ import annotations

import asyncio
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aiohttp.web import Server
    from aiohttp.web_protocol import RequestHandler

MOST_CONNECTIONS = 1000
# How long a connection may be open before it has brought a report with the right key.
STRANGER_SECONDS = 5.0


class Connections:
    """Makes the protocol of each new connection for ``server``; what asyncio.loop.create_server() calls a factory.

    ``trusted`` is the set of connections that have brought the key, ``busy`` that of those whose report is being worked on;
    whoever finds that out adds to them and takes away.
    """

    def __init__(self, server: Server, trusted: set[object], busy: set[object]) -> None:
        self._server = server
        self._trusted = trusted
        self._busy = busy
        self._dismissed: set[RequestHandler] = set()
        self._opened: dict[RequestHandler, float] = {}

    def __call__(self) -> RequestHandler:
        """Return the protocol for a new connection; where there are too many, the oldest stranger has to go."""
        if len(self._opened) >= MOST_CONNECTIONS:
            self.close_strangers()
        if len(self._opened) >= MOST_CONNECTIONS:
            strangers = [each for each in self._opened if each not in self._trusted]
            self._close((strangers or list(self._opened))[0])
        connection = self._server()
        self._opened[connection] = time.monotonic()
        return connection

    def close_strangers(self) -> None:
        """Close the connections that have been open for STRANGER_SECONDS without a key; to be called now and then."""
        alive = set(self._server.connections)
        for gone in [each for each in self._opened if each not in alive]:
            self._forget(gone)
        limit = time.monotonic() - STRANGER_SECONDS
        for late in [each for each, opened in self._opened.items() if opened < limit and each not in self._trusted]:
            self._close(late)

    def dismiss(self) -> int:
        """Have the other side close each connection on which nothing is going on, and tell how many there still are.

        Dovecot sees the end of what we send, and closes. A report that was on its way meanwhile is still read and recorded; had
        we closed first, it would be lost.
        """
        self.close_strangers()
        for connection in set(self._opened) - self._busy - self._dismissed:
            if isinstance(connection.transport, asyncio.WriteTransport):
                self._dismissed.add(connection)
                connection.transport.write_eof()
        return len(self._opened)

    def _close(self, connection: RequestHandler) -> None:
        self._forget(connection)
        if connection.transport is not None:
            connection.transport.abort()

    def _forget(self, connection: RequestHandler) -> None:
        del self._opened[connection]
        self._trusted.discard(connection)
