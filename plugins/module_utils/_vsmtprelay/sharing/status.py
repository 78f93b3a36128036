# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The status: what the sharer is doing, in a file that everybody may read."""

from __future__ import annotations

import collections
import json
import os
import threading
import time

from .. import __version__
from .access import PUBLISH, SUBSCRIBE
from .log import NOTICE, WARNING, Seldom, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .clock import EngineClock
    from .configuration import Configuration
    from .store import Store

DIRECTORY = "/run/vsmtprelay-share"
NAME = "status.json"
# How old the file is at most while the sharer runs; it is written more often while something changes.
LONGEST_SECONDS = 10.0


class _EngineState:
    def __init__(self, roles: tuple[str, ...]) -> None:
        self.roles = roles
        self.connected: set[str] = set()
        self.errors: dict[str, str] = {}
        self.since = int(time.time())
        self.was_fine = False
        self.published: int | None = None
        self.lag: int | None = None
        self.refused: dict[str, collections.Counter[str]] = {}

    @property
    def is_connected(self) -> bool:
        return self.connected.issuperset(self.roles)

    @property
    def is_fine(self) -> bool:
        return self.is_connected and not self.errors


class Status:
    """What all threads report."""

    def __init__(self, configuration: Configuration, directory: str) -> None:
        """The file is written to ``directory``."""
        self._path = os.path.join(directory, NAME)
        self._host = configuration.host
        self._lock = threading.Lock()
        roles = (PUBLISH, SUBSCRIBE) if configuration.receives else (PUBLISH,)
        self._engines = {engine.name: _EngineState(roles) for engine in configuration.engines}
        self._recorder_error: str | None = "not asked yet"
        self._failed_servers: dict[str, str] = {}
        self._alone_since: int | None = int(time.time())
        self._seldom = Seldom()
        self._has_changed = True
        self._written = 0.0

    # What the threads report

    def connected(self, engine: str, role: str) -> None:
        """Note that the connection of ``role`` to ``engine`` is well."""
        state = self._engines[engine]
        if role in state.connected and role not in state.errors:
            return
        with self._lock:
            state.connected.add(role)
            state.errors.pop(role, None)
            self._judge(engine, state)

    def lost(self, engine: str, role: str, reason: str) -> None:
        """Note that there is no connection of ``role`` to ``engine``."""
        with self._lock:
            self._engines[engine].connected.discard(role)
            self._note_error(engine, role, reason)

    def troubled(self, engine: str, role: str, reason: str) -> None:
        """Note that there is a connection, which does not do what it should."""
        with self._lock:
            self._engines[engine].connected.add(role)
            self._note_error(engine, role, reason)

    def published(self, engine: str, ms: int) -> None:
        """Note that something was published at ``ms``."""
        with self._lock:
            self._engines[engine].published = ms // 1000
            self._has_changed = True

    def received(self, engine: str, lag: int) -> None:
        """Note that entries were received ``lag`` ms after the engine took them."""
        with self._lock:
            self._engines[engine].lag = lag
            self._has_changed = True

    def refused(self, engine: str, origin: str, reason: str, number: int = 1) -> None:
        """Count entries of ``origin`` that were refused."""
        with self._lock:
            counter = self._engines[engine].refused.setdefault(origin, collections.Counter())
            counter[reason] += number
            self._has_changed = True
            if self._seldom.is_due(engine, origin, reason):
                say(WARNING, f"{engine}: refused an entry of {origin}: {reason} ({counter[reason]} so far)")

    def recorder_answered(self) -> None:
        """Note that the recorder answers."""
        if self._recorder_error is not None:
            with self._lock:
                self._recorder_error = None
                self._has_changed = True

    def recorder_failed(self, reason: str) -> None:
        """Note that the recorder does not answer."""
        with self._lock:
            if self._recorder_error != reason:
                say(WARNING, reason)
            self._recorder_error = reason
            self._has_changed = True

    def failed_servers(self, failed: dict[str, str]) -> None:
        """Note the virtual servers whose database could not be written, with the reasons."""
        with self._lock:
            self._has_changed |= failed != self._failed_servers
            self._failed_servers = failed

    # What is reported

    def is_due(self) -> bool:
        """Return whether the file is to be written."""
        return self._has_changed or time.monotonic() - self._written >= LONGEST_SECONDS

    def write(self, store: Store, clocks: dict[str, EngineClock], now: int) -> dict[str, Any]:
        """Write the file, and return what is in it; ``now`` is ms of this host's clock."""
        members = self.members(store, clocks, now)
        temporary = f"{self._path}.new"
        try:
            with open(temporary, "w", encoding="utf-8") as file:
                json.dump(members, file)
                os.fchmod(file.fileno(), 0o644)
            os.replace(temporary, self._path)
        except OSError as error:
            say(WARNING, f"{self._path}: cannot be written: {error.strerror}; check the directory")
        self._written = time.monotonic()
        return members

    def members(self, store: Store, clocks: dict[str, EngineClock], now: int) -> dict[str, Any]:
        """Return the members of the file."""
        unsent = {engine: store.count_unsent(engine, now) for engine in self._engines}
        todo, addresses = store.count_todo(), {name: number for name, number in sorted(store.addresses.items()) if number}
        with self._lock:
            self._has_changed = False
            return {
                "version": __version__,
                "host": self._host,
                "written": now // 1000,
                "engines": [
                    {
                        "engine": engine,
                        "connected": state.is_connected,
                        "since": state.since,
                        "error": "; ".join(dict.fromkeys(state.errors.values())) or None,
                        "offset_ms": clocks[engine].offset() if clocks[engine].is_measured else None,
                        "last_published": state.published,
                        "unsent": unsent[engine],
                        "lag_ms": state.lag,
                        "refused": {origin: dict(counter) for origin, counter in sorted(state.refused.items())},
                    }
                    for engine, state in self._engines.items()
                ],
                "addresses": addresses,
                "todo": todo,
                "failed_servers": self._failed_servers,
                "recorder": {"reachable": self._recorder_error is None, "error": self._recorder_error},
                "alone_since": self._alone_since,
            }

    def _note_error(self, engine: str, role: str, reason: str) -> None:
        state = self._engines[engine]
        if state.errors.get(role) != reason:
            say(WARNING, reason)
        state.errors[role] = reason
        self._judge(engine, state)

    def _judge(self, engine: str, state: _EngineState) -> None:
        self._has_changed = True
        if state.is_fine != state.was_fine:
            state.was_fine, state.since = state.is_fine, int(time.time())
            if state.is_fine:
                say(NOTICE, f"{engine}: connected")
        if any(each.is_fine for each in self._engines.values()):
            self._alone_since = None
        elif self._alone_since is None:
            self._alone_since = int(time.time())
            say(WARNING, "no engine is left: this host goes on alone")


def summary(members: dict[str, Any]) -> str:
    """Return one line for the status of the unit."""
    engines = members["engines"]
    connected = sum(each["connected"] and not each["error"] for each in engines)
    alone = "" if members["alone_since"] is None else ", goes on alone"
    unsent = max((each["unsent"] for each in engines), default=0)
    return f"{connected} of {len(engines)} engines{alone}, unsent {unsent}, to be written {members['todo']}"
