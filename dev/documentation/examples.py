# SPDX-License-Identifier: GPL-3.0-or-later
"""One play of the EXAMPLES of all plugins: what each returned, and which failed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import yaml

from .bed import Bed, Failed
from .blocks import Plugin

HOST = "mail1.example.org"
RESULTS = "results.json"


class Examples:
    """What came of a run. ``failures`` has a sentence for each plugin whose example failed."""

    def __init__(self, bed: Bed, plugins: Iterable[Plugin]) -> None:
        """Run the examples. Raises Failed if the play ends without having tried them all."""
        bed.write("examples.yml", yaml.safe_dump([_play(list(plugins), str(bed.directory / RESULTS))]))
        process = bed.shell("ansible-playbook -i inventory examples.yml --diff")
        if process.returncode != 0:
            raise Failed(f"the play of all examples: {process.stdout}{process.stderr}")
        content = json.loads((bed.directory / RESULTS).read_text(encoding="utf-8"))
        self.output = process.stdout
        self.failures: dict[str, str] = content["failures"]
        self._results: list[dict[str, Any]] = content["results"]

    def returned_by(self, module: str) -> list[dict[str, Any]]:
        """Return what the tasks returned that use a module of this collection."""
        return [entry["result"] for entry in self._results if entry["module"] == f"vsmtp.relay.{module}"]


def _play(plugins: list[Plugin], results: str) -> dict[str, Any]:
    registered: list[dict[str, str]] = []
    blocks = []
    for plugin in plugins:
        tasks = [dict(task) for task in plugin.examples]
        for task in tasks:
            name = task.setdefault("register", f"result_{len(registered)}")
            module = next(key for key in task if "." in key)
            registered.append({"module": module, "result": f"{{{{ {name} | default({{}}) }}}}"})
        reason = "{{ ansible_failed_task.name }}: {{ ansible_failed_result.msg | default(ansible_failed_result) }}"
        note = {"failures": f"{{{{ failures | combine({{'{plugin.name}': reason}}) }}}}"}
        rescue = [{"name": "Note the failure", "ansible.builtin.set_fact": note, "vars": {"reason": reason}}]
        blocks.append({"name": f"EXAMPLES of {plugin.name}", "block": tasks, "rescue": rescue})
    write = {
        "name": "Write down what came of it",
        "ansible.builtin.copy": {
            "content": {"failures": "{{ failures }}", "results": registered},
            "dest": results,
            "mode": "0600",
        },
        "delegate_to": "localhost",
        "diff": False,
        "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"},
    }
    begin = {"name": "Begin", "ansible.builtin.set_fact": {"failures": {}}}
    return {"hosts": HOST, "gather_facts": False, "tasks": [begin, *blocks, write]}
