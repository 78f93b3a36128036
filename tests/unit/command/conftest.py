# SPDX-License-Identifier: GPL-3.0-or-later
"""The command in a process of its own, and a clock that stands still."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

NOW = 1_700_000_000
PROGRAM = (
    "import sys; sys.path[:] = {!r}; "
    "from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.command import main as command; "
    "sys.exit(command.main(sys.argv[2:], sys.argv[1]))"
)


@pytest.fixture
def shell(tmp_path):
    """Return what runs the command in a process of its own, from a shell line in which it is "$@"."""

    def shell(line, *arguments):
        program = [sys.executable, "-c", PROGRAM.format(sys.path), str(tmp_path / "no table"), *map(str, arguments)]
        return subprocess.run(["bash", "-c", line, "bash", *program], capture_output=True, text=True, check=False, timeout=30)

    return shell


@pytest.fixture
def at(monkeypatch):
    """Stop the clock at NOW."""
    monkeypatch.setattr(time, "time", lambda: float(NOW))
