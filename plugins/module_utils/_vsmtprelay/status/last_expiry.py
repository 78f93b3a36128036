# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The last expiry of all virtual servers of this host: when it ran, and whether it ran last night.

``vsmtprelay --all expire`` records it; the status of the host reports it.
"""

from __future__ import annotations

import os
import time

from ..errors import RelayError
from ..files import text_file

PATH = "/var/lib/vsmtprelay/expiry"
CRONTAB = "/etc/cron.d/vsmtprelay"
# A thousand databases take seconds; a slow host, or waiting for locks, takes longer.
SECONDS_TO_RUN = 900


def note(status: int, now: int, path: str = PATH) -> None:
    """Record that the expiry ended with the exit status ``status`` at ``now`` (epoch seconds).

    The role creates the directory. If it is missing, or belongs to another user, nothing is recorded and nothing
    fails: the databases matter more.
    """
    temporary = f"{path}.new"
    try:
        with open(temporary, "w", encoding="ascii") as file:
            file.write(f"{now} {status}\n")
        os.rename(temporary, path)
    except OSError:
        pass


def last(path: str = PATH) -> tuple[int, int] | None:
    """Return when the expiry last ended, in epoch seconds, and its exit status; None if it never did."""
    try:
        words = (text_file.read(path) or b"").split()
    except RelayError:
        return None
    return (int(words[0]), int(words[1])) if len(words) == 2 and b"".join(words).isdigit() else None


def is_late(now: int, crontab: str = CRONTAB, path: str = PATH) -> bool:
    """Return whether the expiry missed its last time in ``crontab``, which is local time; ``now`` is epoch seconds.

    A time before the crontab was written does not count. Without a crontab no expiry is due.
    """
    planned = _time_in(crontab)
    if planned is None:
        return False
    done = last(path)
    since = _last_time(now - SECONDS_TO_RUN, *planned)
    return os.stat(crontab).st_mtime < since and (done is None or done[0] < since)


def _time_in(crontab: str) -> tuple[int, int] | None:
    """Return the hour and the minute in the first line of a crontab, or None if there is no such line."""
    lines = (text_file.read(crontab) or b"").splitlines()
    entries = [line.split() for line in lines if line.strip() and not line.startswith(b"#")]
    if not entries or len(entries[0]) < 2 or not (entries[0][0] + entries[0][1]).isdigit():
        return None
    return int(entries[0][1]), int(entries[0][0])


def _last_time(now: int, hour: int, minute: int) -> float:
    """Return the epoch seconds of the last moment, not after ``now``, at ``hour`` and ``minute`` of local time."""
    today = time.localtime(now)
    planned = [time.mktime((today.tm_year, today.tm_mon, today.tm_mday - days, hour, minute, 0, 0, 0, -1)) for days in (0, 1)]
    return planned[0] if planned[0] <= now else planned[1]
