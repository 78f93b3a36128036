#!/usr/bin/python
# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: share_engine_users
short_description: Ensure the users of an engine
version_added: 0.2.0
description:
  - Writes the ACL file of an engine, with two users for each mail host, and the default user off. It contains hashes only.
  - If the file changed and the server runs, the server loads it. Most versions then drop all connections, and the hosts connect again.
  - The differences show the names of the hosts.
  - The role C(vsmtp.relay.pop_before_smtp_engine) uses it. Its options may change in any release.
author:
  - The vsmtp.relay authors (@vsmtp)
extends_documentation_fragment:
  - vsmtp.relay.attributes
options:
  path:
    description: The ACL file.
    type: path
    required: true
  hosts:
    description:
      - By the name of each mail host, the SHA-256 of its secret. With V(null) the host keeps the users that it has.
      - The users of all other hosts are removed.
    type: dict
    required: true
  keep_old:
    description: Whether a host with another secret keeps the old one beside it.
    type: bool
    default: false
  group:
    description: The group of the server, which may read the file.
    type: str
    required: true
  socket:
    description: The Unix socket of the server.
    type: path
    required: true
  admin:
    description: The file with the secret of the user with which root has the server load the file. It is made if missing.
    type: path
    default: /etc/vsmtprelay-engine/admin-secret
  memory:
    description: The file on the target that records which ACL file the server has loaded.
    type: path
    default: /var/lib/vsmtprelay-engine/users
"""

EXAMPLES = r"""
- name: Let one host use the engine
  vsmtp.relay.share_engine_users:
    path: /etc/vsmtprelay-engine/users.acl
    group: root
    socket: /run/vsmtprelay-engine.sock
    hosts:
      mail1.example.org: "{{ 'its secret' | hash('sha256') }}"
"""

RETURN = r"""
changed_hosts:
  description: The hosts whose users came, changed or went.
  returned: always
  type: list
  elements: str
  sample: [mail1.example.org]
loaded:
  description: Whether the running server loaded the file.
  returned: always
  type: bool
"""


from ansible.module_utils.basic import AnsibleModule

from ansible_collections.vsmtp.relay.plugins.module_utils._module.share_engine_users import run


def main():
    module = AnsibleModule(
        argument_spec=dict(
            path=dict(type="path", required=True),
            hosts=dict(type="dict", required=True, no_log=True),
            keep_old=dict(type="bool", default=False),
            group=dict(type="str", required=True),
            socket=dict(type="path", required=True),
            admin=dict(type="path", default="/etc/vsmtprelay-engine/admin-secret"),
            memory=dict(type="path", default="/var/lib/vsmtprelay-engine/users"),
        ),
        supports_check_mode=True,
    )
    run(module)


if __name__ == "__main__":
    main()
