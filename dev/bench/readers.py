# SPDX-License-Identifier: GPL-3.0-or-later
"""Many hosts that read from one engine, as a program of its own: it is run with the network of a client.

It reads what to do from standard input (JSON, see Order), prints a line when all readers are connected, and then a JSON
dictionary: how often readers were woken, how many events each had, and how old an event was at most when the reader took it.

The readers do what the sharer does: XREAD over the streams of several hosts, BLOCK 1000, and a pause of 50 ms after each batch.
One loop serves them all, since they share the cores with the engine. Events are in the first stream only.
"""

from __future__ import annotations

import heapq
import json
import re
import resource
import select
import socket
import ssl
import sys
import time
from dataclasses import dataclass

PAUSE_SECONDS = 0.05
IDENTIFIER = re.compile(rb"\r\n(\d{13})(-\d+)\r\n")


@dataclass
class Order:
    """``readers`` connections of ``user`` to ``server``, each over all streams ``keys``, for ``seconds``."""

    server: str
    port: int
    user: str
    secret: str
    readers: int
    keys: list[str]
    seconds: float


class Reader:
    """One host that reads."""

    def __init__(self, order: Order, context: ssl.SSLContext, last: bytes) -> None:
        """Connect, and read what comes after the identifier ``last``."""
        self.socket = context.wrap_socket(socket.create_connection((order.server, order.port)))
        self.socket.sendall(_command("AUTH", order.user, order.secret))
        if not self.socket.recv(512).startswith(b"+OK"):
            raise SystemExit("the engine does not let the reader in")
        self.socket.setblocking(False)
        self._keys = order.keys
        self._others = ["0-0"] * (len(order.keys) - 1)
        self.last = last
        self.events = 0
        self.delay = 0.0

    def ask(self) -> None:
        """Ask for what comes next."""
        words = ["XREAD", "COUNT", "200", "BLOCK", "1000", "STREAMS", *self._keys, self.last.decode(), *self._others]
        self.socket.sendall(_command(*words))

    def take(self) -> bool | None:
        """Take an answer; return whether it has events, None if there is none yet."""
        try:
            answer = self.socket.recv(65536)
        except ssl.SSLWantReadError:
            return None
        if not answer:
            raise SystemExit("the engine has closed a connection")
        found = IDENTIFIER.findall(answer)
        if not found:
            return False
        self.events += len(found)
        self.last = b"".join(found[-1])
        # The first of a batch has waited longest.
        self.delay = max(self.delay, time.time() - int(found[0][0]) / 1000)
        return True


def main() -> None:
    order = Order(**json.load(sys.stdin))
    soft, hard = order.readers + 100, resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 1024), hard), hard))
    context = ssl.create_default_context()
    # What is measured is the engine; whom the readers trust makes no difference to it.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    last = f"{int(time.time() * 1000)}-0".encode()
    readers = [Reader(order, context, last) for _ in range(order.readers)]
    print("connected", flush=True)
    wakes = _serve(readers, order.seconds)
    print(json.dumps({"wakes": wakes, "events": [each.events for each in readers], "delays": [each.delay for each in readers]}))


def _serve(readers: list[Reader], seconds: float) -> int:
    """Let ``readers`` read for so long; return how often an answer had events."""
    waiting, by_number = select.epoll(), {reader.socket.fileno(): reader for reader in readers}
    for number, reader in by_number.items():
        waiting.register(number, select.EPOLLIN)
        reader.ask()
    pausing: list[tuple[float, int]] = []
    wakes, end = 0, time.monotonic() + seconds
    while (now := time.monotonic()) < end:
        while pausing and pausing[0][0] <= now:
            by_number[heapq.heappop(pausing)[1]].ask()
        until = pausing[0][0] if pausing else now + 0.1
        for number, _event in waiting.poll(max(0.0, min(until, end) - now)):
            has_events = by_number[number].take()
            if has_events:
                wakes += 1
                heapq.heappush(pausing, (time.monotonic() + PAUSE_SECONDS, number))
            elif has_events is False:
                by_number[number].ask()
    return wakes


def _command(*words: str) -> bytes:
    parts = [f"*{len(words)}\r\n", *(f"${len(word)}\r\n{word}\r\n" for word in words)]
    return "".join(parts).encode()


if __name__ == "__main__":
    main()
