# SPDX-License-Identifier: GPL-3.0-or-later
"""Python environments of the gates, each with an ansible-core of its own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from .errors import GateError
from .places import CHECKOUT

REQUIREMENTS = CHECKOUT / "tests" / "unit" / "requirements.txt"


def make(directory: Path, interpreter: Path, packages: list[str | Path]) -> Path:
    """Make an environment with ``packages`` in ``directory``, if it is not there yet; returns ``directory``."""
    complete = directory / "complete"
    if not complete.exists():
        shutil.rmtree(directory, ignore_errors=True)
        _call([interpreter, "-m", "venv", directory])
        _call([directory / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", *packages])
        complete.touch()
    return directory


def _call(command: list[str | Path]) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise GateError(f"{' '.join(map(str, command))}: exit status {done.returncode}\n{done.stdout}")
