# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables with which the role last ran on a host, and the values that a later run starts from.

A user's play can set the role's variables where no other playbook finds them: as variables of the role or of
the play. So the role records its variables on the host. The playbooks of the collection start from that
record, the inventory and ``--extra-vars``.
"""

from __future__ import annotations

import json

from ..errors import RelayError
from ..files import text_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

PATH = "/var/lib/vsmtprelay/role"
PREFIX = "pop_before_smtp_"
# It also keeps Ansible's templates from parsing the text as data.
HEADER = "# What the role vsmtp.relay.pop_before_smtp was told on this host. Written by it; changes are lost.\n"
# By name without PREFIX, the same as in roles/pop_before_smtp/defaults/main.yml; a test compares the two. The default of
# virtual_servers depends on the host.
DEFAULTS: Mapping[str, Any] = {
    "state": "present",
    "virtual_servers": None,
    "permissions": [],
    "window": 1440,
    "expire": 1440,
    "renew": True,
    "cron_hour": 3,
    "cron_minute": 15,
    "recorder": "dovecot",
    "relay": "sendmail",
    "engines": [],
    "engine_ca": "",
    "metrics": False,
    "pam_services": ["pop3", "imap"],
    "ignore": [],
    "sendmail_source": "auto",
    "install_packages": True,
    "remove_databases": False,
}
# A variable that removes something has to be given again in each run.
NEVER_KEPT = frozenset(("state", "remove_databases"))


class RunVariables:
    """The role's ``variables`` by name; ``by_play`` are the names that a play set, ``kept`` those that an earlier play set."""

    __slots__ = ("by_play", "kept", "variables")

    def __init__(self, variables: Mapping[str, Any], by_play: Collection[str], kept: Collection[str] = ()) -> None:
        self.variables = variables
        self.by_play = sorted(by_play)
        self.kept = sorted(kept)

    def text(self) -> str:
        """Return the text of the file at PATH."""
        kept = {name: value for name, value in self.variables.items() if name not in NEVER_KEPT}
        return HEADER + json.dumps({"told_by_a_play": self.by_play, "variables": kept}, indent=1, sort_keys=True) + "\n"


def last_run(path: str = PATH) -> RunVariables:
    """Return the variables of the role's last run on this host; none if it never ran, or the file is not the role's."""
    try:
        text = (text_file.read(path) or b"").decode("utf-8")
        content = json.loads(text.partition(HEADER)[2] or "{}")
        variables, by_play = content.get("variables", {}), content.get("told_by_a_play", [])
        known = {name: value for name, value in variables.items() if name in DEFAULTS and name not in NEVER_KEPT}
        return RunVariables(known, [name for name in by_play if name in known])
    except (RelayError, ValueError, AttributeError, TypeError):
        return RunVariables({}, [])


def this_run(
    variables: Mapping[str, Any], given: Collection[str], default_name: str, before: RunVariables | None
) -> RunVariables:
    """Return the variables of this run.

    ``variables`` are all variables of this play, ``given`` the names of those that the inventory or
    --extra-vars give, ``default_name`` the default name of the host's virtual server, ``before`` the variables
    to start from, or None.

    A variable was set by the play if its value is not its default and the inventory does not give it. A
    variable with its default keeps the value that an earlier play set.
    """
    by_play = {name for name in variables if name not in given and not _is_default(name, variables[name], default_name)}
    kept = {}
    if before is not None:
        kept = {name: before.variables[name] for name in before.by_play if name not in by_play and name not in given}
    return RunVariables({**variables, **kept}, (by_play | set(kept)) - NEVER_KEPT, kept)


def _is_default(name: str, value: Any, default_name: str) -> bool:
    if name != "virtual_servers":
        return bool(value == DEFAULTS[name])
    return [{field: text for field, text in server.items() if text} for server in value] == [
        {"name": default_name, "root": "/"}
    ]
