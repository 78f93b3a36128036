# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a gate: one line if it is open, all that it printed if it is not."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from .errors import GateError


def environment_of_a_stranger() -> dict[str, str]:
    """Return the environment without what make and this program say to Ansible and to Python."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTHON"))}


def run(name: str, command: list[str | Path], *, cwd: Path, env: dict[str, str] | None = None) -> str:
    """Run ``command``; return what it printed. Raises GateError, after it has shown that, where the command failed."""
    print(f"{name}: ", end="", flush=True)
    start = time.monotonic()
    done = subprocess.run(command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    seconds = time.monotonic() - start
    print(f"{'passed' if done.returncode == 0 else 'FAILED'} in {seconds:.0f} s")
    if done.returncode != 0:
        sys.stdout.write(done.stdout)
        raise GateError(f"{name}: exit status {done.returncode}, see above")
    return done.stdout
