# SPDX-License-Identifier: GPL-3.0-or-later
"""POP3 logins from a client's addresses, as a program of its own: it is run with the network of that client.

It reads what to do from standard input (JSON, see Order) and prints, for each turn, the seconds that the turn took and those
from PASS to the answer of each login. One loop serves all sessions: the load shares its cores with the server.
"""

from __future__ import annotations

import ipaddress
import json
import select
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter

# Every connection comes from an address of its own.
CLIENT_NETWORK = ipaddress.ip_network("198.18.0.0/15")
SILENCE_SECONDS = 30


@dataclass
class Order:
    """``turns`` are ports, one turn after the other, each of ``logins`` logins, ``together`` of them at a time."""

    server: str
    users: list[list[str]]
    turns: list[int]
    logins: int
    together: int
    first_address: int


class Session:
    """One login, step by step; ``took`` is None until the server has answered the password."""

    def __init__(self, order: Order, port: int, number: int) -> None:
        """Connect to ``port`` from the address with this ``number``."""
        self._user, self._password = order.users[number % len(order.users)]
        self._said = 0
        self._asked = 0.0
        self.took: float | None = None
        self.socket = socket.socket()
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.bind((str(CLIENT_NETWORK[number + 1]), 0))
        self.socket.setblocking(False)
        self.socket.connect_ex((order.server, port))

    def go_on(self) -> bool:
        """Take what the server says and say the next; return whether this was the last."""
        answer = self.socket.recv(512)
        now = perf_counter()
        if not answer.startswith(b"+OK"):
            raise SystemExit(f"the server does not let {self._user} in: {answer!r}")
        self._said += 1
        if self._said == 1:
            self.socket.send(f"USER {self._user}\r\n".encode())
        elif self._said == 2:
            self._asked = perf_counter()
            self.socket.send(f"PASS {self._password}\r\n".encode())
        elif self._said == 3:
            self.took = now - self._asked
            self.socket.send(b"QUIT\r\n")
        else:
            self.socket.close()
            return True
        return False


def main() -> None:
    order = Order(**json.load(sys.stdin))
    numbers = iter(range(order.first_address, CLIENT_NETWORK.num_addresses - 1))
    print(json.dumps([_turn(order, port, numbers) for port in order.turns]))


def _turn(order: Order, port: int, numbers: Iterator[int]) -> tuple[float, list[float]]:
    begun, took = 0, []
    sessions: dict[int, Session] = {}
    waiting = select.epoll()
    begin = perf_counter()
    while len(took) < order.logins:
        while begun < order.logins and len(sessions) < order.together:
            session = Session(order, port, next(numbers))
            sessions[session.socket.fileno()] = session
            waiting.register(session.socket.fileno(), select.EPOLLIN)
            begun += 1
        events = waiting.poll(SILENCE_SECONDS)
        if not events:
            raise SystemExit(f"the server has said nothing for {SILENCE_SECONDS} seconds")
        for number, _event in events:
            session = sessions[number]
            if session.go_on():
                del sessions[number]
                assert session.took is not None
                took.append(session.took)
    return perf_counter() - begin, took


if __name__ == "__main__":
    main()
