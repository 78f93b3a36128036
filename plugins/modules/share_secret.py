#!/usr/bin/python
# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: share_secret
short_description: Ensure the secret with which a mail host logs in to the engines
version_added: 0.2.0
description:
  - Makes a secret of 256 random bits on the host unless there is one. Only root can read it.
  - Returns its SHA-256 for the engines. The secret itself never leaves the host.
  - The playbook C(vsmtp.relay.engine) uses it. Its options may change in any release.
author:
  - The vsmtp.relay authors (@vsmtp)
extends_documentation_fragment:
  - vsmtp.relay.attributes
attributes:
  diff_mode:
    support: none
options:
  path:
    description: The file with the secret.
    type: path
    default: /etc/vsmtprelay/share-secret
"""

EXAMPLES = r"""
- name: Make the secret of this host
  vsmtp.relay.share_secret:
  register: secret
"""

RETURN = r"""
sha256:
  description: The SHA-256 of the secret, in hexadecimal; V(null) in check mode if there is no secret yet.
  returned: always
  type: str
  sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
"""


from ansible.module_utils.basic import AnsibleModule

from ansible_collections.vsmtp.relay.plugins.module_utils._module.share_secret import run


def main():
    module = AnsibleModule(
        argument_spec=dict(path=dict(type="path", default="/etc/vsmtprelay/share-secret")),
        supports_check_mode=True,
    )
    run(module)


if __name__ == "__main__":
    main()
