# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action of controller_files. It runs on the controller, as the user who runs Ansible."""

from __future__ import annotations

import os

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.vsmtp.relay.plugins.module_utils._module.files import ensure_file
from ansible_collections.vsmtp.relay.plugins.module_utils._module.results import for_each
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.files.text_file import Attributes

ARGUMENTS = {
    "files": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {"path": {"type": "path", "required": True}, "content": {"type": "str", "required": True}},
    },
}
OWNER_ONLY = 0o600


class ActionModule(ActionBase):
    """Keep texts on the controller."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        """Ensure all files."""
        result = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(ARGUMENTS)
        attributes, diff = Attributes(os.geteuid(), os.getegid(), OWNER_ONLY), []

        def work(item):
            path = os.path.abspath(item["path"])
            changed = ensure_file(
                path, item["content"].encode("utf-8", "surrogateescape"), attributes, self._task.check_mode, diff
            )
            return {"path": path, "changed": changed}

        done = for_each(arguments["files"], work)
        if done.failures:
            raise AnsibleActionFail("; ".join(done.failures))
        changed_files = [item["path"] for item in done.results if item["changed"]]
        shown = {"diff": diff} if self._task.diff else {}
        return {**result, **shown, "changed": bool(changed_files), "changed_files": changed_files}
