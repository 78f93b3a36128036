#!/usr/bin/python
# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: relayers_info
short_description: Read the entries of relayers.db
version_added: 0.1.0
description:
  - Returns the client addresses in one or many databases of POP-before-SMTP permissions.
  - A missing database counts as empty. A database that fails is reported, and the others are still read.
author:
  - The vsmtp.relay authors (@vsmtp)
extends_documentation_fragment:
  - vsmtp.relay.relayers
  - vsmtp.relay.relayers.servers
  - vsmtp.relay.attributes.info
options:
  path:
    description: The database.
    type: path
    default: /etc/mail/relayers.db
  paths:
    description: Many databases, instead of O(path).
    type: list
    elements: path
  older_than:
    description: Return only entries that are at least this many minutes old. V(0) returns every entry that is not in the future.
    type: int
  text:
    description: Whether to return the entries as one text, which C(makemap) and M(vsmtp.relay.relayers_restore) read, instead of a list.
    type: bool
    default: false
  verify:
    description: Whether to check every page of a database. A damaged one is then not an error.
    type: bool
    default: false
seealso:
  - module: vsmtp.relay.relayers
  - module: vsmtp.relay.relayers_expire
"""

EXAMPLES = r"""
- name: Read all entries
  vsmtp.relay.relayers_info:
  register: relayers

- name: Show the addresses that may relay
  ansible.builtin.debug:
    msg: "{{ relayers.databases[0].relayers | map(attribute='address') | list }}"
"""

RETURN = r"""
databases:
  description: The entries of each database.
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
    exists:
      description: Whether the file exists.
      type: bool
    sound:
      description: Whether the database is sound. Only with O(verify=true).
      type: bool
    fault:
      description: Its fault, or an empty string. Only with O(verify=true).
      type: str
    text:
      description: The entries, sorted by key, with a comment before each that gives the time. Only with O(text=true).
      type: str
    relayers:
      description: The entries, sorted by key. Empty with O(text=true).
      type: list
      elements: dict
      contains:
        address:
          description: The address, IPv6 in its short form. A key that is not an address is returned unchanged.
          type: str
        key:
          description: The stored key, under which sendmail looks up the address.
          type: str
        timestamp:
          description: Epoch seconds; V(null) if the stored value is not a timestamp.
          type: int
        age:
          description: Age in seconds, negative in the future; V(null) if the stored value is not a timestamp.
          type: int
  sample:
    - path: /etc/mail/relayers.db
      exists: true
      relayers:
        - {"address": "198.51.100.7", "key": "198.51.100.7", "timestamp": 1924991999, "age": -129648999}
        - {"address": "2001:db8::5", "key": "ipv6:2001:db8:0:0:0:0:0:5", "timestamp": 1795342800, "age": 200}
"""


from ansible_collections.vsmtp.relay.plugins.module_utils._module.databases import (
    DATABASE_OPTIONS,
    SERVER_OPTIONS,
    module_with_binding,
)
from ansible_collections.vsmtp.relay.plugins.module_utils._module.relayers_info import run


def main():
    module = module_with_binding(
        argument_spec=dict(
            DATABASE_OPTIONS,
            **SERVER_OPTIONS,
            paths=dict(type="list", elements="path"),
            older_than=dict(type="int"),
            text=dict(type="bool", default=False),
            verify=dict(type="bool", default=False),
        ),
        mutually_exclusive=[("paths", "virtual_servers")],
        supports_check_mode=True,
    )
    run(module)


if __name__ == "__main__":
    main()
