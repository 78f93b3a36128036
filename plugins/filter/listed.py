# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: listed
short_description: Names from a list, or from a text with commas and blanks
version_added: 0.2.0
description:
  - Returns the names in a list, or in one text with commas and blanks between them.
author:
  - The vsmtp.relay authors (@vsmtp)
options:
  _input:
    description: The names.
    type: raw
    required: true
"""

EXAMPLES = r"""
- name: Show the addresses
  ansible.builtin.debug:
    msg: "{{ '192.0.2.1, 192.0.2.2 2001:db8::5' | vsmtp.relay.listed }}"
"""

RETURN = r"""
_value:
  description: The names.
  type: list
  elements: str
  sample: [192.0.2.1, 192.0.2.2, "2001:db8::5"]
"""

from ansible_collections.vsmtp.relay.plugins.plugin_utils.playbook_variables import listed


class FilterModule:
    """The filters of this file."""

    def filters(self):
        """Return them by name."""
        return {"listed": listed}
