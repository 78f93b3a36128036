# SPDX-License-Identifier: GPL-3.0-or-later
"""A local user who keeps many connections to the recorder's port: silent ones, slow ones, or new ones all the time.

Prints "ready" when it has had as many as it wants, goes on until its standard input ends or the time is over, and prints
what it did as JSON.
"""

import argparse
import collections
import json
import resource
import select
import socket
import sys
import time

OPENED_IN_A_ROW = 500


class Attack:
    """Connections to 127.0.0.1, kept at a number: what the service closes is opened again."""

    def __init__(self, port, connections, way):
        self._address = ("127.0.0.1", port)
        self._wanted = connections
        self._way = way
        self._poll = select.epoll()
        self._open = collections.OrderedDict()
        self._next_byte = 0.0
        self.counts = {"opened": 0, "closed_by_service": 0, "could_not_open": 0}

    def work(self):
        """Do for a moment what the attack consists of."""
        if self._way == "flood":
            while len(self._open) > self._wanted - OPENED_IN_A_ROW:
                self._close(next(iter(self._open)))
        for _ in range(min(OPENED_IN_A_ROW, self._wanted - len(self._open))):
            self._connect()
        if self._way == "trickle" and time.monotonic() > self._next_byte:
            self._next_byte = time.monotonic() + 1
            for each in self._open.values():
                try:
                    each.send(b"P")
                except OSError:
                    pass  # not connected yet, or closed: the latter is found below
        for descriptor, _ in self._poll.poll(0 if self._way == "flood" else 0.02):
            try:
                gone = self._open[descriptor].recv(1000) == b""
            except BlockingIOError:
                gone = False
            except OSError:
                gone = True
            if gone:
                self.counts["closed_by_service"] += 1
                self._close(descriptor)

    def _connect(self):
        connection = socket.socket()
        connection.setblocking(False)
        try:
            connection.connect(self._address)
        except BlockingIOError:
            pass
        except OSError:
            self.counts["could_not_open"] += 1
            connection.close()
            return
        self.counts["opened"] += 1
        self._open[connection.fileno()] = connection
        self._poll.register(connection, select.EPOLLIN)

    def _close(self, descriptor):
        self._poll.unregister(descriptor)
        self._open.pop(descriptor).close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("way", choices=["silent", "trickle", "flood"])
    parser.add_argument("--port", type=int, default=785)
    parser.add_argument("--connections", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    attack = Attack(options.port, options.connections, options.way)
    end = time.monotonic() + options.seconds
    ready = False
    while time.monotonic() < end:
        attack.work()
        if not ready and attack.counts["opened"] >= options.connections:
            ready = True
            print("ready", flush=True)
        if select.select([sys.stdin], [], [], 0)[0]:
            break
    print(json.dumps(attack.counts))


main()
