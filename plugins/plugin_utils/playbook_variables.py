# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables that users give the playbooks with ``-e``: the names for each playbook, and checks of the values.

A fault is reported once, in one line, before any host is changed.
"""

from __future__ import annotations

import os
import re
import time

from ansible.module_utils.common.validation import check_type_bool

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.entries.addresses import key_of
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.entries.timestamps import parse_day, parse_minutes
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import MalformedError, UnreadableError
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.servers.virtual_servers import check_name

from . import status_history

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

SEPARATORS = re.compile(r"[\s,]+")


def listed(value: Any) -> list[str]:
    """Return the names in ``value``, a list or a text with commas and blanks between the names."""
    if isinstance(value, str):
        return [word for word in SEPARATORS.split(value) if word]
    if isinstance(value, (list, tuple)):
        return [name for item in value for name in listed(item)]
    return [str(value)]


def _addresses(value: Any) -> None:
    if not listed(value):
        raise MalformedError("names no address: write one or several, as in relay_address=198.51.100.7")
    for address in listed(value):
        key_of(address)


def _names(value: Any) -> None:
    if not listed(value):
        raise MalformedError("names no virtual server: name one or several, or omit the variable for all of them")
    for name in listed(value):
        check_name(name)


def _day(value: Any) -> None:
    if parse_day(str(value)) < time.time():
        raise MalformedError(f"{value} is in the past")


def _minutes(value: Any) -> None:
    parse_minutes(str(value))


def _flag(value: Any) -> None:
    try:
        check_type_bool(value)
    except TypeError:
        raise MalformedError(f"{value!r} is neither true nor false") from None


def _directory(value: Any) -> None:
    if not str(value).strip():
        raise MalformedError("names no directory")


def _file(value: Any) -> None:
    path = os.path.abspath(os.path.expanduser(str(value)))
    if not str(value).strip() or os.path.isdir(path):
        raise MalformedError(f"{value!r} is not the name of a file")
    if not os.path.isdir(os.path.dirname(path)):
        raise MalformedError(f"there is no directory {os.path.dirname(path)}")


def _history(value: Any) -> None:
    _file(value)
    try:
        status_history.read(os.path.expanduser(str(value)))
    except UnreadableError as error:
        raise MalformedError(str(error)) from None


CHECKS: Mapping[str, Callable[[Any], None]] = {
    "relay_address": _addresses,
    "relay_until": _day,
    "relay_virtual_servers": _names,
    "relay_older_than": _minutes,
    "relay_report": _file,
    "relay_json": _file,
    "relay_history": _history,
    "relay_directory": _directory,
    "relay_drift": _flag,
    "relay_exactly": _flag,
    "relay_strict": _flag,
}
# By playbook: the names of its variables, and the required ones with an example.
PLAYBOOKS: Mapping[str, tuple[tuple[str, ...], Mapping[str, str]]] = {
    "site": ((), {}),
    "remove": ((), {}),
    "engine": ((), {}),
    "permit": (("relay_address", "relay_until", "relay_virtual_servers"), {"relay_address": "198.51.100.7"}),
    "revoke": (("relay_address", "relay_virtual_servers"), {"relay_address": "198.51.100.7"}),
    "expire": (("relay_older_than", "relay_virtual_servers"), {}),
    "status": (
        ("relay_virtual_servers", "relay_report", "relay_json", "relay_history", "relay_drift", "relay_strict"),
        {},
    ),
    "backup": (("relay_directory", "relay_virtual_servers"), {"relay_directory": "relayers"}),
    "restore": (("relay_directory", "relay_virtual_servers", "relay_exactly"), {"relay_directory": "relayers"}),
}
# These never had another name.
NEW = frozenset(("relay_history",))


def check(name: str, value: Any) -> None:
    """Raise MalformedError, a line that begins with ``name``, unless ``value`` is valid for the variable."""
    try:
        CHECKS[name](value)
    except MalformedError as error:
        raise MalformedError(f"{name}: {error}") from None


def check_names(playbook: str, given: Mapping[str, Any]) -> None:
    """Raise MalformedError if ``given`` lacks a required variable, or has one under its name before 0.2.0."""
    names, required = PLAYBOOKS[playbook]
    for name in names:
        old = name[len("relay_") :]
        if old in given and name not in given and name not in NEW:
            raise MalformedError(f"{old} is not read any more: write -e {name}=… instead of -e {old}=…")
    for name, example in required.items():
        if name not in given:
            raise MalformedError(f"{name} is missing: give it with -e {name}={example}")
