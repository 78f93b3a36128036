# SPDX-License-Identifier: GPL-3.0-or-later
"""Python environments of the gates, each with an ansible-core of its own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from . import interpreters
from .errors import GateError
from .places import CHECKOUT

NEXT_ANSIBLE = "ansible-core>=2.18.0.dev0"
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


def make_of_next_ansible(directory: Path) -> Path:
    """Make an environment anew with the newest ansible-core of all, releases to come included; returns ``directory``.

    It is one that the newest interpreter here allows, and has what the unit tests need. Raises GateError.
    """
    shutil.rmtree(directory, ignore_errors=True)
    interpreter = next(found for version in reversed(interpreters.ALL) if (found := interpreters.find(version)))
    # Such a bound is what has pip take pre-releases of this package alone.
    return make(directory, interpreter, [NEXT_ANSIBLE, "--requirement", REQUIREMENTS])


def _call(command: list[str | Path]) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise GateError(f"{' '.join(map(str, command))}: exit status {done.returncode}\n{done.stdout}")
