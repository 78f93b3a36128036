# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the recorder counts for monitoring: the results of reports, and how long a login takes to the disk.

The counts begin with the recorder. A login adds to numbers in memory. The file (counts_file.py) is written by a thread, at most
every WRITE_SECONDS, and only after a change.
"""

from __future__ import annotations

import asyncio
import bisect
import collections
import time

from .. import __version__
from .counts_file import save

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

WRITE_SECONDS = 5.0
# In seconds. Dovecot is answered after 0.2 at the latest; what takes longer is recorded after the login was let in.
BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0)


class Counts:
    """The counts of one recorder. For use in the event loop only."""

    def __init__(self, path: str = "", failed: Callable[[str], None] = lambda _message: None) -> None:
        """Keep the file at ``path``, or none if it is empty; call ``failed`` with a message if it can be written no longer."""
        self._path = path
        self._failed = failed
        self._started = int(time.time())
        self._logins: collections.Counter[tuple[str, str, str]] = collections.Counter()
        self._records = [0] * (len(BOUNDS) + 1)
        self._record_seconds = 0.0
        self._has_changed = False
        # The file is being written, or will be.
        self._is_due = not path
        self._is_faulty = False

    def add(self, result: str, server: str, service: str) -> None:
        """Count a report. ``server`` and ``service`` are those of its login; empty if it has none, or that is not known."""
        self._logins[result, server, service] += 1
        self._change()

    def recorded_in(self, seconds: float) -> None:
        """Note that a login was on the disk ``seconds`` after its report came."""
        self._records[bisect.bisect_left(BOUNDS, seconds)] += 1
        self._record_seconds += seconds
        self._change()

    def write_soon(self) -> None:
        """Have the file written at once, unless it will be anyway."""
        if not self._is_due:
            self._is_due = True
            self._write()

    def members(self) -> dict[str, Any]:
        """Return what the file has, but with the numbers of ``logins`` by result, virtual server and service.

        That is a copy: with a thousand virtual servers a list of lists would take milliseconds.
        """
        return {
            "version": __version__,
            "started": self._started,
            "written": int(time.time()),
            "logins": dict(self._logins),
            "bounds": BOUNDS,
            "records": self._records[:],
            "record_seconds": self._record_seconds,
        }

    def _change(self) -> None:
        self._has_changed = True
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_later(WRITE_SECONDS, self._write)

    def _write(self) -> None:
        self._has_changed = False
        writing = asyncio.get_running_loop().run_in_executor(None, save, self._path, self.members())
        writing.add_done_callback(self._is_written)

    def _is_written(self, writing: asyncio.Future[None]) -> None:
        error = None if writing.cancelled() else writing.exception()
        if error is not None and not self._is_faulty:
            self._failed(f"{self._path}: the counts for monitoring cannot be written: {error}")
        self._is_faulty = error is not None
        self._is_due = False
        if self._has_changed:
            self._change()
