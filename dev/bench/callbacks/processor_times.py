# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run took of the controller's processors; written as JSON to the file that $CALLBACK_WRITES names."""

from __future__ import annotations

import json
import os
import resource

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: processor_times
type: aggregate
short_description: Writes down what a run took of the controller's processors
version_added: 0.1.0
description:
  - Writes the seconds of the one process that hands the tasks out, and those of all that it started, its forks and ssh.
requirements: []
"""


class CallbackModule(CallbackBase):
    """Asks the kernel at the end of the run (getrusage(2))."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    # Else every callback of this directory would run, whichever is asked for.
    CALLBACK_NEEDS_ENABLED = True
    CALLBACK_NAME = "processor_times"

    def v2_playbook_on_stats(self, stats) -> None:
        """Called at the end."""
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        main, others = (each.ru_utime + each.ru_stime for each in used)
        with open(os.environ["CALLBACK_WRITES"], "w", encoding="utf-8") as file:
            json.dump({"main": main, "others": others}, file)
