# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The log: a line for each change of what the sharer does, on the standard error output, which is the journal."""

from __future__ import annotations

import sys
import threading
import time

from ..errors import printable

# syslog(3)
WARNING = 4
NOTICE = 5
INFORMATION = 6
LONGEST_MESSAGE = 1000

SELDOM_SECONDS = 60.0

_lock = threading.Lock()


class Seldom:
    """Lets the same thing be said once in SELDOM_SECONDS at most; for one thread at a time."""

    def __init__(self) -> None:
        self._said: dict[tuple[str, ...], float] = {}

    def is_due(self, *what: str) -> bool:
        """Return whether ``what`` may be said now, and count it as said."""
        now = time.monotonic()
        if now - self._said.get(what, -SELDOM_SECONDS) < SELDOM_SECONDS:
            return False
        self._said[what] = now
        return True


def say(priority: int, message: str) -> None:
    """Log ``message``; systemd reads the priority from the beginning of the line (sd-daemon(3))."""
    with _lock:
        try:
            sys.stderr.write(f"<{priority}>{printable(message)[:LONGEST_MESSAGE]}\n")
            sys.stderr.flush()
        except (OSError, ValueError):
            pass  # nothing depends on the log
