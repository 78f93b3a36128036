# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stopped or crashed guest leaves on the host."""

import contextlib
import signal
from pathlib import Path

from . import cgroup
from .errors import GuestsError
from .process import first_processes_in

SECONDS = 10


def clear(machine: str, namespace: Path) -> None:
    """End what still runs of the guest MACHINE and take away its control group and its directories in /run.

    A guest outlives its systemd-nspawn when that is killed. Its process 1 is found by the guest's network NAMESPACE (a file),
    which no other guest uses. Raises GuestsError where a process does not end within some seconds.
    """
    left = first_processes_in(namespace)
    for process in left:
        process.send(signal.SIGKILL)
    stuck = [str(process.pid) for process in left if not process.wait(SECONDS)]
    if stuck:
        raise GuestsError(f"a guest left process {', '.join(stuck)} behind, which does not end {SECONDS} s after it was killed")
    cgroup.remove(machine)
    for base in ("propagate", "unix-export"):
        with contextlib.suppress(OSError):
            (Path("/run/systemd/nspawn") / base / machine).rmdir()
