# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The name server of the sandbox: the same answers everywhere, without a query to the world.

sendmail asks for its own name, for the name and the address of a client, and for the hosts of a recipient. A query that gets
lost would take 5 seconds and change what check_rcpt answers. So here the names of questions.py exist, those below
``fails.example`` fail temporarily, and no other one exists.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading

PORT = 53
ADDRESS = "127.0.0.1"
# Names are compared in lower case. From networks reserved for documentation (RFC 5737) and names (RFC 2606).
ADDRESSES = {
    "mail.stranger.example": "203.0.113.77",
    "stranger.example": "203.0.113.77",
    "remote.example": "203.0.113.200",
    "mx.remote.example": "203.0.113.200",
}
EXCHANGERS = {"remote.example": "mx.remote.example", "stranger.example": "mail.stranger.example"}
POINTERS = {"77.113.0.203.in-addr.arpa": "mail.stranger.example"}
FAILING = "fails.example"
# RFC 1035, section 3.2.2 and 4.1.1.
A, PTR, MX, ANY = 1, 12, 15, 255
NO_ERROR, SERVER_FAILURE, NAME_ERROR = 0, 2, 3
IS_ANSWER, IS_AUTHORITATIVE, RECURSION = 0x8000, 0x0400, 0x0180
SECONDS_TO_LIVE = 60
LARGEST_QUERY = 512


class Resolver:
    """Answers queries in a thread; a context manager.

    It is made in one thread and opened in another one: a thread that has left its namespaces cannot start threads (clone(2)).
    """

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._is_open = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Resolver:
        self._thread.start()
        return self

    def __exit__(self, *unused: object) -> None:
        """End the thread."""
        self._is_open.set()
        if self._socket is not None:
            # It ends recvfrom(2) in the thread, which close(2) does not, even though it fails: the socket is not connected.
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        if self._socket is not None:
            self._socket.close()

    def open(self) -> None:
        """Listen at port 53 of the loopback address of the network namespace of this thread. Raises OSError."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((ADDRESS, PORT))
        self._is_open.set()

    def _serve(self) -> None:
        self._is_open.wait()
        while self._socket is not None:
            try:
                query, client = self._socket.recvfrom(LARGEST_QUERY)
                if not client:
                    return
                answer = answer_to(query)
                if answer:
                    self._socket.sendto(answer, client)
            except OSError:
                return


def answer_to(query: bytes) -> bytes:
    """Return the answer to a DNS ``query`` (RFC 1035, section 4), empty if it is malformed."""
    try:
        number, _flags, questions = struct.unpack_from(">HHH", query)
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode("ascii", "replace").lower())
            at += 1 + query[at]
        (kind,) = struct.unpack_from(">H", query, at + 1)
        question = query[12 : at + 5]
    except (struct.error, IndexError):
        return b""
    if questions != 1 or len(question) < at - 7:
        return b""
    name = ".".join(labels)
    records = [(record, data) for record, data in _records(name) if kind in (record, ANY)]
    if name == FAILING or name.endswith("." + FAILING):
        code = SERVER_FAILURE
    else:
        code = NO_ERROR if any(True for _record in _records(name)) else NAME_ERROR
    head = struct.pack(">HHHHHH", number, IS_ANSWER | IS_AUTHORITATIVE | RECURSION | code, 1, len(records), 0, 0)
    # 0xC00C points to the name of the question.
    answers = [struct.pack(">HHHIH", 0xC00C, record, 1, SECONDS_TO_LIVE, len(data)) + data for record, data in records]
    return head + question + b"".join(answers)


def _records(name: str) -> list[tuple[int, bytes]]:
    records = []
    if name in ADDRESSES:
        records.append((A, socket.inet_aton(ADDRESSES[name])))
    if name in EXCHANGERS:
        records.append((MX, struct.pack(">H", 10) + _encoded(EXCHANGERS[name])))
    if name in POINTERS:
        records.append((PTR, _encoded(POINTERS[name])))
    return records


def _encoded(name: str) -> bytes:
    return b"".join(bytes((len(label),)) + label.encode() for label in name.split(".")) + b"\0"
