# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of the collection for ansible-test, which wants a real directory of that name and a git repository around it.

It holds what is released, the unit tests and what they share with others. dev/ and tests/system/ are for pytest and mail hosts;
ruff checks them.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from .places import CHECKOUT

LEFT_OUT = (".ci", "dev", "extensions", "tests")
TAKEN_ALL_THE_SAME = ("tests/sanity", "dev/support", "tests/unit")


def make(directory: Path) -> Path:
    """Copy the checkout as it is now to a place below ``directory``; return the directory of the collection."""
    copy = directory / "ansible_collections" / "vsmtp" / "relay"
    shutil.rmtree(copy, ignore_errors=True)
    for name in _files():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(CHECKOUT / name, copy / name, follow_symlinks=False)
    subprocess.run(["git", "init", "--quiet", "."], cwd=copy, check=True)
    subprocess.run(["git", "add", "--all"], cwd=copy, check=True)
    return copy


def _files() -> list[str]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    output = subprocess.run(command, cwd=CHECKOUT, stdout=subprocess.PIPE, check=True, text=True).stdout
    names = [name for name in output.split("\0") if name and (CHECKOUT / name).is_file()]
    return [name for name in names if _is_below(name, TAKEN_ALL_THE_SAME) or not _is_below(name, LEFT_OUT)]


def _is_below(name: str, directories: tuple[str, ...]) -> bool:
    return any(name.startswith(f"{directory}/") for directory in directories)
