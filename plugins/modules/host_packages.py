#!/usr/bin/python
# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_packages
short_description: Record the packages added to a host, and remove them again
version_added: 0.1.0
description:
  - Compares the packages of a Debian host before and after an installation, and records the difference, dependencies included.
  - Later removes exactly the recorded packages. A package that another package needs by then stays.
  - An interrupted installation is completed first, and counts from its beginning.
  - The role and the playbooks of this collection use it. Its options may change in any release.
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
      - V(before) records the installed packages, unless an earlier V(before) was not followed by V(after). It also completes what an interrupted
        C(dpkg) left unfinished, and waits for another C(dpkg) that is running.
      - V(after) records the packages that were added since.
      - V(absent) removes the recorded packages, with their configuration, and those of an interrupted installation.
    type: str
    choices: [before, after, absent]
    required: true
  names:
    description:
      - The packages that the play installs on purpose. Of all other new packages, those that an administrator installed manually are not recorded.
    type: list
    elements: str
    default: []
  keep:
    description: Packages that V(absent) leaves in place, because something else may rely on them without a dependency.
    type: list
    elements: str
    default: []
  memory:
    description: The file on the target with the record. Between V(before) and V(after) there is another one, with C(.before) appended to its name.
    type: path
    default: /var/lib/vsmtprelay/packages
"""

EXAMPLES = r"""
- name: Record the installed packages
  vsmtp.relay.host_packages:
    state: before

- name: Install the binding
  ansible.builtin.apt:
    name: python3-bsddb3

- name: Record the added packages
  vsmtp.relay.host_packages:
    state: after
    names: [python3-bsddb3]
"""

RETURN = r"""
packages:
  description: The recorded packages; with O(state=absent) those that were removed, or in check mode would be removed.
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
