#!/usr/bin/python
# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: virtual_servers
short_description: Manage the virtual servers of a host, their databases and their rulesets
version_added: 0.1.0
description:
  - Checks a list of virtual servers, fills in missing paths, and writes the table that C(vsmtprelay) and the login recorder read.
  - Optionally creates their databases, and inserts the ruleset into their C(sendmail.cf) files. A server whose files fail is reported, and the
    others are still done.
  - A server that is in the old table and not in the list is departing. The ruleset is removed from its C(sendmail.cf) file. The target keeps a record
    of departing servers until that is done, so the next run completes an interrupted one.
  - If anything in the list is malformed, nothing is written, and all faults are reported.
  - The role and the playbooks of this collection use it. Its options may change in any release.
author:
  - The vsmtp.relay authors (@vsmtp)
extends_documentation_fragment:
  - vsmtp.relay.relayers
  - vsmtp.relay.attributes
options:
  virtual_servers:
    description: The virtual servers of the host.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Unique on the host; consists of a-z, 0-9, dots, underscores and hyphens.
        type: str
        required: true
      root:
        description: The directory that contains the server's C(etc).
        type: path
        default: /
      relayers_db:
        description: Its database. By default C(etc/relayers.db) below the root, or C(/etc/mail/relayers.db) if the root is C(/).
        type: path
      sendmail_cf:
        description: Its sendmail configuration. By default C(etc/sendmail.cf) below the root, or C(/etc/mail/sendmail.cf) if the root is C(/).
        type: path
      addresses:
        description: Local addresses whose logins belong to it.
        type: list
        elements: str
        default: []
      domains:
        description: Login domains, the part after the C(@), that belong to it.
        type: list
        elements: str
        default: []
  permissions:
    description:
      - Addresses that may relay permanently, see O(databases).
    type: list
    elements: dict
    default: []
    suboptions:
      address:
        description: An IPv4 or IPv6 address.
        type: str
        required: true
      owner:
        description: The person or department that is responsible for it.
        type: str
      reason:
        description: Its purpose.
        type: str
      virtual_servers:
        description: The names of the virtual servers through which it may relay. By default all of O(virtual_servers).
        type: list
        elements: str
        default: []
  databases:
    description:
      - Whether to create the databases and to ensure the entries of O(permissions) in them. The entry of an address that left that list is removed.
        Where logins are shared with other hosts, the address is revoked there as well, unless it is permitted there.
    type: bool
    default: false
  ruleset:
    description: The ruleset for the C(sendmail.cf) of each server. Without it these files are left alone.
    type: dict
    suboptions:
      source:
        description: As in M(vsmtp.relay.sendmail_ruleset).
        type: str
        choices: [auto, mc, cf]
        default: auto
      window:
        description: As in M(vsmtp.relay.sendmail_ruleset).
        type: int
        default: 1440
      state:
        description: Whether the files of the listed servers have it. With V(absent) they need not exist.
        type: str
        choices: [present, absent]
        default: present
  remove_databases:
    description: Whether to remove the databases of departing servers.
    type: bool
    default: false
  state:
    description: With V(absent) the table is removed, and all servers depart, those in the list and those in the table.
    type: str
    choices: [present, absent]
    default: present
  table:
    description: The file to write.
    type: path
    default: /etc/vsmtprelay/virtual_servers
  memory:
    description: The file on the target that lists departing servers. It exists only while there are any.
    type: path
    default: /var/lib/vsmtprelay/departing
"""

EXAMPLES = r"""
- name: Set up two virtual servers, distinguished by their addresses
  vsmtp.relay.virtual_servers:
    virtual_servers:
      - name: example.org
        root: /srv/example.org
        addresses: [192.0.2.10]
      - name: example.net
        root: /srv/example.net
        addresses: [192.0.2.11]
"""

RETURN = r"""
virtual_servers:
  description: The servers with all their paths.
  returned: always
  type: list
  elements: dict
  sample:
    - name: example.org
      root: /srv/example.org
      relayers_db: /srv/example.org/etc/relayers.db
      sendmail_cf: /srv/example.org/etc/sendmail.cf
      addresses: [192.0.2.10]
      domains: []
table_changed:
  description: Whether O(table) changed, or in check mode would change.
  returned: always
  type: bool
  sample: true
databases:
  description: The databases that changed, or in check mode would change.
  returned: always
  type: list
  elements: str
  sample: [/srv/example.org/etc/relayers.db]
files:
  description: The C(sendmail.cf) and C(sendmail.mc) files that changed, or in check mode would change.
  returned: always
  type: list
  elements: str
  sample: [/srv/example.org/etc/sendmail.cf]
reloaded:
  description: The C(sendmail.cf) files that a running daemon has reread, or in check mode would reread.
  returned: always
  type: list
  elements: str
  sample: [/srv/example.org/etc/sendmail.cf]
directories:
  description: The directories of the databases, each once.
  returned: always
  type: list
  elements: str
  sample: [/srv/example.org/etc]
departing:
  description: The servers whose traces are still to be removed, with all their paths.
  returned: always
  type: list
  elements: dict
  sample: []
"""


from ansible_collections.vsmtp.relay.plugins.module_utils._module.databases import (
    DATABASE_OPTIONS,
    module_with_binding,
)
from ansible_collections.vsmtp.relay.plugins.module_utils._module.role_variables import PERMISSION, VIRTUAL_SERVER
from ansible_collections.vsmtp.relay.plugins.module_utils._module.virtual_servers import run
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.servers.virtual_servers import (
    TABLE,
)


def main():
    module = module_with_binding(
        argument_spec=dict(
            lock_timeout=DATABASE_OPTIONS["lock_timeout"],
            virtual_servers=dict(
                type="list",
                elements="dict",
                required=True,
                options=VIRTUAL_SERVER,
            ),
            permissions=dict(type="list", elements="dict", default=[], options=PERMISSION),
            databases=dict(type="bool", default=False),
            ruleset=dict(
                type="dict",
                options=dict(
                    source=dict(type="str", choices=["auto", "mc", "cf"], default="auto"),
                    window=dict(type="int", default=1440),
                    state=dict(type="str", choices=["present", "absent"], default="present"),
                ),
            ),
            remove_databases=dict(type="bool", default=False),
            state=dict(type="str", choices=["present", "absent"], default="present"),
            table=dict(type="path", default=TABLE),
            memory=dict(type="path", default="/var/lib/vsmtprelay/departing"),
        ),
        supports_check_mode=True,
    )
    run(module)


if __name__ == "__main__":
    main()
