# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store: what this host knows of each address, what is still to be published, and what is still to be written.

All of it can be had again from the databases and from the engines. It is on the disk so that a start need not do that, and so
that a revocation, which no database holds, survives. Threads share it; each call is one short transaction.
"""

from __future__ import annotations

from .store_care import Care
from .store_compared import Compared, Difference
from .store_known import OwnEvent
from .store_read import NO_ID, UNKNOWN_N, Cursor, Read
from .store_todo import Task, Todo
from .store_transactions import Damaged
from .store_unsent import OwnRow, Sent, Unsent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "NO_ID",
    "UNKNOWN_N",
    "Cursor",
    "Damaged",
    "Difference",
    "OwnEvent",
    "OwnRow",
    "Sent",
    "Store",
    "Task",
]


class Store(Compared, Unsent, Todo, Read, Care):
    """The store in a directory; every method may be called by any thread, and raises Damaged or sqlite3.Error."""

    def __init__(self, directory: str, host: str, windows: Mapping[str, int], publishes: bool = True) -> None:
        """``windows`` is how long a login lasts, in ms, for each virtual server.

        Unless ``publishes``, logins of ``host`` are not published; its revocations always are. Raises UnwritableError.
        """
        super().__init__(directory, host, windows, publishes)
