#!/usr/bin/python
# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tell
short_description: Tell in a line what was done on a host
version_added: 0.2.0
description:
  - Prints one line that begins with the name of the host and says what the playbooks of this collection did there.
  - Prints a line for each fault, and fails if there are any.
  - Runs on the controller.
author:
  - The vsmtp.relay authors (@vsmtp)
extends_documentation_fragment:
  - vsmtp.relay.attributes.info
options:
  about:
    description: Which playbook, or the role, is told about. Without it only faults are told.
    type: str
    choices: [permit, revoke, expire, restore, role, removal]
  facts:
    description: What its modules returned, as the playbooks hand it over.
    type: dict
    default: {}
  faults:
    description: What could not be done, a line for each thing.
    type: list
    elements: str
    default: []
  fatal:
    description: Whether to fail if there are faults.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Expire what is old
  vsmtp.relay.relayers_expire:
    virtual_servers: ['*']
  register: expired

- name: Say what was done
  vsmtp.relay.tell:
    about: expire
    facts:
      done: "{{ expired }}"
"""

RETURN = r"""
msg:
  description: What was told.
  returned: always
  type: str
  sample: no entry was 1440 minutes or older
"""
