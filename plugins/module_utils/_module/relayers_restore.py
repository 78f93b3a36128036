# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The entries of databases, restored from a backup."""

from __future__ import annotations

from .._vsmtprelay.database import edits, relayers_db
from .._vsmtprelay.entries.makemap_text import parse_makemap
from .._vsmtprelay.errors import MalformedError
from .databases import (
    diff_of,
    for_each_database,
)
from .other_hosts import OtherHosts
from .results import finish

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ansible.module_utils.basic import AnsibleModule

    from .._vsmtprelay.database.locks import Deadline


def run(module: AnsibleModule) -> None:
    """Run ``module`` with its options, and exit."""
    parameters = module.params
    diff: list[dict[str, str]] = []
    others = OtherHosts(module)

    def work(item: dict[str, Any], deadline: Deadline) -> dict[str, Any]:
        path = item["path"]
        try:
            entries = parse_makemap(item["text"])
        except MalformedError as error:
            raise MalformedError(f"{path}: the text to restore: {error}") from None
        edit = edits.restore(entries, parameters["exactly"])
        changes = relayers_db.change(path, edit, deadline, check_only=module.check_mode)
        if changes:
            others.note_check(path)
        diff.append(diff_of(path, changes))
        return dict(path=path, **changes.as_returned())

    restored = for_each_database(parameters["databases"], work, parameters["lock_timeout"])
    restored.diff += diff
    restored.failures += others.finish()
    changed = any(value for result in restored.results for name, value in result.items() if name != "path")
    finish(module, changed, restored, databases=restored.results)
