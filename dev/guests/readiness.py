# SPDX-License-Identifier: GPL-3.0-or-later
"""When a guest counts as ready, and what to say if it never does."""

import subprocess
import time
from typing import TYPE_CHECKING

from . import network, trouble
from .errors import GuestsError
from .namespace import Namespace
from .process import Process

if TYPE_CHECKING:
    from .guest import Guest

BANNERS = {22: b"SSH-", 25: b"220 ", 110: b"+OK", 143: b"* OK"}
"""What the services say first, by TCP port."""

STATES = ("initializing", "starting", "running", "degraded", "maintenance")
"""What systemctl says of a system that is not ending."""

SHUTDOWN_NAMES = ("systemd-shutdow", "")
"""What process 1 is called at its end: the kernel keeps 15 bytes of a name, and an ended process has none."""

OUTSIDE_NAMES = tuple(
    f"{address(network.ELSEWHERE + place)} {name}"
    for place, name in enumerate(("example.org", "example.net", "example.com", "remote.example"))
    for address in (network.address4, network.address6)
)
"""Lines of /etc/hosts: domains of senders and of far recipients, behind which nobody answers."""


def wait(guest: "Guest", controller: Namespace, timeout: float) -> None:
    """Return once GUEST is ready, seen from CONTROLLER; raises GuestsError after TIMEOUT seconds."""
    deadline = time.monotonic() + timeout
    missing = {"systemd's multi-user.target": None, **{f"the service on port {port}": port for port in BANNERS}}
    while missing:
        for words, port in list(missing.items()):
            if _has_reached_multi_user(guest) if port is None else _answers(guest, controller, port):
                del missing[words]
        if not missing:
            return
        if not guest.is_running():
            raise GuestsError(f"the guest {guest.name} has ended before it was ready\n{trouble.report(guest)}")
        if time.monotonic() > deadline:
            raise GuestsError(
                f"the guest {guest.name} is not ready after {timeout:g} s, for want of {', '.join(missing)}\n"
                f"{_troubles(guest)}\n{trouble.report(guest)}"
            )
        time.sleep(0.1)


def is_ending(guest: "Guest", leader: Process) -> bool | None:
    """Return whether GUEST, whose process 1 is LEADER, has begun to power off or has just ended; None if it does not answer.

    systemd answers neither at the very beginning nor at the very end.
    """
    if leader.name() in SHUTDOWN_NAMES:
        return True
    try:
        # What waits for an answer in a guest that is ending keeps it from doing so.
        state = guest.run(["systemctl", "is-system-running"], check=False, timeout=3).stdout.strip()
    except (GuestsError, subprocess.TimeoutExpired):
        state = ""
    # It may have ended meanwhile.
    if state == "stopping" or leader.name() in SHUTDOWN_NAMES:
        return True
    return False if state in STATES else None


def _answers(guest: "Guest", controller: Namespace, port: int) -> bool:
    """Return whether the service on PORT greets a client."""
    try:
        # sendmail counts the connections of each client and refuses the eleventh, but for those of the guest itself.
        inside = port == 25
        caller, address = (guest.namespace, "127.0.0.1") if inside else (controller, guest.address4)
        with caller.connect(address, port, timeout=5) as connection:
            return connection.recv(64).startswith(BANNERS[port])
    except OSError:
        return False


def _has_reached_multi_user(guest: "Guest") -> bool:
    """Return whether systemd in GUEST says that multi-user.target is active."""
    try:
        command = ["systemctl", "is-active", "--quiet", "multi-user.target"]
        return guest.run(command, check=False, timeout=10).returncode == 0
    except (GuestsError, subprocess.TimeoutExpired):
        return False


def _troubles(guest: "Guest") -> str:
    """Return systemd's list of failed units and of waiting jobs in GUEST, as far as it answers."""
    try:
        return "".join(
            guest.run(["systemctl", *words, "--no-pager"], check=False, timeout=10).stdout
            for words in (["--failed"], ["list-jobs"])
        )
    except (GuestsError, subprocess.TimeoutExpired):
        return "(systemd in the guest does not answer)"
