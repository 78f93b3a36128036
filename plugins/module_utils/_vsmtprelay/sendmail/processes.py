# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facts about a process, which no file of a user says (proc(5))."""

from __future__ import annotations

import os
import signal
import stat

from ..errors import RelayError
from ..files import text_file


def program_of(process_id: int) -> str:
    """Return the path of the executable of the process, or an empty string if there is no such process."""
    try:
        return os.readlink(f"/proc/{process_id}/exe")
    except OSError:
        return ""


def runs_sendmail(process_id: int) -> bool:
    """Return whether the executable of the process has the name of sendmail."""
    return "sendmail" in os.path.basename(program_of(process_id))


def runs_program_of_root(process_id: int) -> bool:
    """Return whether the executable of the process belongs to root, and nobody else can write to it."""
    try:
        status = os.stat(f"/proc/{process_id}/exe")
    except OSError:
        return False
    return status.st_uid == 0 and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _lines_about(process_id: int, name: str) -> list[str]:
    """Return the lines of the file ``name`` about the process; none if there is no such process."""
    try:
        return os.fsdecode(text_file.read(f"/proc/{process_id}/{name}") or b"").splitlines()
    except RelayError:
        return []


def _status(process_id: int) -> dict[str, str]:
    """Return the fields of /proc/PID/status, each with the first word of its value; none if there is no such process."""
    fields = (line.partition(":")[::2] for line in _lines_about(process_id, "status"))
    return {name: value.split()[0] for name, value in fields if value.strip()}


def real_uid(process_id: int) -> int:
    """Return the real user id of the process, or -1."""
    return int(_status(process_id).get("Uid", -1))


def parent_of(process_id: int) -> int:
    """Return the process id of the parent of the process, or -1."""
    return int(_status(process_id).get("PPid", -1))


def survives(process_id: int, number: int) -> bool:
    """Return whether the process catches or ignores the signal ``number``, whose default ends a process.

    One that blocks it for a moment, such as while it starts a child, is ended by it after that.
    """
    status = _status(process_id)
    masks = (int(status.get(field, "0"), 16) for field in ("SigCgt", "SigIgn"))
    return any(mask >> (number - 1) & 1 for mask in masks)


def control_group_of(process_id: int) -> str:
    """Return the control group that systemd has put the process into (cgroups(7)), or an empty string."""
    for line in _lines_about(process_id, "cgroup"):
        _number, _colon, rest = line.partition(":")
        controllers, _colon, group = rest.partition(":")
        if controllers in ("", "name=systemd"):
            return group
    return ""


def service_of(control_group: str) -> str:
    """Return the service of the system's systemd that the control group belongs to (systemd.unit(5)), or an empty string."""
    if control_group.startswith("/user.slice/"):  # of a user's own systemd
        return ""
    name = control_group.rpartition("/")[2]
    return name if name.endswith(".service") else ""


def descriptor_of(process_id: int) -> int:
    """Return a file descriptor of the process, or -1 where Python or the kernel has none. Raises ProcessLookupError."""
    if not hasattr(os, "pidfd_open") or not hasattr(signal, "pidfd_send_signal"):  # before Python 3.9
        return -1
    try:
        return os.pidfd_open(process_id)
    except ProcessLookupError:
        raise
    except OSError:  # before Linux 5.3, or forbidden
        return -1
