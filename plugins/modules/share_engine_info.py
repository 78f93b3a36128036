#!/usr/bin/python
# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: share_engine_info
short_description: Inspect a host that is to become an engine, and check whether the role can set it up
version_added: 0.2.0
description:
  - Returns which package of Redis or Valkey the host gets, and whether it is installed.
  - Returns every reason why the role cannot do what its variables say, before anything is changed.
  - The role C(vsmtp.relay.pop_before_smtp_engine) uses it. Its options may change in any release.
author:
  - The vsmtp.relay authors (@vsmtp)
extends_documentation_fragment:
  - vsmtp.relay.attributes.info
options:
  role:
    description: The variables of the role, without their prefix.
    type: dict
    required: true
    suboptions:
      state:
        description: As C(pop_before_smtp_engine_state).
        type: str
        choices: [present, absent]
        default: present
      port:
        description: As C(pop_before_smtp_engine_port).
        type: int
        default: 6380
      names:
        description: As C(pop_before_smtp_engine_names).
        type: list
        elements: str
        default: []
      bind:
        description: As C(pop_before_smtp_engine_bind).
        type: list
        elements: str
        default: []
      given:
        description: The values of C(pop_before_smtp_engine_certificate) and C(pop_before_smtp_engine_key).
        type: list
        elements: str
        default: ['', '']
      ca:
        description: The text that C(pop_before_smtp_engine_ca) gives or names.
        type: str
        default: ''
      install_packages:
        description: As C(pop_before_smtp_engine_install_packages).
        type: bool
        default: true
  memory:
    description: The directory on the target with the records of the role.
    type: path
    default: /var/lib/vsmtprelay-engine
"""

EXAMPLES = r"""
- name: Inspect the host
  vsmtp.relay.share_engine_info:
    role:
      port: 6380
  register: engine
"""

RETURN = r"""
is_root:
  description: Whether the module ran as root.
  returned: always
  type: bool
package_manager:
  description: V(dpkg) or V(rpm).
  returned: always
  type: str
  sample: dpkg
package:
  description: The package of the engine. That of an engine that is set up, else Valkey if the release has it, else Redis.
  returned: always
  type: str
  sample: valkey-server
missing_packages:
  description: The package, if it is not installed.
  returned: always
  type: list
  elements: str
fresh:
  description: Whether this role installs the package, so that the default instance that comes with it serves nobody.
  returned: always
  type: bool
server:
  description: The name of the server, which is also that of its user, its group and its directories.
  returned: always
  type: str
  sample: valkey
service:
  description: The unit of the instance.
  returned: always
  type: str
  sample: valkey-server@vsmtprelay.service
configuration:
  description: The configuration of the instance.
  returned: always
  type: str
  sample: /etc/valkey/valkey-vsmtprelay.conf
problems:
  description: The reasons why the role cannot set up the engine, one line each.
  returned: always
  type: list
  elements: str
  sample: []
"""


from ansible.module_utils.basic import AnsibleModule

from ansible_collections.vsmtp.relay.plugins.module_utils._module.share_engine_info import run


def main():
    module = AnsibleModule(
        argument_spec=dict(
            role=dict(
                type="dict",
                required=True,
                options=dict(
                    state=dict(type="str", choices=["present", "absent"], default="present"),
                    port=dict(type="int", default=6380),
                    names=dict(type="list", elements="str", default=[]),
                    bind=dict(type="list", elements="str", default=[]),
                    given=dict(type="list", elements="str", default=["", ""]),
                    ca=dict(type="str", default=""),
                    install_packages=dict(type="bool", default=True),
                ),
            ),
            memory=dict(type="path", default="/var/lib/vsmtprelay-engine"),
        ),
        supports_check_mode=True,
    )
    run(module)


if __name__ == "__main__":
    main()
