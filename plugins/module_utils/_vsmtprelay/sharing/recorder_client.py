# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The recorder as the sharer reaches it: HTTP on a Unix socket, of which only the sharer can see the file."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from typing import NamedTuple
from urllib.parse import urlencode

from ..errors import RelayError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SOCKET = "/run/vsmtprelay-share/recorder"
# Beside what the recorder waits for by itself.
ANSWER_SECONDS = 5.0
ENTRIES = "/shared/entries"
LONGEST_REASON = 200


class RecorderError(RelayError):
    """The recorder cannot be reached, or did not answer as expected; the message names the socket and the remedy."""

    exit_status = 69  # EX_UNAVAILABLE


class NoEntries(RecorderError):
    """The recorder does not have the entries that were asked for: they are unreadable, or were asked for too late."""


class Outbox(NamedTuple):
    """What happened on this host: ``events`` are (number, server, key, op, ms).

    The numbers count for this ``instance`` of the recorder. ``is_lost`` says that there were more events.
    """

    instance: str
    boot: str
    is_lost: bool
    events: list[tuple[int, str, str, str, int]]


class Written(NamedTuple):
    """What became of changes: the servers whose database has them, the reasons of those that failed, and what was refused."""

    written: list[str]
    failed: dict[str, str]
    refused: dict[str, int]


class RecorderClient:
    """A connection to the recorder, made again when it is needed; for one thread."""

    def __init__(self, path: str = SOCKET) -> None:
        self._path = path
        self._connection: RecorderConnection | None = None
        self._is_closed = False

    def close(self) -> None:
        """Close it permanently. Another thread that waits for an answer gets a RecorderError."""
        self._is_closed = True
        self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(OSError, AttributeError):
                connection.sock.shutdown(socket.SHUT_RDWR)
            connection.close()

    def outbox(self, instance: str, after: int, wait_ms: int) -> Outbox:
        """Return the next events, and acknowledge those up to the number ``after`` of ``instance``. Raises RecorderError."""
        query = urlencode({"instance": instance, "after": after, "wait": wait_ms})
        answer = self._ask("GET", f"/shared/outbox?{query}", wait_ms / 1000)
        try:
            events = [(int(n), str(server), str(key), str(op), int(ms)) for n, server, key, op, ms in answer["events"]]
            return Outbox(str(answer["instance"]), str(answer["boot"]), bool(answer["lost"]), events)
        except (KeyError, TypeError, ValueError):
            raise self._unexpected() from None

    def change(self, servers: dict[str, dict[str, dict[str, int]]]) -> Written:
        """Write logins and revocations: server → "logins" or "revoked" → key → epoch seconds. Raises RecorderError."""
        answer = self._ask("POST", "/shared/changes", 0, json.dumps({"servers": servers}).encode())
        try:
            failed = {str(name): str(reason) for name, reason in answer["failed"].items()}
            refused = {str(reason): int(number) for reason, number in answer["refused"].items()}
            return Written(list(map(str, answer["written"])), failed, refused)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise self._unexpected() from None

    def entries(self, server: str, page: int) -> tuple[int, list[tuple[str, int]]]:
        """Return how many pages the database of ``server`` has, and the entries (key, epoch seconds) of one page.

        Raises RecorderError.
        """
        answer = self._ask("GET", f"{ENTRIES}?{urlencode({'server': server, 'page': page})}", 5.0)
        try:
            return int(answer["pages"]), [(str(key), int(seconds)) for key, seconds in answer["entries"]]
        except (KeyError, TypeError, ValueError):
            raise self._unexpected() from None

    def _ask(self, method: str, path: str, wait_seconds: float, body: bytes | None = None) -> Any:
        if self._is_closed:
            raise RecorderError(f"{self._path}: closed")
        is_new = self._connection is None
        connection = self._connection = self._connection or RecorderConnection(self._path, ANSWER_SECONDS)
        try:
            connection.set_timeout(wait_seconds + ANSWER_SECONDS)
            connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._drop()
            if not is_new and not self._is_closed and isinstance(error, (ConnectionError, http.client.BadStatusLine)):
                # The recorder was started again. All requests may come twice.
                return self._ask(method, path, wait_seconds, body)
            raise RecorderError(
                f"{self._path}: {error or type(error).__name__}; see systemctl status vsmtprelay-recorder"
            ) from None
        if response.status != http.client.OK:
            where = path.partition("?")[0]
            kind = NoEntries if where == ENTRIES else RecorderError
            raise kind(f"{self._path}: the recorder answered {response.status} to {where}: {_reason(content)}")
        try:
            return json.loads(content)
        except ValueError:
            raise self._unexpected() from None

    def _unexpected(self) -> RecorderError:
        return RecorderError(f"{self._path}: the answer is not understood; run the role again, so that both are of one version")


def _reason(content: bytes) -> str:
    try:
        return str(json.loads(content)["error"])
    except (ValueError, KeyError, TypeError):
        return content[:LONGEST_REASON].decode("utf-8", "backslashreplace")


class RecorderConnection(http.client.HTTPConnection):
    """HTTP over one of the recorder's sockets, at ``path``."""

    def __init__(self, path: str, seconds: float) -> None:
        super().__init__("vsmtprelay.invalid", timeout=seconds)
        self._path = path

    def set_timeout(self, seconds: float) -> None:
        """Wait at most that long for each part of an answer. Raises OSError."""
        self.timeout = seconds
        if self.sock is not None:
            self.sock.settimeout(seconds)

    def connect(self) -> None:
        """Connect. Raises OSError."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
