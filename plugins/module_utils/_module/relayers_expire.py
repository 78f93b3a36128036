# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The old entries of databases, removed."""

from __future__ import annotations

import time

from .._vsmtprelay.database import edits, relayers_db
from .._vsmtprelay.entries.relayers import names
from .._vsmtprelay.role import variables as role_variables
from .databases import (
    databases_meant,
    diff_of,
    for_each_database,
)
from .results import finish

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ansible.module_utils.basic import AnsibleModule

    from .._vsmtprelay.database.locks import Deadline


def run(module: AnsibleModule) -> None:
    """Run ``module`` with its options, and exit."""
    parameters = module.params
    older_than = parameters["older_than"]
    if older_than is None:
        variables = role_variables.last_run().variables if parameters["virtual_servers"] else {}
        older_than = variables.get("expire", role_variables.DEFAULTS["expire"])
    if older_than < 0:
        module.fail_json(msg=f"older_than: {older_than} minutes: an age is not negative")
    now = int(time.time())
    diff: list[dict[str, str]] = []

    def work(item: dict[str, Any], deadline: Deadline) -> dict[str, Any]:
        path = item["path"]
        changes = relayers_db.change(
            path,
            edits.expire(older_than, now),
            deadline,
            check_only=module.check_mode,
            create=False,
        )
        diff.append(diff_of(path, changes))
        return dict(item, expired=names(changes.removed))

    expired = for_each_database(databases_meant(module), work, parameters["lock_timeout"])
    expired.diff += diff
    changed = any(result["expired"] for result in expired.results)
    finish(module, changed, expired, databases=expired.results, older_than=older_than)
