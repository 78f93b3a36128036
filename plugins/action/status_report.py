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

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import UnreadableError
from ansible_collections.vsmtp.relay.plugins.plugin_utils import status_history
from ansible_collections.vsmtp.relay.plugins.plugin_utils.status_facts import host_of
from ansible_collections.vsmtp.relay.plugins.plugin_utils.status_page import page
from ansible_collections.vsmtp.relay.plugins.plugin_utils.status_table import table
from ansible_collections.vsmtp.relay.plugins.plugin_utils.status_words import attention

ARGUMENTS = {
    "hosts": {"type": "list", "elements": "dict"},
    "found": {"type": "list", "elements": "dict"},
    "report": {"type": "path"},
    "json": {"type": "path"},
    "history": {"type": "path"},
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
        for line in ("", *table(fleet), ""):
            Display().display(line)
        for path, text in _files(fleet, arguments):
            if not self._task.check_mode:
                _write(path, text)
        sentences = attention(fleet)
        if arguments["strict"] and sentences:
            result.update(
                failed=True, msg=f"{'one thing needs' if len(sentences) == 1 else f'{len(sentences)} things need'} attention"
            )
        # A report changes no host.
        return {**result, "changed": False, "fleet": fleet, "attention": sentences}


def _files(fleet, arguments):
    """Return the files to be written: pairs of a path and a text."""
    paths = {name: os.path.abspath(arguments[name]) for name in ("json", "report", "history") if arguments[name]}
    if len(set(paths.values())) < len(paths):
        raise AnsibleActionFail(f"{' and '.join(paths)} are to be different files")
    lines = []
    if "history" in paths:
        try:
            lines = status_history.extended(status_history.read(paths["history"]), fleet)
        except UnreadableError as error:
            raise AnsibleActionFail(f"history: {error}") from None
    texts = {"json": lambda: json.dumps(fleet, indent=2) + "\n", "report": lambda: page(fleet, lines)}
    texts["history"] = lambda: status_history.text_of(lines)
    return [(path, texts[name]()) for name, path in paths.items()]


def _write(path, text):
    """Replace the file at ``path`` by ``text`` atomically."""
    try:
        descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".status-")
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except OSError as error:
        raise AnsibleActionFail(f"{path}: cannot be written: {error.strerror}; check the directory") from None
