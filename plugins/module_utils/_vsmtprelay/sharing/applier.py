# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The applier: brings what has become known to the databases, by way of the recorder."""

from __future__ import annotations

import time

from .log import WARNING, Seldom, say
from .merge import LOGIN, REVOKED
from .recorder_client import RecorderClient
from .requests import LARGEST_CHANGES, MOST_KEYS, MOST_SERVERS
from .worker import Worker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .clock import Clock
    from .status import Status
    from .store import Store, Task

# Around a key in the body of a request: quotes, colon, comma, and the digits of its second.
BYTES_OF_ENTRY = 18
BYTES_OF_SERVER = 60
# How long a server whose database could not be written waits, while the others go on.
FIRST_WAIT = 0.2
LONGEST_WAIT = 2.0
IDLE_SECONDS = 30.0


class Applier(Worker):
    """Writes the databases."""

    def __init__(self, path: str, store: Store, status: Status, clock: Clock, damaged: Callable[[str], None]) -> None:
        """``path`` is the recorder's socket."""
        super().__init__("write the databases", status.recorder_failed, damaged)
        self._client = RecorderClient(path)
        self._store = store
        self._status = status
        self._clock = clock
        # By server: until when it waits, and for how long the next time; and why.
        self._waiting: dict[str, tuple[float, float]] = {}
        self._failed_servers: dict[str, str] = {}
        # The last one of the request before: the next request begins behind it.
        self._last = ""
        self._seldom = Seldom()

    def interrupt(self) -> None:
        """End the waiting for an answer."""
        self._client.close()

    def work(self) -> None:
        """Write what is to be written until the recorder fails."""
        while not self.is_stopped:
            self._clock.follow()
            now = time.monotonic()
            waiting = {server for server, (until, _next) in self._waiting.items() if until > now}
            tasks = self._store.todo(self._clock.now(), MOST_KEYS, waiting, MOST_SERVERS, self._last)
            if tasks:
                self._last = [*tasks][-1]
                self._write(tasks)
                self.succeeded()
                continue
            self.succeeded()
            rest = min((until - now for until, _next in self._waiting.values() if until > now), default=IDLE_SECONDS)
            self.wake.wait(rest)

    def _write(self, todo: dict[str, list[Task]]) -> None:
        servers, tasks = request_of(todo)
        if servers:
            result = self._client.change(servers)
            self._status.recorder_answered()
        for server, done in tasks.items():
            # Of a server that is not in the request, nothing matters any more.
            if server in servers and (server in result.failed or not (server in result.written or result.refused)):
                self._put_off(server, result.failed.get(server, "the recorder does not know it"))
            else:
                self._store.done(server, done)
                self._waiting.pop(server, None)
                self._failed_servers.pop(server, None)
        self._status.failed_servers({**self._failed_servers})
        if servers:
            for reason, number in result.refused.items():
                if self._seldom.is_due(reason):
                    say(WARNING, f"the recorder refused {number} entries, and perhaps more of them: {reason}")

    def _put_off(self, server: str, reason: str) -> None:
        _until, wait = self._waiting.get(server, (0.0, FIRST_WAIT))
        self._failed_servers[server] = reason
        self._waiting[server] = time.monotonic() + wait, min(wait * 2, LONGEST_WAIT)
        if wait == FIRST_WAIT:
            say(WARNING, f"{server}: its database was not written, and is tried again: {reason}")


def request_of(todo: dict[str, list[Task]]) -> tuple[dict[str, dict[str, dict[str, int]]], dict[str, list[Task]]]:
    """Return the body of a request that the recorder takes, and what is done with it, by server."""
    servers: dict[str, dict[str, dict[str, int]]] = {}
    tasks: dict[str, list[Task]] = {}
    room = LARGEST_CHANGES
    for server, each in todo.items():
        room -= len(server) + BYTES_OF_SERVER
        for task in each:
            room -= len(task.key) + BYTES_OF_ENTRY
            if room < 0:
                return servers, tasks
            tasks.setdefault(server, []).append(task)
            if task.wanted is not None:
                kind, seconds = task.wanted
                servers.setdefault(server, {LOGIN: {}, REVOKED: {}})[kind][task.key] = seconds
    return servers, tasks
