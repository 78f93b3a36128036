# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The requests on one connection, as a library parses them: httptools, or h11 where that is not packaged.

This is what both have in common.
"""

from __future__ import annotations

import binascii
from typing import NamedTuple

from ..errors import MalformedError
from .key import HEADER

KEY_HEADER = HEADER.lower().encode()
# Dovecot's event exporter can set no header, but sends the password in its URL so (RFC 7617).
PASSWORD_HEADER = b"authorization"
KEY_HEADERS = (KEY_HEADER, PASSWORD_HEADER)
LONGEST_HEAD = 4096  # bytes; Dovecot's has about 400
LARGEST_BODY = 64 << 10  # bytes; Dovecot's own limit of a user name is far below


class TooLargeRequest(MalformedError):
    """The body of a request is larger than may be."""


class Request(NamedTuple):
    """A request: its method, its path and query as they were sent, and its body.

    ``keys`` are the keys that its headers show, as key_in() returns them. ``is_last`` is whether the client wants the
    connection closed after it.
    """

    method: str
    path: str
    query: str
    keys: tuple[bytes, ...]
    body: bytes
    is_last: bool


def key_in(name: bytes, value: bytes) -> bytes:
    """Return the key that a header shows whose ``name``, in lower case, is one of KEY_HEADERS.

    Of Basic authorization it is the password; of any other, and of what is malformed, it is empty, which no key is.
    """
    if name == KEY_HEADER:
        return value
    scheme, _blank, credentials = value.strip().partition(b" ")
    try:
        return binascii.a2b_base64(credentials).partition(b":")[2] if scheme.lower() == b"basic" else b""
    except binascii.Error:
        return b""


class RequestParser:
    """The request that is being received, and those that are complete. A subclass has the library."""

    def __init__(self, largest_body: int = LARGEST_BODY) -> None:
        """Take bodies of at most ``largest_body`` bytes."""
        self._largest_body = largest_body
        # The keys in the head that was read last; None while the first head is not complete.
        self.keys: tuple[bytes, ...] | None = None
        self._complete: list[Request] = []
        # Of the request that is being received: its target, and the keys that its headers show.
        self.target = b""
        self.fields: list[bytes] = []
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._is_too_large = False
        self._head_bytes = 0
        self._is_in_head = True

    def feed(self, data: bytes) -> list[Request]:
        """Return the requests that are complete with the next bytes of the connection.

        Raises MalformedError if that is not HTTP or the head is longer than LONGEST_HEAD, TooLargeRequest.
        """
        self._feed(data)
        if self._is_too_large:
            raise TooLargeRequest(f"more than {self._largest_body} bytes")
        if self._is_in_head and not self._complete:
            self._head_bytes += len(data)
            if self._head_bytes > LONGEST_HEAD:
                raise MalformedError("the head is too long")
        complete, self._complete = self._complete, []
        return complete

    def close(self) -> None:
        """Free the memory, which the library and this object keep for each other."""

    def _feed(self, data: bytes) -> None:
        raise NotImplementedError

    def _begin(self) -> None:
        self.target = b""
        self.fields = []
        self._body = []
        self._body_bytes = 0
        self._is_in_head = True

    def head_is_complete(self) -> None:
        """Note that ``target`` and ``fields`` are complete."""
        self.keys = tuple(self.fields)
        self._is_in_head = False
        self._head_bytes = 0

    def add_to_body(self, data: bytes) -> None:
        """Take a part of the body."""
        self._body_bytes += len(data)
        if self._body_bytes > self._largest_body:
            self._is_too_large = True
        else:
            self._body.append(data)

    def end(self, method: bytes, is_last: bool) -> None:
        """Note that the request is complete."""
        target = self.target
        if not target.startswith(b"/"):
            # The absolute form (RFC 9112, section 3.2.2), which Dovecot 2.4 sends.
            _scheme, _slashes, rest = target.partition(b"://")
            target = b"/" + rest.partition(b"/")[2]
        path, _mark, query = target.decode("ascii", "replace").partition("?")
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._complete.append(Request(method.decode("ascii", "replace"), path, query, self.keys or (), body, is_last))
        self._begin()
