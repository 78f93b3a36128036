#!/usr/bin/python
# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tell
short_description: Print the result of a playbook on a host in one line
version_added: 0.2.0
description:
  - Prints one line that begins with the name of the host and reports what a playbook of this collection did there.
  - Prints one line for each fault, and fails if there is one.
  - Runs on the controller.
  - The role and the playbooks of this collection use it. Its options may change in any release.
author:
  - The vsmtp.relay authors (@vsmtp)
extends_documentation_fragment:
  - vsmtp.relay.attributes.info
options:
  about:
    description: The playbook, or the role, whose result is printed. Without it only faults are printed.
    type: str
    choices: [permit, revoke, expire, restore, role, removal, engine]
  facts:
    description: The results of its modules, as the playbooks pass them.
    type: dict
    default: {}
  faults:
    description: The faults, one line each.
    type: list
    elements: str
    default: []
  fatal:
    description: Whether to fail if there are faults.
    type: bool
    default: true
  quiet:
    description: Whether to print the faults only.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Expire old entries
  vsmtp.relay.relayers_expire:
    virtual_servers: ['*']
  register: expired

- name: Report the result
  vsmtp.relay.tell:
    about: expire
    facts:
      done: "{{ expired }}"
"""

RETURN = r"""
msg:
  description: The printed text.
  returned: always
  type: str
  sample: no entry was 1440 minutes or older
drift:
  description: What differs from what the role would install, if it ran in check mode.
  returned: with O(about=role)
  type: list
  elements: str
  sample: [/etc/cron.d/vsmtprelay]
"""
