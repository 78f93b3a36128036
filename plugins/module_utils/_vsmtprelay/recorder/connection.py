# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One connection on which reports come, and the answers to them.

It is a socket that the event loop watches, without asyncio's transports and streams: every login waits for each layer.
"""

from __future__ import annotations

import socket
import struct

from ..errors import MalformedError
from . import key as recorder_key
from .http_parser import LARGEST_BODY, TooLargeRequest
from .libraries import Parser

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from .http_parser import Request, RequestParser

    Take = Callable[["Connection", Request], None]

READ_BYTES = 1 << 16
# Requests that wait for the answer to an earlier one on the same connection. Dovecot sends none.
MOST_WAITING = 16
REASONS = {
    200: "OK",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Request Entity Too Large",
    503: "Service Unavailable",
}
CLOSE_WITHOUT_TRACE = struct.pack("ii", 1, 0)  # socket(7), SO_LINGER: the kernel keeps nothing of the connection


def answer_of(status: int, body: bytes, is_last: bool) -> bytes:
    """Return an answer whose body is JSON; the connection is closed after the last."""
    return (
        f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"Connection: {'close' if is_last else 'keep-alive'}\r\n\r\n"
    ).encode() + body


class Connection:
    """A connection. For use in the event loop only.

    It is known once a head has shown the key, or from the beginning if none is needed.
    """

    __slots__ = (
        "_is_at_end",
        "_is_last",
        "_key",
        "_loop",
        "_owner",
        "_parser",
        "_take",
        "_waiting",
        "has_answered",
        "is_busy",
        "is_known",
        "is_stopping",
        "since",
        "socket",
    )

    def __init__(
        self, loop: asyncio.AbstractEventLoop, each: socket.socket, take: Take, owner: Owner, key: bytes | None, since: float
    ) -> None:
        """Serve the connected socket ``each``, from serve() on.

        ``take`` is called with each request, one at a time, and must have it answered.

        ``key`` is the secret that heads must show, or None. ``since`` is the present time by time.monotonic().
        """
        each.setblocking(False)
        self.socket = each
        self.since = since
        self.is_known = key is None
        # Whether a request is being processed, and whether the connection is to be closed after the answer to it.
        self.is_busy = False
        self.is_stopping = False
        self.has_answered = False
        self._loop = loop
        self._take = take
        self._owner = owner
        self._key = key
        # A stranger who says nothing costs neither.
        self._parser: RequestParser | None = None
        self._waiting: list[Request] = []
        self._is_last = False
        # The client sends nothing more; it may still wait for the answer.
        self._is_at_end = False

    def serve(self) -> None:
        """Read what is there, and from now on what arrives."""
        # With many connections, Dovecot's request has arrived by now, or the connection is closed already.
        self.read()
        if self.socket.fileno() >= 0 and not self._is_at_end:
            self._loop.add_reader(self.socket, self.read)

    def read(self) -> None:
        """Read what has arrived; called by the event loop."""
        try:
            data = self.socket.recv(READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self._end()
            return
        if self._parser is None:
            self._parser = Parser(self._owner.largest_body)  # type: ignore[misc]  # main.py has seen to it that there is one
        try:
            requests = self._parser.feed(data)
        except MalformedError as error:
            if not self.is_known and not self.shows_key(self._parser.keys or ()):
                self.refuse("a report without the right key", 403)
            else:
                self.refuse(f"report refused: {error}", 413 if isinstance(error, TooLargeRequest) else 400)
            return
        if not self.is_known and self._parser.keys is not None:
            if not self.shows_key(self._parser.keys):
                self.refuse("a report without the right key", 403)
                return
            self.is_known = True
            self._owner.known(self)
        if requests:
            self._waiting.extend(requests)
            if len(self._waiting) > MOST_WAITING:
                self.refuse("a client that waits for no answer", 400)
            elif not self.is_busy:
                self._take_next()

    def shows_key(self, keys: tuple[bytes, ...]) -> bool:
        """Return whether ``keys``, those of a request, are the key, or none is needed."""
        return self._key is None or (len(keys) == 1 and recorder_key.is_right(keys[0], self._key))

    def answer(self, status: int, body: bytes) -> None:
        """Send the answer to the request that take() was called with; the body is JSON."""
        self.answer_with((answer_of(status, body, False), answer_of(status, body, True)))

    def answer_with(self, answers: tuple[bytes, bytes]) -> None:
        """Send one of ``answers``, which are what answer_of() returns for one that is not the last and for one that is.

        It is sent whole, with one write. Dovecot's auth process dies of an answer that ends in the middle (``Panic: io_add(0x1)
        called twice``, 2.3 and 2.4.1), as it would if this process were killed between two writes.
        """
        is_last = self._is_last or self.is_stopping
        self._send(answers[is_last])
        self._is_answered(is_last)

    def refuse(self, message: str, status: int) -> None:
        """Send an answer, log ``message`` and close the connection."""
        self._owner.refused(message)
        self._send(answer_of(status, b"{}", True))
        self.close()

    def dismiss(self) -> None:
        """Have the other side close the connection: it sees the end of the stream."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has gone

    def close(self, without_trace: bool = False) -> None:
        """Close it; ``without_trace`` costs the kernel nothing afterwards."""
        if self.socket.fileno() < 0:
            return
        self._loop.remove_reader(self.socket)
        if without_trace:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, CLOSE_WITHOUT_TRACE)
        if self._parser is not None:
            self._parser.close()
        self._owner.closed(self)
        self.socket.close()

    def _take_next(self) -> None:
        while self._waiting and not self.is_busy and self.socket.fileno() >= 0:
            request = self._waiting.pop(0)
            self.is_busy = True
            self._is_last = request.is_last
            self._take(self, request)

    def _send(self, data: bytes) -> None:
        if self.socket.fileno() >= 0:
            self.has_answered = True
            try:
                if self.socket.send(data) == len(data):
                    return
            except OSError:
                pass
            # The client has gone, or does not read its answers.
            self._is_at_end = True

    def _is_answered(self, is_last: bool) -> None:
        self.is_busy = False
        if is_last or (self._is_at_end and not self._waiting):
            self.close()
        elif self._waiting:
            # Not at once: a client that sends many must not fill the stack.
            self._loop.call_soon(self._take_next)

    def _end(self) -> None:
        """Take note that no more data comes; a request that is being processed is finished first."""
        self._is_at_end = True
        if self.is_busy or self._waiting:
            self._loop.remove_reader(self.socket)
        else:
            self.close()


class Owner:
    """What a connection reports of itself, and how large the body of a request may be, in bytes."""

    largest_body = LARGEST_BODY

    def known(self, connection: Connection) -> None:
        """Note that ``connection`` has shown the key."""
        raise NotImplementedError

    def closed(self, connection: Connection) -> None:
        """Note that ``connection`` is being closed; its socket is still open."""
        raise NotImplementedError

    def refused(self, message: str) -> None:
        """Log that a connection was refused, and why."""
        raise NotImplementedError
