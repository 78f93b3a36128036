# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A thread of the sharer that works over connections to one engine, as one of this host's users there."""

from __future__ import annotations

from typing import NamedTuple

from .worker import Worker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .clock import Clock
    from .configuration import Configuration
    from .engine import Connector
    from .status import Status
    from .store import Store


class Parts(NamedTuple):
    """What the threads that work with one engine share; ``damaged`` is as for Worker."""

    configuration: Configuration
    connector: Connector
    store: Store
    status: Status
    clock: Clock
    damaged: Callable[[str], None]


class EngineWorker(Worker):
    """What the publisher and the receiver have in common.

    ``role`` is PUBLISH or SUBSCRIBE, ``purpose`` begins the name of the thread, which ends with that of the engine.
    """

    role: str
    purpose: str

    def __init__(self, parts: Parts) -> None:
        """Work with ``parts``."""
        super().__init__(f"{self.purpose} {parts.connector.name}", self._was_lost, parts.damaged)
        self._engine = parts.connector.name
        self._connector = parts.connector
        self._store = parts.store
        self._status = parts.status
        self._clock = parts.clock
        self._host = parts.configuration.host
        self._window = parts.configuration.longest_window()

    def _was_lost(self, reason: str) -> None:
        self._status.lost(self._engine, self.role, reason)
