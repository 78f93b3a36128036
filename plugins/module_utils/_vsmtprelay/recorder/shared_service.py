# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The recorder's HTTP for the sharer, on a socket of its own: events out, changes in, and the entries of a database.

- ``GET /shared/outbox?instance=I&after=N&wait=MS`` acknowledges the events of the instance up to N and returns the next ones,
  as Handover.answer() does, as soon as there are some.
- ``POST /shared/changes`` with ``{"servers": {NAME: {"logins": {KEY: seconds}, "revoked": {KEY: seconds}}}}`` returns
  ``{"written": [NAME], "failed": {NAME: reason}, "refused": {reason: keys}}``.
- ``GET /shared/entries?server=NAME&page=K`` returns ``{"page": K, "pages": M, "entries": [[KEY, seconds]]}``.

The sharer talks to other hosts, so whatever it says is checked here once more.
"""

from __future__ import annotations

import asyncio
import collections
import json
import socket
import time
from urllib.parse import parse_qsl

from ..entries.addresses import is_key
from ..entries.timestamps import LAST_TIMESTAMP
from ..errors import MalformedError
from ..sharing.requests import MOST_KEYS, MOST_SERVERS
from .connection import answer_of
from .login import object_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..servers.virtual_servers import VirtualServers
    from ..sharing.handover import Handover
    from .connection import Connection
    from .http_parser import Request
    from .journal import RecorderLog
    from .login import LoginReader
    from .writers import Writers

OUTBOX = "/shared/outbox"
CHANGES = "/shared/changes"
ENTRIES = "/shared/entries"
LONGEST_WAIT = 10_000  # milliseconds
# After so many keys that are checked the event loop serves logins that wait.
SLICE = 50
# A database that takes longer is reported as failed, and written all the same.
WRITE_SECONDS = 1.0
# How long the pages of a database are kept after the first was read, and of how many databases.
SNAPSHOT_SECONDS = 10.0
MOST_SNAPSHOTS = 4
STILL_WRITTEN = "is still being written"
# More than the kernel's default, so that the largest page is sent at once.
SEND_BYTES = 1 << 19


class _Changes:
    """What is to be written to one database: epoch seconds by key."""

    __slots__ = ("logins", "revoked")

    def __init__(self, logins: dict[str, int], revoked: dict[str, int]) -> None:
        self.logins = logins
        self.revoked = revoked

    def __bool__(self) -> bool:
        return bool(self.logins or self.revoked)

    def without(self, other: _Changes) -> _Changes:
        """Return what ``other`` does not have."""
        logins = {key: second for key, second in self.logins.items() if other.logins.get(key) != second}
        return _Changes(logins, {key: second for key, second in self.revoked.items() if other.revoked.get(key) != second})


class _Poll:
    """A request for events that waits for one."""

    __slots__ = ("connection", "instance", "timer")

    def __init__(self, connection: Connection, instance: str) -> None:
        self.connection = connection
        self.instance = instance
        self.timer: asyncio.TimerHandle | None = None


class SharedService:
    """Takes the requests of the sharer. For use in the event loop only."""

    def __init__(
        self, servers: VirtualServers, reader: LoginReader, writers: Writers, handover: Handover, log: RecorderLog
    ) -> None:
        self._servers = {server.name: server for server in servers.servers}
        self._reader = reader
        self._writers = writers
        self._handover = handover
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._polls: list[_Poll] = []
        self._is_due = False
        self._is_ending = False
        # By virtual server: what was begun and nobody was answered about yet, and its result to come.
        self._works: dict[str, tuple[_Changes, asyncio.Future[str]]] = {}
        self._pages: collections.OrderedDict[str, list[bytes]] = collections.OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._faults: set[str] = set()
        handover.arrived = self._events_arrived

    def take(self, connection: Connection, request: Request) -> None:
        """Have ``request``, which came on ``connection``, answered."""
        method = {OUTBOX: "GET", CHANGES: "POST", ENTRIES: "GET"}.get(request.path)
        if method is None:
            connection.answer(404, b"{}")
        elif request.method != method:
            connection.answer(405, b"{}")
        else:
            try:
                if request.path == OUTBOX:
                    self._take_poll(connection, dict(parse_qsl(request.query)))
                elif request.path == CHANGES:
                    self._start(self._take_changes(connection, _servers_in(request.body)))
                else:
                    self._start(self._take_entries(connection, dict(parse_qsl(request.query))))
            except MalformedError as error:
                self._log.count("refused", f"request of the sharer refused: {error}")
                connection.answer(400, _json(error=str(error)))

    def look(self) -> None:
        """Look for events of root's programs; called regularly."""
        self._handover.look()

    def finish(self) -> None:
        """Answer all who wait for events: there are no more in this recorder."""
        self._is_ending = True
        self._answer_polls()

    def _start(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # Events

    def _take_poll(self, connection: Connection, query: dict[str, str]) -> None:
        instance = query.get("instance", "")
        self._handover.acknowledge(instance, _number(query, "after"))
        wait = min(_number(query, "wait"), LONGEST_WAIT)
        if self._is_ending or not wait or not self._handover.is_empty():
            _answer(connection, json.dumps(self._handover.answer(instance)).encode())
            return
        poll = _Poll(connection, instance)
        poll.timer = self._loop.call_later(wait / 1000, self._answer_poll, poll)
        self._polls.append(poll)

    def _events_arrived(self) -> None:
        """Have those who wait answered, after the login whose event it is."""
        if self._polls and not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._answer_polls)

    def _answer_polls(self) -> None:
        self._is_due = False
        for poll in list(self._polls):
            self._answer_poll(poll)

    def _answer_poll(self, poll: _Poll) -> None:
        if poll.timer is not None:
            poll.timer.cancel()
        self._polls.remove(poll)
        _answer(poll.connection, json.dumps(self._handover.answer(poll.instance)).encode())

    # Changes

    async def _take_changes(self, connection: Connection, wanted: dict[str, _Changes]) -> None:
        refused: collections.Counter[str] = collections.Counter()
        failed: dict[str, str] = {}
        works = {}
        for name, changes in wanted.items():
            if name not in self._servers:
                failed[name] = "no such virtual server on this host"
                refused["unknown server"] += len(changes.logins) + len(changes.revoked)
            else:
                fitting = await self._fitting(changes, refused)
                works[name] = asyncio.ensure_future(self._write(name, fitting, time.monotonic() + WRITE_SECONDS))
        if works:
            await asyncio.wait(works.values())
        written = []
        for name, work in works.items():
            reason = work.result()
            if reason:
                failed[name] = reason
            else:
                written.append(name)
            self._report(name, reason)
        _answer(connection, _json(written=written, failed=failed, refused=refused))

    async def _fitting(self, changes: _Changes, refused: collections.Counter[str]) -> _Changes:
        """Return those of ``changes`` that other hosts may make, none in the future; count the others in ``refused``."""
        now, number = int(time.time()), 0
        fitting = _Changes({}, {})
        for wanted, found in ((changes.logins, fitting.logins), (changes.revoked, fitting.revoked)):
            for key, second in wanted.items():
                reason = self._reason_against(key, second)
                if reason:
                    refused[reason] += 1
                else:
                    found[key] = min(second, now)
                number += 1
                if number % SLICE == 0:
                    await asyncio.sleep(0)
        return fitting

    def _reason_against(self, key: str, second: object) -> str:
        if not is_key(key):
            return "not a key"
        if self._reader.is_ignored(key):
            return "ignored network"
        is_time = isinstance(second, int) and not isinstance(second, bool) and 0 <= second <= LAST_TIMESTAMP
        return "" if is_time else "not a time"

    async def _write(self, name: str, changes: _Changes, end: float) -> str:
        """Write ``changes`` to the database of a server; return an empty text, or why they are not there at ``end``.

        ``end`` is by time.monotonic(). What takes longer is not begun again by the request that repeats it.
        """
        while name in self._works:
            before, result = self._works[name]
            await asyncio.wait([result], timeout=end - time.monotonic())
            if not result.done():
                return STILL_WRITTEN
            if self._works.get(name) == (before, result):
                del self._works[name]
                if not result.result():
                    changes = changes.without(before)
        if not changes:
            return ""
        result = self._writers.receive(self._servers[name].relayers_db, changes.logins, changes.revoked)
        self._works[name] = (changes, result)
        await asyncio.wait([result], timeout=end - time.monotonic())
        if not result.done():
            return STILL_WRITTEN
        if self._works.get(name) == (changes, result):
            del self._works[name]
        if not result.result():
            counts = f"{len(changes.logins)} logins and {len(changes.revoked)} revocations"
            self._log.shared(f"wrote {counts} of other hosts server={name}")
        return result.result()

    def _report(self, name: str, fault: str) -> None:
        """Log the ``fault`` of a server's database, or with none that it is over, each once."""
        if fault and name not in self._faults:
            self._faults.add(name)
            self._log.shared(f"logins of other hosts are not written yet: {fault} server={name}", is_fault=True)
        elif not fault and name in self._faults:
            self._faults.discard(name)
            self._log.shared(f"logins of other hosts are written again server={name}")

    # Entries

    async def _take_entries(self, connection: Connection, query: dict[str, str]) -> None:
        server = self._servers.get(query.get("server", ""))
        try:
            number = _number(query, "page")
        except MalformedError as error:
            _answer(connection, _json(error=str(error)), 400)
            return
        if server is not None and number == 0:
            try:
                self._keep(server.name, await self._writers.pages(server.relayers_db))
            except Exception as error:  # pylint: disable=broad-except
                _answer(connection, _json(error=str(error)), 503)
                return
        pages = self._pages.get(server.name, []) if server is not None else []
        if number >= len(pages):
            _answer(connection, b"{}", 404)
        else:
            _answer(connection, b'{"page": %d, "pages": %d, "entries": %b}' % (number, len(pages), pages[number]))

    def _keep(self, name: str, pages: list[bytes]) -> None:
        """Keep the ``pages`` of a server's database for SNAPSHOT_SECONDS."""
        self._pages.pop(name, None)
        while len(self._pages) >= MOST_SNAPSHOTS:
            self._pages.popitem(last=False)
        self._pages[name] = pages
        self._loop.call_later(SNAPSHOT_SECONDS, self._drop, name, pages)

    def _drop(self, name: str, pages: list[bytes]) -> None:
        if self._pages.get(name) is pages:
            del self._pages[name]


