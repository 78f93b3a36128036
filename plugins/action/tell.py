# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action of ``tell``. It runs on the controller."""

from __future__ import annotations

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import printable
from ansible_collections.vsmtp.relay.plugins.plugin_utils import run_words

ABOUT = {
    "permit": run_words.of_permit,
    "revoke": run_words.of_revoke,
    "expire": run_words.of_expire,
    "restore": run_words.of_restore,
    "role": run_words.of_role,
    "removal": run_words.of_removal,
    "engine": run_words.of_engine,
}
ARGUMENTS = {
    "about": {"type": "str", "choices": list(ABOUT)},
    "facts": {"type": "dict", "default": {}},
    "faults": {"type": "list", "elements": "str", "default": []},
    "fatal": {"type": "bool", "default": True},
    "quiet": {"type": "bool", "default": False},
}


class ActionModule(ActionBase):
    """Print the result of a playbook on a host."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        """Print one line for the result, and one for each fault."""
        result = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(ARGUMENTS)
        faults, host = arguments["faults"], (task_vars or {}).get("inventory_hostname", "")
        about, facts = arguments["about"], arguments["facts"]
        line = ABOUT[about](**facts) if about and not arguments["quiet"] else ""
        if line and self._task.check_mode:
            line = f"in check mode: {line}"
        for text in filter(None, (line, *faults)):
            Display().display(printable(f"{host}: {text}"))
        msg = "; ".join([*faults, line] if faults and line else faults or [line])
        if about == "role":
            result["drift"] = run_words.drift(**facts)
        return {**result, "changed": False, "failed": bool(faults) and arguments["fatal"], "msg": msg}
