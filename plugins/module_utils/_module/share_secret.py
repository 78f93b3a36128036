# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The secret of a mail host for the engines: made there, and only its hash is returned."""

from __future__ import annotations

import os

from .._vsmtprelay.errors import BE_ROOT, RelayError
from .._vsmtprelay.sharing import access
from .host_files import ensure_bare_secret
from .results import Outcome, finish
from .undoable_files import UndoableFiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


def run(module: AnsibleModule) -> None:
    """Run ``module`` with its options, and exit."""
    path = module.params["path"]
    try:
        changed = ensure_bare_secret(UndoableFiles(module.check_mode), path)
        # In check mode there may be none.
        found = access.hash_of(access.load_secret(path)) if os.path.exists(path) else None
    except RelayError as error:
        module.fail_json(msg=str(error) if os.geteuid() == 0 else f"{error}: {BE_ROOT}")
    finish(module, changed, Outcome(), sha256=found)
