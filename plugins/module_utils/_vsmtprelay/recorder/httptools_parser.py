# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The requests on one connection, as httptools parses them: the parser of Node.js, in C. Debian and Ubuntu have it."""

from __future__ import annotations

try:
    import httptools
except ImportError:
    httptools = None  # type: ignore[assignment]

from ..errors import MalformedError
from .http_parser import KEY_HEADERS, LARGEST_BODY, RequestParser, key_in

IS_INSTALLED = httptools is not None

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class HttptoolsParser(RequestParser):
    """Parses with httptools, which calls the methods with the names that it knows."""

    def __init__(self, largest_body: int = LARGEST_BODY) -> None:
        super().__init__(largest_body)
        self._parser: Any = httptools.HttpRequestParser(self)

    def close(self) -> None:
        """Free the memory."""
        self._parser = None

    def _feed(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            raise MalformedError(f"not HTTP: {error}") from None

    def on_url(self, url: bytes) -> None:
        """Take a part of the target."""
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        name = name.lower()
        if name in KEY_HEADERS:
            self.fields.append(key_in(name, value))

    def on_headers_complete(self) -> None:
        """Take the end of the head."""
        self.head_is_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self.add_to_body(body)

    def on_message_complete(self) -> None:
        """Take the end of the request."""
        self.end(self._parser.get_method(), not self._parser.should_keep_alive())
