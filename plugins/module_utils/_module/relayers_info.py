# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The entries of databases, read."""

from __future__ import annotations

import os
import time

from .._vsmtprelay.database import relayers_db, repair
from .._vsmtprelay.entries.makemap_text import entry_lines, printable_text
from .._vsmtprelay.entries.relayers import relayer_of
from .._vsmtprelay.entries.timestamps import expiry_cutoff, timestamp_of
from .._vsmtprelay.errors import UnreadableError
from .databases import (
    databases_meant,
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
    if parameters["older_than"] is not None and parameters["older_than"] < 0:
        module.fail_json(msg=f"older_than: {parameters['older_than']} minutes: an age is not negative")
    now = int(time.time())
    older_than = parameters["older_than"]
    limit = None if older_than is None else expiry_cutoff(now, older_than)

    def is_meant(value: bytes) -> bool:
        timestamp = timestamp_of(value)
        return limit is None or (timestamp is not None and timestamp <= limit)

    def work(item: dict[str, Any], deadline: Deadline) -> dict[str, Any]:
        path: str = item["path"]
        soundness: dict[str, Any] = {}
        if parameters["verify"] and os.path.exists(path):
            try:
                repair.verify(path, deadline)
                soundness = {"sound": True, "fault": ""}
            except UnreadableError as error:
                return dict(item, exists=True, relayers=[], sound=False, fault=str(error))
        with relayers_db.read(path, deadline) as snapshot:
            chosen = sorted((key, value) for key, value in snapshot.items() if is_meant(value))
            result: dict[str, Any] = dict(soundness, **item, exists=snapshot.exists, relayers=[])
        if parameters["text"]:
            result["text"] = "".join(printable_text(entry_lines(key, value)) for key, value in chosen)
        else:
            result["relayers"] = [relayer_of(key, timestamp_of(value), now) for key, value in chosen]
        return result

    found = for_each_database(databases_meant(module), work, parameters["lock_timeout"])
    finish(module, False, found, databases=found.results)
