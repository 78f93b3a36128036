# SPDX-License-Identifier: GPL-3.0-or-later
"""The Python interpreters of this machine."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from pathlib import Path

# Those of targets: the oldest for which the collection is written, and up to that of Debian 13.
OLDEST_AND_NEWEST = ("3.8", "3.13")
ALL = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14")


@functools.cache
def find(version: str) -> Path | None:
    """Return the interpreter of a version like "3.12", from PATH or of pyenv; None if there is none."""
    for candidate in [shutil.which(f"python{version}"), *_of_pyenv(version)]:
        found = _behind(candidate, version) if candidate else None
        if found:
            return found
    return None


def path_with(versions: tuple[str, ...]) -> str:
    """Return PATH with those interpreters of ``versions`` that there are, and without pyenv's shims.

    There is a shim for each interpreter that pyenv has, but most of them only print that they are not chosen.
    """
    found = [str(interpreter.parent) for interpreter in map(find, versions) if interpreter]
    others = [each for each in os.environ["PATH"].split(os.pathsep) if Path(each) != _pyenv() / "shims"]
    return os.pathsep.join(dict.fromkeys(found + others))


def _of_pyenv(version: str) -> list[Path]:
    """Return the interpreters of ``version`` that pyenv installed, the newest first."""
    found = (_pyenv() / "versions").glob(f"{version}.*/bin/python{version}")
    return sorted(found, key=lambda path: [int(number) for number in re.findall(r"\d+", path.parts[-3])], reverse=True)


def _pyenv() -> Path:
    return Path(os.environ.get("PYENV_ROOT") or "~/.pyenv").expanduser()


def _behind(candidate: str | Path, version: str) -> Path | None:
    """Return the interpreter that ``candidate`` runs: itself, or the one that a shim of pyenv stands for, if that is chosen."""
    command = [candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2], sys.executable)"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    told, _blank, path = done.stdout.strip().partition(" ")
    return Path(path) if done.returncode == 0 and told == version else None
