# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the modules of this collection have in common: the place where they meet Ansible. Private to the collection."""

from __future__ import annotations

import os

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.respawn import has_respawned, probe_interpreters_for_module, respawn_module

from ._vsmtprelay import hashfile, text_file
from ._vsmtprelay.database import LOCK_SECONDS
from ._vsmtprelay.errors import MissingBindingError, RelayError
from ._vsmtprelay.listing import lines_of, text_of
from ._vsmtprelay.virtual_servers import TABLE, VirtualServers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, NoReturn

    from ._vsmtprelay.edits import Changes
    from ._vsmtprelay.text_file import Attributes
    from ._vsmtprelay.virtual_servers import VirtualServer

# As in the documentation fragment ``relayers``; the path is documented by each module.
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
    """Return the AnsibleModule, under a Python that can read Berkeley DB if there is one on the target.

    Distributions package the binding for their own python3 only, while Ansible may have been told to use another. Where
    there is none at all the module goes on: as long as there is no database to be read it does not matter.
    """
    module = AnsibleModule(**arguments)
    try:
        hashfile.binding()
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


def databases_meant(module: AnsibleModule) -> list[dict[str, Any]]:
    """Return what a result says first of each database that is meant: ``path``, and ``virtual_server`` if that is named."""
    servers = servers_meant(module)
    if servers is not None:
        return [{"path": server.relayers_db, "virtual_server": server.name} for server in servers]
    paths = module.params["paths"]
    return [{"path": path} for path in ([module.params["path"]] if paths is None else paths)]


def for_each(items: Iterable[Any], work: Callable[[Any], dict[str, Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    """Do ``work`` for each of ``items``; return what it returned for each, and the messages of those that failed.

    One bad item does not keep the others from being done.
    """
    results: list[dict[str, Any]] = []
    failures: list[str] = []
    for item in items:
        try:
            results.append(work(item))
        except RelayError as error:
            failures.append(str(error))
    return results, failures


def finish(
    module: AnsibleModule, changed: bool, failures: list[str], diff: list[dict[str, str]] | None = None, **results: Any
) -> NoReturn:
    """End the module: with what it did, or as failed if anything did, which the message then tells."""
    if diff is not None and module._diff:
        results["diff"] = diff
    if failures:
        module.fail_json(msg="; ".join(failures), changed=changed, **results)
    module.exit_json(changed=changed, **results)


def diff_of(path: str, changes: Changes) -> dict[str, str]:
    """Return what Ansible shows as the difference: the entries that change, as makemap text."""
    before = {**changes.removed, **{key: old for key, (old, unused) in changes.updated.items()}}
    after = {**changes.added, **{key: new for key, (unused, new) in changes.updated.items()}}
    before_header = "/dev/null" if changes.created else path
    return {"before_header": before_header, "after_header": path, "before": _text(before), "after": _text(after)}


def ensure_file(
    path: str,
    content: bytes,
    attributes: Attributes,
    check_mode: bool,
    diff: list[dict[str, str]],
    check: Callable[[str], None] | None = None,
) -> bool:
    """Make sure of a text file with its owner and mode, and append to ``diff``; return whether it had to change.

    Missing directories are created. ``check`` is as for text_file.replace().
    """
    before, attributes_before = text_file.read(path), text_file.attributes_of(path)
    if before == content and attributes_before == attributes:
        return False
    diff.append(text_diff(path, before, content, attributes_before, attributes))
    if not check_mode:
        text_file.create_directory(os.path.dirname(path))
        text_file.replace(path, content, attributes, check)
    return True


def ensure_no_file(path: str, check_mode: bool, diff: list[dict[str, str]]) -> bool:
    """Make sure that there is no file at ``path``, and append to ``diff``; return whether there was one."""
    before = text_file.read(path)
    if before is None and not os.path.islink(path):
        return False
    diff.append(text_diff(path, before, None, text_file.attributes_of(path)))
    if not check_mode:
        text_file.remove(path)
    return True


def text_diff(
    path: str,
    before: bytes | None,
    after: bytes | None,
    attributes_before: Attributes | None = None,
    attributes_after: Attributes | None = None,
) -> dict[str, str]:
    """Return what Ansible shows as the difference of a text file; None stands for a file that is not there."""

    def header(content: bytes | None, attributes: Attributes | None) -> str:
        return "/dev/null" if content is None else path if attributes is None else f"{path} ({attributes})"

    return {
        "before_header": header(before, attributes_before),
        "after_header": header(after, attributes_after),
        "before": text_of(before or b""),
        "after": text_of(after or b""),
    }


def changes_of(changes: Changes) -> dict[str, Any]:
    """Return what a module tells of the changes of a database."""
    return {
        "created": changes.created,
        "added": names(changes.added),
        "updated": names(changes.updated),
        "removed": names(changes.removed),
    }


def names(keys: Iterable[bytes]) -> list[str]:
    """Return keys as text, in order."""
    return sorted(text_of(key) for key in keys)


def _text(entries: dict[bytes, bytes]) -> str:
    return "".join(text_of(lines_of(key, entries[key])) for key in sorted(entries))
