# SPDX-License-Identifier: GPL-3.0-or-later
"""How many inotify instances root has, and how many more it may have: they limit how many guests can run."""

import contextlib
import os
from pathlib import Path

SYSCTL = "fs.inotify.max_user_instances"
# Measured with idle guests: five of systemd, and one each of logind and of the message bus, which is not always root's.
INSTANCES_PER_GUEST = 6.5


def limit() -> int | None:
    """Return how many instances each user of this host may have; None where it does not say."""
    try:
        return int((Path("/proc/sys") / SYSCTL.replace(".", "/")).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def in_use() -> int:
    """Return about how many instances root has, in all guests too.

    Counts descriptors of root's processes: a process that gave one on to another is counted twice.
    """
    return sum(in_use_by(int(process.name)) for process in Path("/proc").glob("[0-9]*"))


def in_use_by(pid: int) -> int:
    """Return how many descriptors of instances the process PID has, 0 if it is not root's or has ended."""
    count = 0
    with contextlib.suppress(OSError):
        descriptors = Path(f"/proc/{pid}/fd")
        if descriptors.stat().st_uid == 0:
            for entry in os.scandir(descriptors):
                with contextlib.suppress(OSError):
                    count += os.readlink(entry.path) == "anon_inode:inotify"
    return count


def in_words() -> str:
    """Return both numbers in a sentence."""
    return f"root has about {in_use()} inotify instances of the {limit()} that {SYSCTL} allows"


def warning(guests: int) -> str | None:
    """Return a line that says that GUESTS more guests are too many; None where they are not."""
    allowed = limit()
    if allowed is None:
        return None
    used = in_use()
    needed = round(used + guests * INSTANCES_PER_GUEST)
    if needed <= allowed:
        return None
    return (
        f"{guests} more guests need about {needed - used} inotify instances, and root has {used} of {allowed}: "
        f"services in them may fail to start; more are allowed by: sysctl {SYSCTL}={max(512, 2 * needed)}"
    )
