#!/usr/bin/python
# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: controller_files
short_description: Keep texts of a host on the controller
version_added: 0.2.0
description:
  - Writes many texts to files on the controller, in one task and without a connection, as the user who runs Ansible.
  - Only that user can read them. Missing directories are created. Each file is replaced atomically.
  - The role and the playbooks of this collection use it. Its options may change in any release.
author:
  - The vsmtp.relay authors (@vsmtp)
extends_documentation_fragment:
  - vsmtp.relay.attributes
options:
  files:
    description: The files.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Its path on the controller.
        type: path
        required: true
      content:
        description: The whole text.
        type: str
        required: true
"""

EXAMPLES = r"""
- name: Read the databases
  vsmtp.relay.relayers_info:
    text: true
  register: relayers

- name: Keep them
  vsmtp.relay.controller_files:
    files:
      - path: "relayers/{{ inventory_hostname }}.txt"
        content: "{{ relayers.databases[0].text }}"
"""

RETURN = r"""
changed_files:
  description: The paths that changed, or in check mode would change.
  returned: always
  type: list
  elements: str
  sample: [/home/admin/relayers/mail1.txt]
"""
