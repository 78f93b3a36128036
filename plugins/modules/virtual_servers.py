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

import os
import time

from ansible_collections.vsmtp.relay.plugins.module_utils._module.databases import (
    DATABASE_OPTIONS,
    diff_of,
    module_with_binding,
)
from ansible_collections.vsmtp.relay.plugins.module_utils._module.files import ensure_file, ensure_no_file
from ansible_collections.vsmtp.relay.plugins.module_utils._module.results import finish, for_each
from ansible_collections.vsmtp.relay.plugins.module_utils._module.role_variables import PERMISSION, VIRTUAL_SERVER
from ansible_collections.vsmtp.relay.plugins.module_utils._module.rulesets import edit_files
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database import edits, relayers_db
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import MissingBindingError, RelayError
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.files import text_file
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.servers.permissions import permanent_keys
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.servers.virtual_servers import (
    TABLE,
    VirtualServers,
    departed,
    read_table,
    table_of,
)


class Host:
    """The virtual servers of this host, brought from what they were to what the list says, step by step."""

    def __init__(self, module):
        """Raises RelayError if anything in the list is wrong, or the table cannot be written; then nothing else is done."""
        self._module = module
        self._parameters = parameters = module.params
        self.diff, self.failures = [], []
        self.databases, self.files, self.reloaded = [], [], []
        listed = VirtualServers.from_list(parameters["virtual_servers"])
        self._permanent = permanent_keys(parameters["permissions"], listed)
        present = parameters["state"] == "present"
        self.servers = listed if present else VirtualServers([])
        before = [*self._known("memory"), *self._known("table")]
        # In this order: as soon as the table no longer has them, they are remembered there.
        self._remember(departed(before, self.servers.servers))
        self.table_changed = self._write("table", self.servers.servers, present, self.diff)
        self.departing = departed([*before, *(() if present else listed.servers)], self.servers.servers)

    def create_databases(self):
        """Make sure of each database, and of the permanent entries in it."""
        now = int(time.time())

        def work(server):
            edit = edits.ensure({}, now, permanent=self._permanent[server.name])
            try:
                self._edit_database(server.relayers_db, edit)
            except MissingBindingError:
                # In check mode the package that a real run installs first is not there: what is in a database cannot be told.
                if not self._module.check_mode:
                    raise

        self.failures += for_each(self.servers.servers, work)[1]

    def edit_rulesets(self):
        """Put the ruleset into the files of the servers, take it out of those of departing ones, and have sendmail reread them."""
        items = [
            dict(path=server.sendmail_cf, relayers_db=server.relayers_db, state="present") for server in self.servers.servers
        ]
        items += [dict(path=server.sendmail_cf, relayers_db="", state="absent") for server in self.departing]
        results, failures, diff = edit_files(self._module, items, **self._parameters["ruleset"], reload=True)
        self.files = [result["path"] for result in results["files"] if result["changed"]]
        self.reloaded = results["reloaded"]
        self.failures += failures
        self.diff += diff
        done = {result["path"] for result in results["files"]}
        if self._parameters["remove_databases"]:
            self._remove_databases(done)
        self.departing = [server for server in self.departing if server.sendmail_cf not in done]
        self._remember(self.departing)

    def _remove_databases(self, done):
        """Remove the databases of departing servers whose sendmail.cf is among ``done``, unless another server has them."""
        kept = {server.relayers_db for server in self.servers.servers}
        gone = {server.relayers_db for server in self.departing if server.sendmail_cf in done} - kept

        def work(path):
            if os.path.lexists(path):
                self.databases.append(path)
                if not self._module.check_mode:
                    text_file.remove(path)

        self.failures += for_each(sorted(gone), work)[1]

    def _edit_database(self, path, edit):
        changes = relayers_db.change(path, edit, self._parameters["lock_timeout"], check_only=self._module.check_mode)
        if changes:
            self.databases.append(path)
            self.diff.append(diff_of(path, changes))

    def _known(self, name):
        """Return what the table or the memory says; nothing if there is none, or it is none of ours: it is written anew."""
        try:
            return read_table(self._parameters[name])
        except RelayError:
            return []

    def _remember(self, departing):
        """Keep in mind who is departing. That is no change of the host that anybody wants to see."""
        self._write("memory", departing, bool(departing), [])

    def _write(self, name, servers, wanted, diff):
        """Make sure of the table or the memory, or that there is none; return whether that had to change."""
        path, check_mode = self._parameters[name], self._module.check_mode
        if wanted:
            attributes = text_file.Attributes(uid=0, gid=0, mode=0o644)
            return ensure_file(path, table_of(servers).encode(), attributes, check_mode, diff)
        return ensure_no_file(path, check_mode, diff)


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
    try:
        host = Host(module)
    except RelayError as error:
        module.fail_json(msg=str(error))
    if module.params["databases"]:
        host.create_databases()
    if module.params["ruleset"]:
        host.edit_rulesets()
    described = [{**server.as_dict(), "owner": server.owner()} for server in host.servers.servers]
    finish(
        module,
        host.table_changed or bool(host.databases or host.files or host.reloaded),
        host.failures,
        host.diff,
        virtual_servers=described,
        table_changed=host.table_changed,
        databases=host.databases,
        files=host.files,
        reloaded=host.reloaded,
        # Templates are slow with a thousand servers: what they ask for is worked out here, once.
        directories=sorted({os.path.dirname(server.relayers_db) for server in host.servers.servers}),
        owners=sorted({server["owner"] for server in described}),
        departing=[server.as_dict() for server in host.departing],
    )


if __name__ == "__main__":
    main()
