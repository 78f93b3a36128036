# SPDX-License-Identifier: GPL-3.0-or-later
"""A control group of its own for each guest: two systemds in one would stop each other's services."""

from pathlib import Path

SYSTEMD_IS_INIT = Path("/run/systemd/system")


def launch_prefix(name: str) -> list[str]:
    """Return the words that put a command into the scope NAME where systemd runs this host."""
    if not SYSTEMD_IS_INIT.is_dir():
        return []
    return ["systemd-run", "--quiet", "--scope", "--collect", "--property=Delegate=yes", f"--unit={name}"]


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


def remove(name: str) -> None:
    """Remove the group NAME and the empty groups below it, where there are any."""
    for top in _hierarchies():
        group = top / name
        if group.is_dir():
            below = sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True)
            for directory in [*below, group]:
                try:
                    directory.rmdir()
                except OSError:
                    pass


def _hierarchies() -> list[Path]:
    """Return where systemd's named hierarchy (version 1) and the unified one are mounted."""
    found = []
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        for line in mounts:
            _, point, kind, options, *_ = line.split(" ")
            if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options.split(",")):
                found.append(Path(point))
    return found
