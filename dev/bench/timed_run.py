# SPDX-License-Identifier: GPL-3.0-or-later
"""A run of a playbook, how long it took, and what a callback of callbacks/ wrote down of it."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

from guests import GuestsError, Lab
from support.playbook import Run, play

CALLBACKS = Path(__file__).parent / "callbacks"
PATIENCE_SECONDS = 1200


def timed_run(lab: Lab, callback: str, playbook: str, *options: str) -> tuple[Run, float, Any]:
    """Return the run, its seconds by the clock, and what ``callback`` wrote. Raises GuestsError if the playbook failed."""
    with tempfile.NamedTemporaryFile() as written:
        settings = {
            # As docs/operations.md has it for many hosts.
            "ANSIBLE_PIPELINING": "true",
            "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS),
            "ANSIBLE_CALLBACKS_ENABLED": callback,
            "CALLBACK_WRITES": written.name,
        }
        begin = time.monotonic()
        run = play(lab, playbook, *options, timeout=PATIENCE_SECONDS, settings=settings)
        seconds = time.monotonic() - begin
        if run.status != 0:
            raise GuestsError(f"the playbook ended with {run.status}:\n{run.output}")
        return run, seconds, json.load(written)
