# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role was told on a host, and what it starts from when it is told less.

A play of one's own can set the role's variables where no other playbook finds them: as variables of the role or of the play.
The role notes on the host what it was told; the playbooks of the collection start from that, and from what the inventory and
``--extra-vars`` say.
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
# Also what keeps Ansible's templates from taking the text for the data that it holds.
HEADER = "# What the role vsmtp.relay.pop_before_smtp was told on this host. Written by it; changes are lost.\n"
# By the name without PREFIX, as roles/pop_before_smtp/defaults/main.yml has them; a test compares the two. The default of
# virtual_servers depends on the host.
DEFAULTS: Mapping[str, Any] = {
    "state": "present",
    "virtual_servers": None,
    "permissions": [],
    "window": 1440,
    "expire": 1440,
    "cron_hour": 3,
    "cron_minute": 15,
    "recorder": "dovecot",
    "pam_services": ["pop3", "imap"],
    "ignore": [],
    "sendmail_source": "auto",
    "install_packages": True,
    "remove_databases": False,
}
# What takes something away is told anew each time.
NEVER_KEPT = frozenset(("state", "remove_databases"))


class Told:
    """What the role was told: all ``variables`` by name, and which of them a play told it, now or, if ``kept``, before."""

    __slots__ = ("by_play", "kept", "variables")

    def __init__(self, variables: Mapping[str, Any], by_play: Collection[str], kept: Collection[str] = ()) -> None:
        self.variables = variables
        self.by_play = sorted(by_play)
        self.kept = sorted(kept)

    def text(self) -> str:
        """Return the text of the file at PATH."""
        kept = {name: value for name, value in self.variables.items() if name not in NEVER_KEPT}
        return HEADER + json.dumps({"told_by_a_play": self.by_play, "variables": kept}, indent=1, sort_keys=True) + "\n"


def last_told(path: str = PATH) -> Told:
    """Return what the role was told when it last ran on this host; nothing where it never did, or the file is none of ours."""
    try:
        text = (text_file.read(path) or b"").decode("utf-8")
        content = json.loads(text.partition(HEADER)[2] or "{}")
        variables, by_play = content.get("variables", {}), content.get("told_by_a_play", [])
        known = {name: value for name, value in variables.items() if name in DEFAULTS and name not in NEVER_KEPT}
        return Told(known, [name for name in by_play if name in known])
    except (RelayError, ValueError, AttributeError, TypeError):
        return Told({}, [])


def told_now(variables: Mapping[str, Any], given: Collection[str], default_name: str, before: Told | None) -> Told:
    """Return what the role is told in this run.

    ``variables`` are all of them as this play has them, ``given`` the names of those that the inventory or --extra-vars give,
    ``default_name`` what the host's virtual server is called by default, ``before`` what to start from, or None.

    A variable that has another value than its default, and that the inventory does not give, was told by the play. One that has
    its default keeps what a play told before.
    """
    by_play = {name for name in variables if name not in given and not _is_default(name, variables[name], default_name)}
    kept = {}
    if before is not None:
        kept = {name: before.variables[name] for name in before.by_play if name not in by_play and name not in given}
    return Told({**variables, **kept}, (by_play | set(kept)) - NEVER_KEPT, kept)


def _is_default(name: str, value: Any, default_name: str) -> bool:
    if name != "virtual_servers":
        return bool(value == DEFAULTS[name])
    return [{field: text for field, text in server.items() if text} for server in value] == [
        {"name": default_name, "root": "/"}
    ]
