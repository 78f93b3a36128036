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
  - Running sendmail processes see the change at once. A database is replaced atomically.
  - A database that fails is reported, and the others are still done.
  - Where logins are shared with other hosts, an address that is removed from the database of a virtual server is revoked on all of them, and one
    that is added or renewed can relay on all of them. Entries with a timestamp in the future are changed on this host alone. Other hosts change only
    if root runs the module.
author:
  - The vsmtp.relay authors (@vsmtp)
extends_documentation_fragment:
  - vsmtp.relay.relayers
  - vsmtp.relay.relayers.servers
  - vsmtp.relay.attributes
options:
  path:
    description: The database. With O(state=present) it is created if it does not exist.
    type: path
    default: /etc/mail/relayers.db
  relayers:
    description:
      - The entries. Each is an address, or a dictionary with V(address) and optionally V(timestamp) in epoch seconds, or V(until), the
        last day of the permission in UTC, as in V(2027-01-31).
      - IPv4 addresses are written as dotted quads, IPv6 addresses in any spelling. They are stored under the key that sendmail looks up.
    type: list
    elements: raw
    default: []
  permanent:
    description:
      - All addresses that may relay permanently. Their timestamp is V(253402214400), the last day of the year 9999.
      - With O(state=present), any other entry with exactly that timestamp is removed. An entry with another timestamp stays. Without this option
        all entries stay.
    type: list
    elements: str
  databases:
    description: Many databases, instead of O(path) and O(relayers).
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
    description: The last day of the permission in UTC, as in V(2027-01-31), for entries without their own V(timestamp) or V(until).
    type: str
  window:
    description:
      - The minutes after its timestamp in which the ruleset lets an entry relay. It is needed to compute a timestamp from a day.
      - By default V(1440). With O(virtual_servers) it is the window of the ruleset in the C(sendmail.cf) of each server, or, if that sets no
        limit, the age of the nightly expiry.
    type: int
  state:
    description: Whether the entries exist.
    type: str
    choices: [present, absent]
    default: present
  purge:
    description: Whether to remove every entry that is not named. Only with O(state=present).
    type: bool
    default: false
  refresh:
    description:
      - What to do with an existing entry for which no timestamp is given.
      - V(never) leaves it unchanged. V(always) sets it to the current time. A number does so if it is older than that many minutes.
      - An entry with a timestamp in the future always stays. A new entry without a timestamp gets the current time.
    type: str
    default: never
  repair:
    description:
      - Whether to repair a damaged database first. All entries that can be trusted are saved, and the damaged file is kept beside it.
      - A file of another kind, such as a btree, or one of which nothing can be recovered, is an error and stays as it is.
      - Without it a damaged database is an error.
    type: bool
    default: false
seealso:
  - module: vsmtp.relay.relayers_expire
  - module: vsmtp.relay.relayers_info
"""

EXAMPLES = r"""
- name: Let a printer relay permanently, and an office until the end of 2030
  vsmtp.relay.relayers:
    permanent: [198.51.100.7]
    relayers:
      - address: 2001:db8:7::25
        until: 2030-12-31

- name: Revoke a compromised client's permission on two virtual servers
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
  description: The changes of each database, or in check mode the changes that would be made.
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
      description: The keys of new entries.
      type: list
      elements: str
    updated:
      description: The keys of entries with a new timestamp.
      type: list
      elements: str
    removed:
      description: The keys of removed entries.
      type: list
      elements: str
    window:
      description: The minutes after its timestamp in which the ruleset lets an entry relay. Only with O(virtual_servers).
      type: int
    repaired:
      description: The result of the repair. Only with O(repair=true), V(null) if the database was sound.
      type: dict
      contains:
        damaged_file:
          description: The path of the damaged file.
          type: str
        entries:
          description: The number of entries that were saved.
          type: int
  sample: [{"path": "/etc/mail/relayers.db", "created": false, "added": ["198.51.100.7"], "updated": [], "removed": []}]
declared:
  description: The addresses of O(relayers), as they were given, that the role declares as permanent, so that its next run adds them again.
  returned: with O(state=absent) and O(virtual_servers)
  type: list
  elements: str
  sample: [198.51.100.7]
"""


from ansible_collections.vsmtp.relay.plugins.module_utils._module.databases import (
    DATABASE_OPTIONS,
    SERVER_OPTIONS,
    module_with_binding,
)
from ansible_collections.vsmtp.relay.plugins.module_utils._module.relayers import run


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
    run(module)


if __name__ == "__main__":
    main()
