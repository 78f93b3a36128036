# SPDX-License-Identifier: GPL-3.0-or-later
"""A control group of its own for each guest: two systemds in one would stop each other's services."""

import contextlib
import os
import signal
import time
from pathlib import Path

from .namespace import run_command

SYSTEMD_IS_INIT = Path("/run/systemd/system")


def launch_prefix(name: str) -> list[str]:
    """Return the words that put a command into the scope NAME where systemd runs this host."""
    if not SYSTEMD_IS_INIT.is_dir():
        return []
    options = ["--quiet", "--scope", "--collect", "--property=Delegate=yes", f"--unit={name}"]
    return ["systemd-run", *options, f"--description=test guest {name}"]


def create(name: str) -> list[Path]:
    """Make the group NAME in the hierarchies that systemd uses; return its cgroup.procs files.

    The list is empty where systemd runs this host (launch_prefix does it then) or where the
    hierarchies are not writable.
    """
    if SYSTEMD_IS_INIT.is_dir():
        return []
    files = []
    for top in _hierarchies():
        try:
            (top / name).mkdir(exist_ok=True)
        except OSError:
            continue
        files.append(top / name / "cgroup.procs")
    return files


def directories(name: str) -> list[Path]:
    """Return the directories of the group NAME, or of the scope of that name where systemd runs this host."""
    if not SYSTEMD_IS_INIT.is_dir():
        return [top / name for top in _hierarchies() if (top / name).is_dir()]
    show = ["systemctl", "show", "--property=ControlGroup", "--value", f"{name}.scope"]
    group = run_command(show, check=False).stdout.strip().lstrip("/")
    return [top / group for top in _hierarchies() if (top / group).is_dir()] if group else []


def remove(name: str) -> None:
    """End what still runs in the group NAME, and remove the group.

    A guest outlives its systemd-nspawn when that is killed. The group holds that guest only.
    """
    if SYSTEMD_IS_INIT.is_dir():
        scope = f"{name}.scope"
        if run_command(["systemctl", "is-active", "--quiet", scope], check=False).returncode == 0:
            run_command(["systemctl", "kill", "--signal=KILL", scope], check=False)
            run_command(["systemctl", "stop", scope], check=False)
        return
    deadline = time.monotonic() + 3
    groups = [top / name for top in _hierarchies()]
    while any([_remove_once(group) for group in groups]) and time.monotonic() < deadline:  # noqa: C419 (each has to be tried)
        time.sleep(0.02)


def _remove_once(group: Path) -> bool:
    """Kill what is in GROUP, remove what is empty of it; return whether anything is left."""
    if not group.is_dir():
        return False
    for directory in sorted((path for path in [group, *group.rglob("*")] if path.is_dir()), reverse=True):
        with contextlib.suppress(OSError):
            for pid in (directory / "cgroup.procs").read_text(encoding="ascii").split():
                # 0 stands for a process that cannot be seen from here.
                if pid != "0":
                    os.kill(int(pid), signal.SIGKILL)
        with contextlib.suppress(OSError):
            directory.rmdir()
    return group.is_dir()


def _hierarchies() -> list[Path]:
    """Return where systemd's named hierarchy (version 1) and the unified one are mounted."""
    found = []
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        for line in mounts:
            _, point, kind, options, *_ = line.split(" ")
            if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options.split(",")):
                found.append(Path(point))
    return found
