#!/usr/bin/python
# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: virtual_servers
short_description: Tell a host which virtual servers it has
version_added: 0.1.0
description:
  - Checks a list of virtual servers, fills in the paths that are not given, and writes the table that C(vsmtprelay) and the login recorder read.
  - Returns the complete list for the tasks that follow.
  - Servers that the table had and the list has not are departing. They are remembered on the target until their traces are gone and
    O(forget_departing=true) says so. A run that was cut off before is completed by the next one.
  - If anything in the list is wrong, nothing is written, and everything that is wrong is named.
author:
  - The vsmtp.relay authors (@vsmtp)
extends_documentation_fragment:
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
      - Addresses that may relay for good, for RV(databases). They are checked here, since they name virtual servers.
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
  state:
    description: With V(absent) the table goes, and all servers depart, those of the list and those of the table.
    type: str
    choices: [present, absent]
    default: present
  forget_departing:
    description: Whether to forget the servers that departed.
    type: bool
    default: false
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
databases:
  description: Each database with the addresses that may relay for good, as M(vsmtp.relay.relayers) takes them.
  returned: always
  type: list
  elements: dict
  contains:
    path:
      description: The database.
      type: str
    permanent:
      description: The addresses, as they are stored.
      type: list
      elements: str
  sample: [{"path": "/srv/example.org/etc/relayers.db", "permanent": ["198.51.100.7"]}]
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
  description: The servers whose traces are to be taken away, with all their paths.
  returned: always
  type: list
  elements: dict
  sample: []
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.vsmtp.relay.plugins.module_utils._modules import ensure_file, ensure_no_file, finish
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay import text_file
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import RelayError
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.permissions import permanent_keys
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.virtual_servers import (
    TABLE,
    VirtualServers,
    departed,
    read_table,
    table_of,
)


def main():
    texts = dict(type="list", elements="str", default=[])
    module = AnsibleModule(
        argument_spec=dict(
            virtual_servers=dict(
                type="list",
                elements="dict",
                required=True,
                options=dict(
                    name=dict(type="str", required=True),
                    root=dict(type="path", default="/"),
                    relayers_db=dict(type="path"),
                    sendmail_cf=dict(type="path"),
                    addresses=texts,
                    domains=texts,
                ),
            ),
            permissions=dict(
                type="list",
                elements="dict",
                default=[],
                options=dict(
                    address=dict(type="str", required=True),
                    owner=dict(type="str"),
                    reason=dict(type="str"),
                    virtual_servers=texts,
                ),
            ),
            state=dict(type="str", choices=["present", "absent"], default="present"),
            forget_departing=dict(type="bool", default=False),
            table=dict(type="path", default=TABLE),
            memory=dict(type="path", default="/var/lib/vsmtprelay/departing"),
        ),
        supports_check_mode=True,
    )
    parameters, diff = module.params, []
    table, memory = parameters["table"], parameters["memory"]
    try:
        servers = VirtualServers.from_list(parameters["virtual_servers"])
        permanent = permanent_keys(parameters["permissions"], servers)
        before = [] if parameters["forget_departing"] else [*known(memory), *known(table)]
        named = ()
        if parameters["state"] == "absent":
            named, servers = servers.servers, VirtualServers([])
        departing = departed(before, servers.servers)
        # In this order: as soon as the table no longer has them, they are remembered there.
        changed = ensure_table(memory, departing, bool(departing), module.check_mode, diff)
        changed |= ensure_table(table, servers.servers, parameters["state"] == "present", module.check_mode, diff)
        departing = departed([*departing, *named], servers.servers)
    except RelayError as error:
        module.fail_json(msg=str(error))
    described = [{**server.as_dict(), "owner": server.owner()} for server in servers.servers]
    finish(
        module,
        changed,
        [],
        diff,
        virtual_servers=described,
        # Templates are slow with a thousand servers: what they ask for is worked out here, once.
        databases=[dict(path=server.relayers_db, permanent=permanent[server.name]) for server in servers.servers],
        directories=sorted({os.path.dirname(server.relayers_db) for server in servers.servers}),
        owners=sorted({server["owner"] for server in described}),
        departing=[server.as_dict() for server in departing],
    )


def known(path):
    """Return what the table at ``path`` says; nothing if there is none, or it is none of ours: it is written anew."""
    try:
        return read_table(path)
    except RelayError:
        return []


def ensure_table(path, servers, wanted, check_mode, diff):
    """Make sure of the table of ``servers``, or that there is none; return whether that had to change."""
    if wanted:
        return ensure_file(path, table_of(servers).encode(), text_file.Attributes(uid=0, gid=0, mode=0o644), check_mode, diff)
    return ensure_no_file(path, check_mode, diff)


if __name__ == "__main__":
    main()
