# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ruleset in the files that the options of a module name."""

from __future__ import annotations

from .results import finish
from .rulesets import edit_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


def run(module: AnsibleModule) -> None:
    """Run ``module`` with its options, and exit."""
    parameters = module.params
    files = parameters["files"]
    if files is None:
        files = [{"path": parameters["path"], "relayers_db": parameters["relayers_db"], "state": None}]
    options = {name: parameters[name] for name in ("source", "window", "backup", "reload")}
    for item in files:
        item["state"] = item["state"] or parameters["state"]
    edited = edit_files(module, files, **options)
    changed = bool(edited.reloaded) or any(result["changed"] for result in edited.results)
    finish(module, changed, edited, files=edited.results, reloaded=edited.reloaded)
