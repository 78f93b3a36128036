#!/usr/bin/python
# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: share_certificate
short_description: Ensure the certificate of an engine
version_added: 0.2.0
description:
  - Makes an authority and a certificate on the host, with C(openssl). The certificate is made anew if it has other names, is of another authority,
    or ends within 275 days.
  - Or copies a certificate and its key that are on the host, so that the server can read them.
  - The role C(vsmtp.relay.pop_before_smtp_engine) uses it. Its options may change in any release.
author:
  - The vsmtp.relay authors (@vsmtp)
extends_documentation_fragment:
  - vsmtp.relay.attributes
attributes:
  diff_mode:
    support: none
options:
  directory:
    description: The directory for the files.
    type: path
    default: /etc/vsmtprelay-engine
  names:
    description: The host names and addresses that the certificate is for.
    type: list
    elements: str
    default: []
  given:
    description: The paths of a certificate and its key on the host. Without it they are made.
    type: list
    elements: path
    default: []
  group:
    description: The group of the server, which may read the key.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Make the certificate of the engine
  vsmtp.relay.share_certificate:
    names: [engine1.example.org]
    group: root
  register: certificate
"""

RETURN = r"""
ca:
  description: The certificate of the authority. It is empty with O(given), and in check mode if there is none yet.
  returned: always
  type: str
  sample: ''
end:
  description: The time at which the certificate ends, or an empty string if there is none yet.
  returned: always
  type: str
  sample: Feb 28 12:00:00 2029 GMT
"""


from ansible.module_utils.basic import AnsibleModule

from ansible_collections.vsmtp.relay.plugins.module_utils._module.share_certificate import run


def main():
    module = AnsibleModule(
        argument_spec=dict(
            directory=dict(type="path", default="/etc/vsmtprelay-engine"),
            names=dict(type="list", elements="str", default=[]),
            given=dict(type="list", elements="path", default=[]),
            group=dict(type="str", required=True),
        ),
        supports_check_mode=True,
    )
    run(module)


if __name__ == "__main__":
    main()
