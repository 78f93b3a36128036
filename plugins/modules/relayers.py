#!/usr/bin/python
# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: relayers
short_description: Manage the entries of relayers.db
version_added: 0.1.0
description:
  - Adds, updates and removes client addresses in one or many databases of POP-before-SMTP permissions.
  - Such a database is a Berkeley DB hash file that sendmail looks up at RCPT. Its keys are addresses, its values epoch seconds.
  - Running sendmail processes see the change at once. A database is replaced as a whole or not at all.
  - A database that fails is named, and the others are still done.
author:
  - The vsmtp.relay authors (@vsmtp)
extends_documentation_fragment:
  - vsmtp.relay.relayers
  - vsmtp.relay.relayers.servers
  - vsmtp.relay.attributes
options:
  path:
    description: The database. It is created if it does not exist and O(state=present).
    type: path
    default: /etc/mail/relayers.db
  relayers:
    description:
      - The entries. Each is an address, or a dictionary with V(address) and optionally V(timestamp) in epoch seconds, or V(until), a
        day as in V(2027-01-31), at the end of which in UTC the permission ends.
      - IPv4 addresses are written as dotted quads, IPv6 addresses in any way. They are stored as sendmail looks them up.
    type: list
    elements: raw
    default: []
  permanent:
    description:
      - All addresses that may relay for good. They are stamped V(253402214400), the last day of the year 9999.
      - Any other entry with just that stamp is removed, with O(state=present). What was recorded or has another stamp stays. Without this
        option all stay.
    type: list
    elements: str
  databases:
    description: Many databases at once, instead of O(path) and O(relayers).
    type: list
    elements: dict
    suboptions:
      path:
        description: As O(path).
        type: path
        required: true
      relayers:
        description: As O(relayers).
        type: list
        elements: raw
        default: []
      permanent:
        description: As O(permanent).
        type: list
        elements: str
  last_day:
    description: A day as in V(2027-01-31), at the end of which in UTC the permission of those entries ends that do not say otherwise.
    type: str
  window:
    description:
      - The minutes for which the ruleset lets an entry relay after its timestamp. It is needed to work out a timestamp from a day.
      - By default V(1440). With O(virtual_servers) it is what the ruleset in the C(sendmail.cf) of each server says; where that sets no limit,
        the age of the nightly expiry.
    type: int
  state:
    description: Whether the entries are to be there.
    type: str
    choices: [present, absent]
    default: present
  purge:
    description: Whether to remove every entry that is not named. Only with O(state=present).
    type: bool
    default: false
  refresh:
    description:
      - What to do with an entry that is there already and for which no timestamp is given.
      - V(never) leaves it as it is, V(always) stamps it with the current time, a number does so if it is older than so many minutes.
      - An entry that is stamped in the future stays in every case. A new entry without a timestamp gets the current time.
    type: str
    default: never
  repair:
    description:
      - Whether to repair a damaged database first. The damaged file is kept beside it, and all of it that can be trusted is saved.
      - Without it a damaged database is an error.
    type: bool
    default: false
seealso:
  - module: vsmtp.relay.relayers_expire
  - module: vsmtp.relay.relayers_info
"""

EXAMPLES = r"""
- name: Let a printer relay for good, and an office until the end of 2030
  vsmtp.relay.relayers:
    permanent: [198.51.100.7]
    relayers:
      - address: 2001:db8:7::25
        until: 2030-12-31

- name: Take a compromised client's permission away on two virtual servers
  vsmtp.relay.relayers:
    databases:
      - path: /etc/mail/relayers.db
        relayers: [198.51.100.99]
      - path: /srv/example.org/etc/relayers.db
        relayers: [198.51.100.99]
    state: absent

- name: Let a client relay until the end of a day, through every virtual server of the host
  vsmtp.relay.relayers:
    virtual_servers: ['*']
    relayers: [198.51.100.7]
    last_day: 2099-12-31
