# SPDX-License-Identifier: GPL-3.0-or-later
"""The disk of a guest: a new upper layer over its image, with the few files that differ from guest to guest."""

import os
import stat
import uuid
from pathlib import Path

from . import readiness
from .state import State, read_record

LAYERS = ("upper", "work", "root")


def make(state: State, name: str, record: dict[str, str]) -> None:
    """Make the layers of the guest NAME of STATE, described by RECORD, anew."""
    directory = state.guests / name
    for layer in LAYERS:
        state.remove_tree(directory / layer)
        (directory / layer).mkdir(mode=0o755)
    upper, lower = directory / "upper", Path(record["image"])
    # What the layer says about a directory hides what the image says: same owner, same mode.
    for each in ("etc", "root", "root/.ssh", "etc/mail"):
        (upper / each).mkdir(parents=True)
        below = lower / each
        if below.is_dir():
            owner = below.stat()
            os.chown(upper / each, owner.st_uid, owner.st_gid)
            (upper / each).chmod(stat.S_IMODE(owner.st_mode))
        else:
            (upper / each).chmod(0o700)
    public_key = (state.ssh / "id_ed25519.pub").read_text(encoding="ascii")
    names = (lower / "etc/mail/local-host-names").read_text(encoding="utf-8")
    for path, text in {
        "etc/hostname": f"{name}\n",
        "etc/machine-id": f"{uuid.uuid4().hex}\n",
        "etc/hosts": _hosts(state, name, record),
        "etc/mail/local-host-names": names + f"{name}.example.test\n",
        "root/.ssh/authorized_keys": public_key,
    }.items():
        (upper / path).write_text(text, encoding="utf-8")
        (upper / path).chmod(0o600 if path.endswith("keys") else 0o644)


def lay_over(directory: Path, image: str) -> None:
    """Have the layers in DIRECTORY lie over IMAGE."""
    lower = directory / "lower"
    lower.unlink(missing_ok=True)
    lower.symlink_to(image)


def _hosts(state: State, name: str, own: dict[str, str]) -> str:
    """Return the text of /etc/hosts: this guest, all others known, and the outside's names."""
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    lines += [f"{own[key]} {name}.example.test {name} example.test" for key in ("address4", "address6")]
    for file in sorted(state.guests.glob("*/guest.json")):
        other_name, other = file.parent.name, read_record(file)
        if other and other_name != name:
            lines += [f"{other[key]} {other_name}.example.test {other_name}" for key in ("address4", "address6")]
    return "\n".join([*lines, *readiness.OUTSIDE_NAMES]) + "\n"
