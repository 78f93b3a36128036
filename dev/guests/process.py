# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes known by their id and the moment of their start: never by a name, and not by their arguments.

/proc/PID/cmdline is empty for up to some milliseconds while a process becomes another program.
"""

import contextlib
import dataclasses
import functools
import os
import select
import signal
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")
# Of /proc/PID/stat, counted from the state, which follows the name: that may contain spaces and parentheses.
STATE, START = 0, 19
ENDED = ("Z", "X", "x")


@functools.cache
def boot_id() -> str:
    """Return the id that this host gave itself when it was booted: process ids and times of start begin anew then."""
    return (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


@dataclasses.dataclass(frozen=True)
class Process:
    """One process of this host, which stays the same when it becomes another program.

    ``start`` is in clock ticks after the host's boot; ``boot`` is the id of that boot.
    """

    pid: int
    start: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> "Process | None":
        """Return the process that has the id PID now; None if there is none, or if it has ended and nobody waited for it."""
        fields = _stat(pid)
        return None if not fields or fields[STATE] in ENDED else cls(pid, int(fields[START]), boot_id())

    @classmethod
    def recorded_in(cls, file: Path) -> "Process | None":
        """Return the process that FILE holds as "PID START BOOT", whether it runs or not; None where FILE holds no such thing.

        Without a start, a process cannot be told from another one that got its id later: None then, too.
        """
        try:
            pid, start, boot = file.read_text(encoding="ascii").split()
            return cls(int(pid), int(start), boot)
        except (OSError, ValueError):
            return None

    def is_alive(self) -> bool:
        """Return whether it runs."""
        return Process.of(self.pid) == self

    def name(self) -> str:
        """Return the first 15 bytes of the name of the program that it runs, "" if it has ended."""
        try:
            name = (PROC / str(self.pid) / "comm").read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return ""
        return name if self.is_alive() else ""

    def send(self, number: signal.Signals) -> None:
        """Send it the signal NUMBER; no error if it has ended."""
        with self._descriptor() as descriptor, contextlib.suppress(ProcessLookupError):
            if descriptor is not None:
                signal.pidfd_send_signal(descriptor, number)

    def wait(self, timeout: float) -> bool:
        """Wait up to TIMEOUT seconds for it to end; return whether it did."""
        with self._descriptor() as descriptor:
            if descriptor is None:
                return True
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            return bool(poll.poll(max(0, timeout) * 1000))

    @contextlib.contextmanager
    def _descriptor(self) -> Iterator[int | None]:
        """Give a descriptor that stands for this process and for no later one of its id; None if it has ended."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            yield None
            return
        try:
            # Looked at after the descriptor was opened: from now on the id cannot pass to another process unnoticed.
            yield descriptor if self.is_alive() else None
        finally:
            os.close(descriptor)


def leader_of(nspawn: Process) -> Process | None:
    """Return the process that is number 1 inside the container of the process NSPAWN, or None.

    It counts from when it has become the guest's own program: until then it is a part of systemd-nspawn that makes the
    container.
    """
    for pid, parent in _first_processes():
        if parent == nspawn.pid and not _same_program(pid, nspawn.pid):
            found = Process.of(pid)
            if found is not None and nspawn.is_alive():
                return found
    return None


def first_processes_in(namespace: Path) -> list[Process]:
    """Return the processes that are number 1 of a container and use the network namespace of the file NAMESPACE.

    With such a process the kernel ends all others of its container.
    """
    with contextlib.suppress(OSError):
        wanted = namespace.stat()
        return [found for pid, _ in _first_processes() if _uses(pid, wanted) and (found := Process.of(pid)) is not None]
    return []


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on; none where there is no such process."""
    try:
        text = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def _first_processes() -> list[tuple[int, int]]:
    """Return the ids, and those of the parents, of the processes that are number 1 in a namespace below this one."""
    found = []
    for status in PROC.glob("[0-9]*/status"):
        try:
            lines = status.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        fields = dict(line.split(":", 1) for line in lines if ":" in line)
        inside = fields.get("NSpid", "").split()
        if len(inside) > 1 and inside[-1] == "1":
            found.append((int(status.parent.name), int(fields.get("PPid", "0"))))
    return found


def _same_program(one: int, other: int) -> bool:
    """Return whether two processes run the same file, or one of them has ended."""
    try:
        return os.path.samefile(PROC / str(one) / "exe", PROC / str(other) / "exe")
    except OSError:
        return True


def _uses(pid: int, namespace: os.stat_result) -> bool:
    """Return whether the process PID is in the network namespace NAMESPACE."""
    try:
        return os.path.samestat((PROC / str(pid) / "ns/net").stat(), namespace)
    except OSError:
        return False