"""

RETURN = r"""
databases:
  description: What changed in each database, or in check mode would change.
  returned: always
  type: list
  elements: dict
  contains:
    path:
      description: The database.
      type: str
    virtual_server:
      description: The name of its virtual server. Only with O(virtual_servers).
      type: str
    created:
      description: Whether there was no database before.
      type: bool
    added:
      description: Addresses that were not there, as they are stored.
      type: list
      elements: str
    updated:
      description: Addresses that have a new timestamp.
      type: list
      elements: str
    removed:
      description: Addresses that are gone.
      type: list
      elements: str
    window:
      description: The minutes for which the ruleset lets an entry relay after its timestamp. Only with O(virtual_servers).
      type: int
    repaired:
      description: What was saved of a damaged database. Only with O(repair=true), V(null) if it was sound.
      type: dict
      contains:
        damaged_file:
          description: Where the damaged file is kept.
          type: str
        entries:
          description: How many entries were saved.
          type: int
  sample: [{"path": "/etc/mail/relayers.db", "created": false, "added": ["198.51.100.7"], "updated": [], "removed": []}]
declared:
  description: Those of O(relayers), as they were given, that the role declares as permanent, so that its next run puts them back.
  returned: with O(state=absent) and O(virtual_servers)
  type: list
  elements: str
  sample: [198.51.100.7]
"""

import os
import time

from ansible_collections.vsmtp.relay.plugins.module_utils._module.databases import (
    DATABASE_OPTIONS,
    SERVER_OPTIONS,
    changes_of,
    diff_of,
    module_with_binding,
    servers_meant,
)
from ansible_collections.vsmtp.relay.plugins.module_utils._module.results import finish, for_each
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database import edits, relayers_db, repair
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.entries.addresses import key_of
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.entries.timestamps import (
    parse_day,
    parse_minutes,
    parse_timestamp,
)
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import MalformedError, RelayError
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.files import text_file
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.role import variables as role_variables
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sendmail.cf_text import window_in


def timestamp_in(entry, last_day, window, now):
    """Return the epoch seconds that ``entry`` asks for, or None if it leaves them open. Raises MalformedError.

    ``last_day`` is that of an entry which names none, or None.
    """
    timestamp = entry.get("timestamp")
    until = entry.get("until", None if timestamp is not None else last_day)
    if until is None:
        return None if timestamp is None else parse_timestamp(str(timestamp))
    if timestamp is not None:
        raise MalformedError(f"{entry['address']}: give either timestamp or until")
    end = parse_day(str(until))
    if end < now:
        raise MalformedError(f"{entry['address']}: {until} is over")
    # The ruleset lets it relay for so many minutes more.
    return max(0, end - window * 60)


def wanted_entries(path, relayers, last_day, window, now):
    """Return key → epoch seconds or None. Raises MalformedError, which names the database and the entry."""
    wanted = {}
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


def permanent_keys(path, addresses):
    """Return the keys of ``addresses``, or None if there is no list of them. Raises MalformedError, which names the database."""
    try:
        return None if addresses is None else {key_of(address) for address in addresses}
    except MalformedError as error:
        raise MalformedError(f"{path}: permanent: {error}") from None


def repaired(path, lock_timeout, check_mode):
    """Repair the database if it is damaged; return what to report of it, or None."""
    if not os.path.exists(path):
        return None
    done = repair.repair(path, lock_timeout, check_only=check_mode)
    return None if done is None else dict(damaged_file=done.copy, entries=done.entries)


def window_of(server, told):
    """Return the minutes for which an entry of ``server`` relays: as its sendmail.cf says, else as the role was ``told``."""
    try:
        window = window_in((text_file.read(server.sendmail_cf) or b"").decode("utf-8", "surrogateescape"))
    except RelayError:
        window = None
    if window is None:
        window = told.get("window", role_variables.DEFAULTS["window"])
    # Where being listed is enough, the nightly expiry ends it.
    return window or told.get("expire", role_variables.DEFAULTS["expire"])


def declared_among(relayers, told):
    """Return those of ``relayers`` that are declared in the role's permissions, as ``told``."""
    keys = {key_of(permission["address"]) for permission in told.get("permissions", [])}
    return [relayer for relayer in relayers if isinstance(relayer, str) and key_of(relayer) in keys]


