#!/usr/bin/python
# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_packages
short_description: Remember which packages came to a host, and take them away again
version_added: 0.1.0
description:
  - Looks at the packages of a Debian host before and after others were installed, and remembers the difference, with all that came along.
  - Takes away later just what it remembers. What another package needs by then stays.
  - An installation that was cut off is finished first, and counts from where it began.
author:
  - The vsmtp.relay authors (@vsmtp)
requirements:
  - dpkg on the target.
extends_documentation_fragment:
  - vsmtp.relay.attributes
attributes:
  diff_mode:
    support: none
options:
  state:
    description:
      - V(before) notes which packages there are, unless that was done and V(after) was not reached since. What C(dpkg) was cut off in is
        finished then; while another C(dpkg) is at work, that is waited for.
      - V(after) remembers what came since then.
      - V(absent) removes with their configuration the packages that are remembered, and those of an installation that was cut off.
    type: str
    choices: [before, after, absent]
    required: true
  names:
    description:
      - The packages that are installed on purpose. Of all others that came meanwhile, those that an administrator asked for are none of ours.
    type: list
    elements: str
    default: []
  keep:
    description: Packages that V(absent) leaves in place, for something else can have come to rely on them without saying so.
    type: list
    elements: str
    default: []
  memory:
    description: The file on the target that remembers them. Between V(before) and V(after) another one, with C(.before) behind its name, is there.
    type: path
    default: /var/lib/vsmtprelay/packages
"""

EXAMPLES = r"""
- name: Note which packages there are
  vsmtp.relay.host_packages:
    state: before

- name: Install what is needed
  ansible.builtin.apt:
    name: python3-bsddb3

- name: Remember what came with it
  vsmtp.relay.host_packages:
    state: after
    names: [python3-bsddb3]
"""

RETURN = r"""
packages:
  description: The packages that are remembered; with O(state=absent) those that were removed, or in check mode would be.
  returned: always
  type: list
  elements: str
  sample: [python3-bsddb3]
"""


from ansible.module_utils.basic import AnsibleModule

from ansible_collections.vsmtp.relay.plugins.module_utils._module.host_packages import run


def main():
    module = AnsibleModule(
        argument_spec=dict(
            state=dict(type="str", choices=["before", "after", "absent"], required=True),
            names=dict(type="list", elements="str", default=[]),
            keep=dict(type="list", elements="str", default=[]),
            memory=dict(type="path", default="/var/lib/vsmtprelay/packages"),
        ),
        supports_check_mode=True,
    )
    run(module)


if __name__ == "__main__":
    main()
