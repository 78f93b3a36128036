# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The certificate of an engine: made there and renewed in time, or a copy of the one that the user gives."""

from __future__ import annotations

from .._vsmtprelay.errors import RelayError
from .certificates import Paths, end_of, ensure_given, ensure_made
from .results import Outcome, finish
from .undoable_files import UndoableFiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


def run(module: AnsibleModule) -> None:
    """Run ``module`` with its options, and exit."""
    parameters = module.params
    files, directory, names = UndoableFiles(module.check_mode), parameters["directory"], sorted(set(parameters["names"]))
    try:
        if parameters["given"]:
            ca, changed = "", ensure_given(files, directory, parameters["given"], parameters["group"])
        else:
            text, changed = ensure_made(files, directory, names, parameters["group"])
            ca = text.decode("ascii", "replace")
        end = end_of(Paths(directory).certificate)
    except RelayError as error:
        module.fail_json(msg=str(error))
    finish(module, changed, Outcome(), ca=ca, end=end)
