# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel says of processes that it killed for want of memory."""

import subprocess
from pathlib import Path

from . import cgroup

# As the kernel has them: of a host that is out of memory, and of a control group.
KERNELS_WORDS = ("out of memory:", "oom-kill:", "killed process")


def kills_on_host() -> int | None:
    """Return how many processes were killed for want of memory since this host was booted; None where it does not say."""
    return _count_in(Path("/proc/vmstat"))


def kills_in_group(name: str) -> int | None:
    """Return how many were killed in the control group NAME; None where memory is not counted for it, or it is gone."""
    counts = [_count_in(group / "memory.events") for group in cgroup.directories(name)]
    return next((count for count in counts if count is not None), None)


def kernels_words(lines: int = 5) -> list[str]:
    """Return the last LINES lines of the kernel's log about such kills; none where it cannot be read."""
    try:
        log = subprocess.run(["dmesg"], capture_output=True, text=True, errors="replace", timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line for line in log.splitlines() if any(words in line.lower() for words in KERNELS_WORDS)][-lines:]


def _count_in(file: Path) -> int | None:
    """Return the number behind "oom_kill" in FILE, None where there is none."""
    try:
        lines = file.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), None)
