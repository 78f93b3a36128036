# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The entries of databases, ensured or removed as the options say."""

from __future__ import annotations

import os
import time

from .._vsmtprelay.database import edits, relayers_db, repair
from .._vsmtprelay.entries.addresses import key_of
from .._vsmtprelay.entries.timestamps import (
    parse_day,
    parse_minutes,
    parse_timestamp,
)
from .._vsmtprelay.errors import MalformedError, RelayError
from .._vsmtprelay.files import text_file
from .._vsmtprelay.role import variables as role_variables
from .._vsmtprelay.sendmail.cf_text import window_in
from .databases import (
    diff_of,
    for_each_database,
    servers_meant,
)
from .other_hosts import OtherHosts
from .results import finish

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from ansible.module_utils.basic import AnsibleModule

    from .._vsmtprelay.database.locks import Deadline
    from .._vsmtprelay.servers.virtual_servers import VirtualServer


def timestamp_in(entry: Mapping[str, Any], last_day: str | None, window: int, now: int) -> int | None:
    """Return the epoch seconds for ``entry``, or None if it gives neither timestamp nor day. Raises MalformedError.

    ``last_day`` is the default for an entry without a day, or None.
    """
    timestamp = entry.get("timestamp")
    until = entry.get("until", None if timestamp is not None else last_day)
    if until is None:
        return None if timestamp is None else parse_timestamp(str(timestamp))
    if timestamp is not None:
        raise MalformedError(f"{entry['address']}: give either timestamp or until")
    end = parse_day(str(until))
    if end < now:
        raise MalformedError(f"{entry['address']}: {until} is in the past")
    # The ruleset lets it relay for the window after its timestamp.
    return max(0, end - window * 60)


def wanted_entries(path: str, relayers: Iterable[Any], last_day: str | None, window: int, now: int) -> dict[str, int | None]:
    """Return key → epoch seconds or None. Raises MalformedError, which names the database and the entry."""
    wanted: dict[str, int | None] = {}
    for relayer in relayers:
        try:
            entry = relayer if isinstance(relayer, dict) else {"address": relayer}
            if not isinstance(entry.get("address"), str) or set(entry) - {"address", "timestamp", "until"}:
                raise MalformedError(f"{relayer!r} is neither an address nor a dictionary of address and timestamp or until")
            key, timestamp = key_of(entry["address"]), timestamp_in(entry, last_day, window, now)
            if wanted.setdefault(key, timestamp) != timestamp:
                raise MalformedError(f"{entry['address']} is named twice with different timestamps")
        except MalformedError as error:
            raise MalformedError(f"{path}: {error}") from None
    return wanted


def keys_of_permanent(path: str, addresses: Iterable[str] | None) -> set[str] | None:
    """Return the keys of ``addresses``, or None without a list. Raises MalformedError, which names the database."""
    try:
        return None if addresses is None else {key_of(address) for address in addresses}
    except MalformedError as error:
        raise MalformedError(f"{path}: permanent: {error}") from None


def repaired(path: str, deadline: Deadline, check_mode: bool) -> dict[str, Any] | None:
    """Repair the database if it is damaged; return the result to report, or None."""
    if not os.path.exists(path):
        return None
    done = repair.repair(path, deadline, check_only=check_mode)
    return None if done is None else done.members()


def window_of_server(server: VirtualServer, variables: Mapping[str, Any]) -> int:
    """Return the minutes for which an entry of ``server`` relays: by its sendmail.cf, else by the role's ``variables``."""
    window: int | None
    try:
        content = text_file.read(server.sendmail_cf, text_file.LARGEST_CONFIGURATION) or b""
        window = window_in(content.decode("utf-8", "surrogateescape"))
    except RelayError:
        window = None
    if window is None:
        window = variables.get("window", role_variables.DEFAULTS["window"])
    # With window 0 every listed client may relay, and the nightly expiry ends the permission.
    return window or int(variables.get("expire", role_variables.DEFAULTS["expire"]))


def declared_among(relayers: Iterable[Any], variables: Mapping[str, Any]) -> list[str]:
    """Return the ``relayers`` that the permissions in the role's ``variables`` declare."""
    keys = {key_of(permission["address"]) for permission in variables.get("permissions", [])}
    return [relayer for relayer in relayers if isinstance(relayer, str) and key_of(relayer) in keys]


