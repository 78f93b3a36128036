# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Permanent permissions, declared in the inventory: which address may relay through which virtual servers."""

from __future__ import annotations

from ..entries.addresses import key_of
from ..errors import MalformedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from .virtual_servers import VirtualServers

PERMISSION_FIELDS = ("address", "owner", "reason", "virtual_servers")


def permanent_keys(permissions: Iterable[Mapping[str, Any]], servers: VirtualServers) -> dict[str, list[str]]:
    """Return the keys that may relay permanently, sorted, by the name of each of ``servers``.

    Each permission has an ``address``, and optionally the names of its ``virtual_servers``; without them it
    covers all. ``owner`` and ``reason`` are for people. Raises one MalformedError that lists all faults.
    """
    keys, faults = read_permissions(permissions, servers)
    if faults:
        raise MalformedError("; ".join(faults))
    return keys


def read_permissions(
    permissions: Iterable[Mapping[str, Any]], servers: VirtualServers
) -> tuple[dict[str, list[str]], list[str]]:
    """Return the keys by the name of each server, as permanent_keys() does, and one line for each fault."""
    keys: dict[str, set[str]] = {server.name: set() for server in servers.servers}
    faults = []
    for permission in permissions:
        try:
            key, names = _read(permission)
            for name in [servers.named(name).name for name in names] or keys:
                keys[name].add(key)
        except MalformedError as error:
            faults.append(f"permission for {permission.get('address')!r}: {error}")
    return {name: sorted(found) for name, found in keys.items()}, faults


def _read(permission: Mapping[str, Any]) -> tuple[str, list[str]]:
    unknown = sorted(set(permission) - set(PERMISSION_FIELDS))
    if unknown:
        raise MalformedError(f"has no field {unknown[0]!r}; the fields are {', '.join(PERMISSION_FIELDS)}")
    if not isinstance(permission.get("address"), str):
        raise MalformedError("needs an address")
    return key_of(permission["address"]), list(permission.get("virtual_servers") or [])
