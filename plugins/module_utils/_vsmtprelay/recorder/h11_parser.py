# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The requests on one connection, as h11 parses them: in Python, in ten times the time. EPEL 9 has no httptools."""

from __future__ import annotations

try:
    import h11
except ImportError:
    h11 = None  # type: ignore[assignment]

from ..errors import MalformedError
from .http_parser import KEY_HEADERS, LARGEST_BODY, LONGEST_HEAD, RequestParser, key_in

IS_INSTALLED = h11 is not None

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class H11Parser(RequestParser):
    """Parses with h11."""

    def __init__(self, largest_body: int = LARGEST_BODY) -> None:
        super().__init__(largest_body)
        self._connection: Any = h11.Connection(h11.SERVER, max_incomplete_event_size=LONGEST_HEAD)
        self._method = b""
        self._is_last = False

    def _feed(self, data: bytes) -> None:
        try:
            self._connection.receive_data(data)
            while True:
                event = self._connection.next_event()
                if isinstance(event, h11.Request):
                    self._method, self.target = event.method, event.target
                    self.fields = [key_in(name, value) for name, value in event.headers if name in KEY_HEADERS]
                    self.head_is_complete()
                elif isinstance(event, h11.Data):
                    self.add_to_body(bytes(event.data))
                elif isinstance(event, h11.EndOfMessage):
                    self._is_last = self._connection.our_state is h11.MUST_CLOSE or not self._keeps_alive()
                    self.end(self._method, self._is_last)
                    if self._is_last:
                        return
                else:
                    return
        except h11.ProtocolError as error:
            raise MalformedError(f"not HTTP: {error}") from None

    def _keeps_alive(self) -> bool:
        """Have h11 expect the next request; return whether there may be one."""
        # The answer is written elsewhere; h11 has only to know that there is one.
        self._connection.send(h11.Response(status_code=200, headers=[(b"content-length", b"0")]))
        self._connection.send(h11.EndOfMessage())
        if self._connection.our_state is not h11.DONE:
            return False
        self._connection.start_next_cycle()
        return True
