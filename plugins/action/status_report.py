# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action of status_report. It runs on the controller."""

from __future__ import annotations

import json
import os
import tempfile
import time

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.vsmtp.relay.plugins.plugin_utils.status_facts import host_of
from ansible_collections.vsmtp.relay.plugins.plugin_utils.status_page import page
from ansible_collections.vsmtp.relay.plugins.plugin_utils.status_plots import MissingLibraryError
from ansible_collections.vsmtp.relay.plugins.plugin_utils.status_table import table
from ansible_collections.vsmtp.relay.plugins.plugin_utils.status_words import attention

ARGUMENTS = {
    "hosts": {"type": "list", "elements": "dict"},
    "found": {"type": "list", "elements": "dict"},
    "report": {"type": "path"},
    "json": {"type": "path"},
    "strict": {"type": "bool", "default": False},
}


class ActionModule(ActionBase):
    """Show the state of a fleet."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        """Print the table, and write the requested files."""
        result = super().run(tmp, task_vars)
        exclusive = ("hosts", "found")
        _validation, arguments = self.validate_argument_spec(
            ARGUMENTS, mutually_exclusive=[exclusive], required_one_of=[exclusive]
        )
        hosts = arguments["hosts"] if arguments["found"] is None else [host_of(each) for each in arguments["found"]]
        # Through JSON, so that the file holds plain data.
        fleet = {"made": int(time.time()), "hosts": json.loads(json.dumps(hosts))}
        texts = {}
        if arguments["json"]:
            texts[arguments["json"]] = json.dumps(fleet, indent=2) + "\n"
        if arguments["report"]:
            try:
                texts[arguments["report"]] = page(fleet)
            except MissingLibraryError as error:
                raise AnsibleActionFail(str(error)) from None
        for line in ("", *table(fleet), ""):
            Display().display(line)
        for path, text in texts.items():
            if not self._task.check_mode:
                _write(os.path.abspath(path), text)
        sentences = attention(fleet)
        if arguments["strict"] and sentences:
            result.update(
                failed=True, msg=f"{'one thing needs' if len(sentences) == 1 else f'{len(sentences)} things need'} attention"
            )
        # A report changes no host.
        return {**result, "changed": False, "fleet": fleet, "attention": sentences}


def _write(path, text):
    """Replace the file at ``path`` by ``text`` atomically."""
    try:
        descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".status-")
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except OSError as error:
        raise AnsibleActionFail(f"{path}: cannot be written: {error.strerror}; check the directory") from None
