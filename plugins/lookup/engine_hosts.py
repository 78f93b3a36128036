# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: engine_hosts
short_description: The mail hosts of the inventory that share their logins through an engine
version_added: 0.2.0
description:
  - Returns the hosts whose C(pop_before_smtp_engines) has one of the names of this engine, each with the SHA-256 of its secret.
  - The secret of a host that did not answer in this run is V(null).
  - The playbook C(vsmtp.relay.engine) uses it. Its result may change in any release.
author:
  - The vsmtp.relay authors (@vsmtp)
options:
  _terms:
    description: The names of the engine.
    type: list
    elements: str
    required: true
  port:
    description: Its port.
    type: int
    required: true
  settled:
    description: The name of a registered variable. A host without it, or where it failed, counts as one that did not answer.
    type: str
"""

EXAMPLES = r"""
- name: Show the hosts that may use this engine
  ansible.builtin.debug:
    msg: "{{ query('vsmtp.relay.engine_hosts', inventory_hostname, port=6380) | first }}"
"""

RETURN = r"""
_raw:
  description: One dictionary, by the name of each host.
  type: list
  elements: dict
"""

from ansible import constants
from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.vsmtp.relay.plugins.filter.virtual_server_name import virtual_server_name
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import MalformedError
from ansible_collections.vsmtp.relay.plugins.plugin_utils.sharing_table import table_of, table_of_run, users_of

SECRET = "vsmtprelay_secret"


class LookupModule(LookupBase):
    """The hosts that may use an engine."""

    def run(self, terms, variables=None, **kwargs):
        """Return the dictionary in a list. Raises AnsibleLookupError."""
        self.set_options(var_options=variables, direct=kwargs)
        hostvars, settled = variables["hostvars"], self.get_option("settled")

        def make():
            return table_of(hostvars, variables["groups"]["all"], virtual_server_name)

        try:
            table = table_of_run(constants.DEFAULT_LOCAL_TMP, str(variables.get("ansible_play_name", "")), make)
        except MalformedError as error:
            raise AnsibleLookupError(str(error)) from None

        def hash_of(host):
            known = hostvars[host]
            if settled and known.get(settled, {"failed": True}).get("failed"):
                return None
            return known.get(SECRET, {}).get("sha256")

        return [{host: hash_of(host) for host in users_of(table, terms, self.get_option("port"))}]
