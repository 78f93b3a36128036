#!/usr/bin/python
# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: virtual_servers_info
short_description: Return the virtual servers of a host
version_added: 0.1.0
description:
  - Returns the virtual servers that the role set up on the host, with all their paths.
author:
  - The vsmtp.relay authors (@vsmtp)
extends_documentation_fragment:
  - vsmtp.relay.attributes.info
options:
  table:
    description: The table to read. The role writes it.
    type: path
    default: /etc/vsmtprelay/virtual_servers
  names:
    description: Return only the servers with these names. A name without a server on the host is ignored. By default all.
    type: list
    elements: str
    default: []
seealso:
  - module: vsmtp.relay.virtual_servers
"""

EXAMPLES = r"""
- name: List the virtual servers
  vsmtp.relay.virtual_servers_info:
  register: vsmtprelay_servers

- name: Read their databases
  vsmtp.relay.relayers_info:
    paths: "{{ vsmtprelay_servers.virtual_servers | map(attribute='relayers_db') }}"
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
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.vsmtp.relay.plugins.module_utils._module.virtual_servers_info import run
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.servers.virtual_servers import TABLE


def main():
    argument_spec = dict(table=dict(type="path", default=TABLE), names=dict(type="list", elements="str", default=[]))
    module = AnsibleModule(argument_spec=argument_spec, supports_check_mode=True)
    run(module)


if __name__ == "__main__":
    main()
