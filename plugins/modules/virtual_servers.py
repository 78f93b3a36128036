#!/usr/bin/python
# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: virtual_servers
short_description: The virtual servers of a host, each with its database and its ruleset
version_added: 0.1.0
description:
  - Checks a list of virtual servers, fills in the paths that are not given, and writes the table that C(vsmtprelay) and the login recorder read.
  - Creates their databases, and puts the ruleset into their C(sendmail.cf) files, if asked to. A server whose files fail is named, and the
    others are still done.
  - Servers that the table had and the list has not are departing. The ruleset leaves their C(sendmail.cf) files. They are remembered on the
    target until it did, so a run that was cut off before is completed by the next one.
  - If anything in the list is wrong, nothing is written, and everything that is wrong is named.
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
        description: The directory in which the server's C(etc) is.
        type: path
        default: /
      relayers_db:
        description: Its database. By default C(etc/relayers.db) below the root, or C(/etc/mail/relayers.db) where the root is C(/).
        type: path
      sendmail_cf:
        description: Its sendmail configuration. By default C(etc/sendmail.cf) below the root, or C(/etc/mail/sendmail.cf) where the root is C(/).
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
      - Addresses that may relay for good, see O(databases).
    type: list
    elements: dict
    default: []
    suboptions:
      address:
        description: An IPv4 or IPv6 address.
        type: str
        required: true
      owner:
        description: Who answers for it.
        type: str
      reason:
        description: What it is for.
        type: str
      virtual_servers:
        description: The names of the virtual servers that it may relay through. Without any, all of O(virtual_servers).
        type: list
        elements: str
        default: []
  databases:
    description:
      - Whether to create the databases, and to give them the entries of O(permissions). An entry of an address that left that list is removed.
    type: bool
    default: false
  ruleset:
    description: How the ruleset is to be in the C(sendmail.cf) of each server. Without it these files are left alone.
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
  remove_databases:
    description: Whether to remove the databases of departing servers.
    type: bool
    default: false
  state:
    description: With V(absent) the table goes, and all servers depart, those of the list and those of the table.
    type: str
    choices: [present, absent]
    default: present
  table:
    description: The file to write.
    type: path
    default: /etc/vsmtprelay/virtual_servers
  memory:
    description: The file on the target that tells which servers are departing. It is there only as long as there are any.
    type: path
    default: /var/lib/vsmtprelay/departing
"""

EXAMPLES = r"""
- name: Two virtual servers, told apart by their addresses
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
  description: The servers with all their paths, and with the owner of their database, V(root) unless that is one ordinary user.
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
      owner: smmta
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
owners:
  description: The owners of the databases, each once.
  returned: always
  type: list
  elements: str
  sample: [smmta]
departing:
  description: The servers whose traces are still to be taken away, with all their paths.
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
                    source=dict(type="str", choices=["auto", "mc", "cf"], default="auto"), window=dict(type="int", default=1440)
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
