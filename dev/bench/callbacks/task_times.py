# SPDX-License-Identifier: GPL-3.0-or-later
"""How long each task of a run took, as the controller sees it; written as JSON to the file that $CALLBACK_WRITES names."""

from __future__ import annotations

import json
import os
import time

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: task_times
type: aggregate
short_description: Writes down how long each task took
version_added: 0.1.0
description:
  - Writes a list of tasks, each with its name and its seconds, from the end of the task before it.
  - The first item is what the controller did until the first task.
requirements: []
"""


class CallbackModule(CallbackBase):
    """Notes when one task ends and the next one begins."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    # Else every callback of this directory would run, whichever is asked for.
    CALLBACK_NEEDS_ENABLED = True
    CALLBACK_NAME = "task_times"

    def __init__(self) -> None:
        super().__init__()
        self._tasks: list[tuple[str, float]] = []
        self._name, self._begin = "until the first task", time.monotonic()

    def _next(self, name: str) -> None:
        now = time.monotonic()
        self._tasks.append((self._name, now - self._begin))
        self._name, self._begin = name, now

    def v2_playbook_on_task_start(self, task, is_conditional) -> None:
        """Called before each task."""
        self._next(task.get_name())

    def v2_playbook_on_handler_task_start(self, task) -> None:
        """Called before each handler."""
        self._next(task.get_name())

    def v2_playbook_on_stats(self, stats) -> None:
        """Called at the end."""
        self._next("")
        with open(os.environ["CALLBACK_WRITES"], "w", encoding="utf-8") as file:
            json.dump(self._tasks, file)
