# SPDX-License-Identifier: GPL-3.0-or-later
"""The state directory: where images, keys and running guests are recorded."""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from .errors import GuestsError

CHECKOUT = Path(__file__).resolve().parents[2]


class State:
    """Paths below one state directory, and the short id that keeps several of them apart."""

    def __init__(self, directory: str | os.PathLike[str] | None = None) -> None:
        """Use directory, else $GUESTS_STATE, else .build/guests in the checkout."""
        chosen = directory or os.environ.get("GUESTS_STATE") or CHECKOUT / ".build" / "guests"
        self.directory = Path(chosen).resolve()
        self.id = hashlib.sha256(str(self.directory).encode()).hexdigest()[:6]
        self.images = self.directory / "images"
        self.guests = self.directory / "run" / "guests"
        self.clients = self.directory / "run" / "clients"
        self.ssh = self.directory / "ssh"
        # Short, because the path of a UNIX socket may have some 100 bytes only.
        self.control_sockets = Path("/run") / f"vsr-{self.id}"

    def full_name(self, name: str) -> str:
        """Return the machine-wide name (namespace, nspawn machine, cgroup) of NAME."""
        return f"vsr-{self.id}-{name}"

    @contextlib.contextmanager
    def locked(self, subject: str) -> Iterator[None]:
        """Hold an exclusive lock on SUBJECT against every thread and process; not reentrant."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with open(self.directory / f"{subject}.lock", "w", encoding="ascii") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def remove_tree(self, directory: Path) -> None:
        """Delete DIRECTORY, which must lie in the state directory.

        Mounts found below it are taken away first. Raises GuestsError where one stays: deleting
        through a mount would delete what is mounted.
        """
        if not directory.resolve().is_relative_to(self.directory):
            raise GuestsError(f"{directory} is outside of {self.directory}: not deleted")
        unmount_below(directory)
        if directory.exists():
            shutil.rmtree(directory)


def read_record(path: Path) -> dict | None:
    """Return the JSON object in PATH, None where it is missing or half-written."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
        return None
    return record if isinstance(record, dict) else None


def write_record(path: Path, record: dict) -> None:
    """Write RECORD as JSON to PATH in one step (write beside it, rename)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    beside.rename(path)


def mounts_below(directory: Path) -> list[Path]:
    """Return the mount points at or below DIRECTORY, the deepest first."""
    top = directory.resolve()
    found = []
    with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as mounts:
        for line in mounts:
            escaped = line.split(" ")[1]
            point = escaped.encode("utf-8", "surrogateescape").decode("unicode_escape")
            if Path(point).is_relative_to(top):
                found.append(Path(point))
    return sorted(found, key=lambda point: len(point.parts), reverse=True)


def unmount_below(directory: Path) -> None:
    """Unmount whatever is mounted at or below DIRECTORY; raises GuestsError where that fails."""
    for point in mounts_below(directory):
        done = subprocess.run(["umount", "--lazy", str(point)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise GuestsError(f"cannot unmount {point}: {done.stderr.strip()}")