def _servers_in(body: bytes) -> dict[str, _Changes]:
    """Return the changes by the name of the server in the ``body`` of a request. Raises MalformedError."""
    servers = object_of(body).get("servers")
    if not isinstance(servers, dict):
        raise MalformedError("no servers")
    if len(servers) > MOST_SERVERS:
        raise MalformedError(f"{len(servers)} servers, more than {MOST_SERVERS}")
    wanted, keys = {}, 0
    for name, changes in servers.items():
        logins, revoked = (changes.get("logins", {}), changes.get("revoked", {})) if isinstance(changes, dict) else (None, None)
        if not isinstance(logins, dict) or not isinstance(revoked, dict):
            raise MalformedError("the changes of a server are no objects")
        wanted[name] = _Changes(logins, revoked)
        keys += len(logins) + len(revoked)
    if keys > MOST_KEYS:
        raise MalformedError(f"{keys} keys, more than {MOST_KEYS}")
    return wanted


def _number(query: dict[str, str], name: str) -> int:
    """Return the number called ``name`` in a ``query``, 0 without it. Raises MalformedError."""
    text = query.get(name, "0")
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise MalformedError(f"{name} is no number")
    return int(text)


def _json(**members: object) -> bytes:
    return json.dumps(members).encode()


def _answer(connection: Connection, body: bytes, status: int = 200) -> None:
    if connection.socket.fileno() >= 0:
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
    connection.answer_with((answer_of(status, body, False), answer_of(status, body, True)))
