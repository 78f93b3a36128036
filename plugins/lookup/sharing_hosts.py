# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: sharing_hosts
short_description: The hosts of the inventory that share the logins of this host
version_added: 0.2.0
description:
  - Returns the names of the virtual servers of this host, each with all hosts of the inventory that have it and C(pop_before_smtp_engines) in common
    with this host.
  - Only variables of the inventory, facts and C(--extra-vars) count, since those of plays and roles are unknown to the runs for other hosts.
  - The variables of all hosts are read once in a run, by the first host that needs them.
  - The role and the playbooks of this collection use it. Its result may change in any release.
author:
  - The vsmtp.relay authors (@vsmtp)
"""

EXAMPLES = r"""
- name: Show with which hosts this one shares its logins
  ansible.builtin.debug:
    msg: "{{ query('vsmtp.relay.sharing_hosts') | first }}"
"""

RETURN = r"""
_raw:
  description: One dictionary.
  type: list
  elements: dict
  contains:
    host:
      description: The name of this host in the inventory.
      type: str
    servers:
      description: By the name of each virtual server of this host, the names of the hosts. It is empty if this host has no engines.
      type: dict
"""

from ansible import constants
from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.vsmtp.relay.plugins.filter.virtual_server_name import virtual_server_name
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import MalformedError
from ansible_collections.vsmtp.relay.plugins.plugin_utils.sharing_table import ENGINES, servers_of, table_of, table_of_run


class LookupModule(LookupBase):
    """The hosts that share the logins of this host."""

    def run(self, terms, variables=None, **kwargs):
        """Return the dictionary in a list. Raises AnsibleLookupError."""
        self.set_options(var_options=variables, direct=kwargs)
        host = variables["inventory_hostname"]
        if not self._value(variables, ENGINES):
            return [{"host": host, "servers": {}}]

        def make():
            return table_of(variables["hostvars"], variables["groups"]["all"], virtual_server_name)

        try:
            # A play may have set facts of the hosts, and the next one reads them anew.
            table = table_of_run(constants.DEFAULT_LOCAL_TMP, str(variables.get("ansible_play_name", "")), make)
        except MalformedError as error:
            raise AnsibleLookupError(str(error)) from None
        return [{"host": host, "servers": servers_of(table, host)}]

    def _value(self, variables, name):
        return self._templar.template(variables[name]) if name in variables else None
