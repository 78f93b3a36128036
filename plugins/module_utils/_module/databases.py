# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The databases that the options of a module name, and their changes in its result."""

from __future__ import annotations

from operator import itemgetter

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.respawn import has_respawned, probe_interpreters_for_module, respawn_module

from .._vsmtprelay.backends import berkeley_binding
from .._vsmtprelay.database.in_turn import in_turn
from .._vsmtprelay.database.relayers_db import LOCK_SECONDS
from .._vsmtprelay.entries.makemap_text import entry_lines, printable_text
from .._vsmtprelay.errors import MissingBindingError, RelayError
from .._vsmtprelay.servers.virtual_servers import TABLE, VirtualServers
from .results import Outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from .._vsmtprelay.database.edits import Changes
    from .._vsmtprelay.database.locks import Deadline
    from .._vsmtprelay.servers.virtual_servers import VirtualServer

# As in the documentation fragment ``relayers``; each module documents the path.
DATABASE_OPTIONS = {
    "path": {"type": "path", "default": "/etc/mail/relayers.db"},
    "lock_timeout": {"type": "float", "default": LOCK_SECONDS},
}
# As in the part "servers" of that fragment.
SERVER_OPTIONS = {
    "virtual_servers": {"type": "list", "elements": "str"},
    "table": {"type": "path", "default": TABLE},
}
DISTRIBUTION_INTERPRETERS = ("/usr/bin/python3", "/usr/libexec/platform-python")


def module_with_binding(**arguments: Any) -> AnsibleModule:
    """Return the AnsibleModule, respawned under a Python with the binding if the target has one.

    Distributions package the binding for their own python3 only, while Ansible may use another. Without any
    binding the module continues, since it needs one only once it reads a database.
    """
    module = AnsibleModule(**arguments)
    try:
        berkeley_binding.binding()
    except MissingBindingError:
        if not has_respawned():
            interpreter = probe_interpreters_for_module(DISTRIBUTION_INTERPRETERS, "bsddb3")
            if interpreter:
                respawn_module(interpreter)
    return module


def servers_meant(module: AnsibleModule) -> list[VirtualServer] | None:
    """Return the virtual servers of this host that the option ``virtual_servers`` names, None if it is not given."""
    names_meant = module.params["virtual_servers"]
    if names_meant is None:
        return None
    try:
        return VirtualServers.from_table(module.params["table"]).chosen(names_meant)
    except RelayError as error:
        module.fail_json(msg=str(error))
        raise  # for the type checker: fail_json() ends the process


def for_each_database(items: Sequence[Any], work: Callable[[Any, Deadline], Any], lock_seconds: float) -> Outcome:
    """Call ``work`` for each of ``items``, of one database each, as in_turn() does; the results are in their order."""
    outcome = Outcome()
    done = sorted(in_turn(items, work, lock_seconds), key=itemgetter(0))
    for _number, result in done:
        if isinstance(result, RelayError):
            outcome.failures.append(str(result))
        else:
            outcome.results.append(result)
    return outcome


def databases_meant(module: AnsibleModule) -> list[dict[str, Any]]:
    """Return the first fields of each database's result: ``path``, and ``virtual_server`` if the options name it."""
    servers = servers_meant(module)
    if servers is not None:
        return [{"path": server.relayers_db, "virtual_server": server.name} for server in servers]
    paths = module.params["paths"]
    return [{"path": path} for path in ([module.params["path"]] if paths is None else paths)]


def diff_of(path: str, changes: Changes) -> dict[str, str]:
    """Return the diff for Ansible: the entries that change, as makemap text."""
    before = {**changes.removed, **{key: old for key, (old, unused) in changes.updated.items()}}
    after = {**changes.added, **{key: new for key, (unused, new) in changes.updated.items()}}
    before_header = "/dev/null" if changes.created else path
    return {"before_header": before_header, "after_header": path, "before": _text(before), "after": _text(after)}


def _text(entries: dict[bytes, bytes]) -> str:
    return "".join(printable_text(entry_lines(key, entries[key])) for key in sorted(entries))