def refresh_seconds(refresh: str) -> int | None:
    """Return the age in seconds at which an entry is renewed, or None for never."""
    if refresh in ("never", "always"):
        return None if refresh == "never" else 0
    return parse_minutes(refresh) * 60


def run(module: AnsibleModule) -> None:
    """Run ``module`` with its options, and exit."""
    parameters = module.params
    present = parameters["state"] == "present"
    if parameters["purge"] and not present:
        module.fail_json(msg="purge goes with state=present only")
    databases, servers = parameters["databases"], servers_meant(module)
    variables = role_variables.last_run().variables if servers is not None else {}
    wanted_everywhere = {name: parameters[name] for name in ("relayers", "permanent")}
    if servers is not None:
        databases = [dict(wanted_everywhere, path=server.relayers_db, server=server) for server in servers]
    elif databases is None:
        databases = [dict(wanted_everywhere, path=parameters["path"])]
    elif parameters["relayers"] or parameters["permanent"]:
        module.fail_json(msg="give either relayers or permanent, with path, or databases")
    if not present and any(item["permanent"] for item in databases):
        module.fail_json(msg="permanent goes with state=present only: leave an address out of the list to remove it")
    others = OtherHosts(module, table=parameters["table"])
    now = int(time.time())
    diff: list[dict[str, str]] = []
    repairs: dict[str, dict[str, Any] | None] = {}
    # What is to be absent and was there: this host's own sharer can be the first to remove it.
    listed: dict[str, dict[bytes, bytes]] = {}

    def revocations() -> Iterator[tuple[str, list[str]]]:
        for item in databases:
            path = item["path"]
            try:
                wanted = list(wanted_entries(path, item["relayers"], None, 0, now))
            except MalformedError:
                continue  # work() reports it
            if others.are_meant:
                listed.setdefault(path, {}).update(relayers_db.listed(path, wanted))
            yield path, wanted

    def work(item: dict[str, Any], deadline: Deadline) -> dict[str, Any]:
        path, server, window = item["path"], item.get("server"), parameters["window"]
        result: dict[str, Any] = {"path": path}
        if server is not None:
            window = window_of_server(server, variables) if window is None else window
            result.update(virtual_server=server.name, window=window)
        elif window is None:
            window = role_variables.DEFAULTS["window"]
        wanted = wanted_entries(path, item["relayers"], parameters["last_day"], window, now)
        if present:
            permanent = keys_of_permanent(path, item["permanent"])
            edit = edits.ensure(wanted, now, refresh_after, parameters["purge"], permanent)
        else:
            edit = edits.delete(list(wanted))
        if parameters["repair"]:
            if path not in repairs:
                repairs[path] = repaired(path, deadline, module.check_mode)
            result["repaired"] = repairs[path]
            if module.check_mode and result["repaired"]:
                return result  # the damaged file does not show what would be added
        before = {key: value for key, value in listed.get(path, {}).items() if key.decode() in wanted}
        if present and others.are_meant and (parameters["purge"] or item["permanent"] is not None):
            planned = relayers_db.change(path, edit, deadline, check_only=True)
            others.revoke([(path, planned.keys_removed())])
            before = planned.removed
        changes = relayers_db.change(path, edit, deadline, check_only=module.check_mode, create=present)
        changes.add_removed(before)
        if present:
            # Others may have added more meanwhile.
            others.revoke([(path, changes.keys_removed())])
            others.note_logins(path, changes)
        diff.append(diff_of(path, changes))
        return dict(result, **changes.as_returned())

    try:
        refresh_after = refresh_seconds(parameters["refresh"])
    except RelayError as error:
        module.fail_json(msg=f"refresh: {error}")
    if not present:
        others.revoke(revocations())
    done = for_each_database(databases, work, parameters["lock_timeout"])
    done.diff += diff
    done.failures += others.finish()
    more = {}
    if servers is not None and not present and not done.failures:
        more["declared"] = declared_among(parameters["relayers"], variables)
    changed = any(
        result.get(name) for result in done.results for name in ("created", "added", "updated", "removed", "repaired")
    )
    finish(module, changed, done, databases=done.results, **more)