def refresh_seconds(refresh):
    """Return after how many seconds an entry is renewed, or None for never."""
    if refresh in ("never", "always"):
        return None if refresh == "never" else 0
    return parse_minutes(refresh) * 60


def main():
    entries = dict(type="list", elements="raw", default=[])
    addresses = dict(type="list", elements="str")
    path = dict(type="path", required=True)
    module = module_with_binding(
        argument_spec=dict(
            DATABASE_OPTIONS,
            **SERVER_OPTIONS,
            relayers=entries,
            permanent=addresses,
            databases=dict(type="list", elements="dict", options=dict(path=path, relayers=entries, permanent=addresses)),
            last_day=dict(type="str"),
            window=dict(type="int"),
            state=dict(type="str", choices=["present", "absent"], default="present"),
            purge=dict(type="bool", default=False),
            refresh=dict(type="str", default="never"),
            repair=dict(type="bool", default=False),
        ),
        mutually_exclusive=[("databases", "virtual_servers")],
        supports_check_mode=True,
    )
    parameters = module.params
    present = parameters["state"] == "present"
    if parameters["purge"] and not present:
        module.fail_json(msg="purge goes with state=present only")
    databases, servers = parameters["databases"], servers_meant(module)
    told = role_variables.last_told().variables if servers is not None else {}
    wanted_everywhere = {name: parameters[name] for name in ("relayers", "permanent")}
    if servers is not None:
        databases = [dict(wanted_everywhere, path=server.relayers_db, server=server) for server in servers]
    elif databases is None:
        databases = [dict(wanted_everywhere, path=parameters["path"])]
    elif parameters["relayers"] or parameters["permanent"]:
        module.fail_json(msg="give either relayers or permanent, with path, or databases")
    if not present and any(item["permanent"] for item in databases):
        module.fail_json(msg="permanent goes with state=present only: leave an address out of the list to take it away")
    now, diff = int(time.time()), []

    def work(item):
        path, server, window = item["path"], item.get("server"), parameters["window"]
        result = dict(path=path)
        if server is not None:
            window = window_of(server, told) if window is None else window
            result.update(virtual_server=server.name, window=window)
        elif window is None:
            window = role_variables.DEFAULTS["window"]
        wanted = wanted_entries(path, item["relayers"], parameters["last_day"], window, now)
        if present:
            permanent = permanent_keys(path, item["permanent"])
            edit = edits.ensure(wanted, now, refresh_after, parameters["purge"], permanent)
        else:
            edit = edits.delete(list(wanted))
        if parameters["repair"]:
            result["repaired"] = repaired(path, parameters["lock_timeout"], module.check_mode)
            if module.check_mode and result["repaired"]:
                return result  # what would be added to it cannot be told from the damaged file
        changes = relayers_db.change(path, edit, parameters["lock_timeout"], check_only=module.check_mode, create=present)
        diff.append(diff_of(path, changes))
        return dict(result, **changes_of(changes))

    try:
        refresh_after = refresh_seconds(parameters["refresh"])
    except RelayError as error:
        module.fail_json(msg=f"refresh: {error}")
    results, failures = for_each(databases, work)
    more = {}
    if servers is not None and not present and not failures:
        more["declared"] = declared_among(parameters["relayers"], told)
    changed = any(result.get(name) for result in results for name in ("created", "added", "updated", "removed", "repaired"))
    finish(module, changed, failures, diff, databases=results, **more)


if __name__ == "__main__":
    main()
