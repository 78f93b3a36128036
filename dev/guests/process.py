# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes known by their recorded id: never by a name."""

import contextlib
import os
import signal
import time
from pathlib import Path


def arguments(pid: int) -> list[str]:
    """Return the argument words of process PID; none if it is gone or a zombie."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []
    return [word.decode("utf-8", "replace") for word in words[:-1]]


def is_nspawn_of(pid: int, machine: str) -> bool:
    """Return whether process PID is the systemd-nspawn of MACHINE, or about to become it."""
    return f"--machine={machine}" in arguments(pid)


def leader_of(nspawn: int) -> int | None:
    """Return the process that is number 1 inside the container of the process NSPAWN, or None."""
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            fields = dict(line.split(":", 1) for line in status.read_text(encoding="utf-8").splitlines())
        except OSError:
            continue
        inside = fields.get("NSpid", "").split()
        if int(fields.get("PPid", "0")) == nspawn and len(inside) > 1 and inside[-1] == "1":
            return int(status.parent.name)
    return None


def send(pid: int, number: signal.Signals) -> None:
    """Send the signal NUMBER to process PID; no error if it is gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def wait_until_gone(pid: int, machine: str, timeout: float) -> bool:
    """Wait up to TIMEOUT seconds for the nspawn PID of MACHINE to end; return whether it did."""
    deadline = time.monotonic() + timeout
    while True:
        # It may be a child of this process, and then stays a zombie until it is waited for.
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        if not is_nspawn_of(pid, machine):
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
