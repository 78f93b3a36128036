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
        # One of pyenv's shims may stand in PATH for an interpreter that is not chosen.
        if candidate and _reports(candidate, version):
            return Path(candidate)
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


def _reports(interpreter: str | Path, version: str) -> bool:
    command = [interpreter, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode == 0 and done.stdout.strip() == version
