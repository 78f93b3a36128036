# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: virtual_server_name
short_description: The default name of the only virtual server of a host
version_added: 0.2.0
description:
  - Returns the first part of a host's name in the inventory, in lower case. An address stays whole.
  - For V(localhost) it returns the name of the machine that Ansible runs on, so the name is the same from every controller.
  - A character that is invalid in the name of a virtual server becomes a hyphen.
author:
  - The vsmtp.relay authors (@vsmtp)
options:
  _input:
    description: The name of the host, such as C(inventory_hostname).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show the name
  ansible.builtin.debug:
    msg: "{{ 'mail1.example.org' | vsmtp.relay.virtual_server_name }}"
"""

RETURN = r"""
_value:
  description: The name.
  type: str
  sample: mail1
"""

import ipaddress
import re
import socket

LOCAL = ("localhost", "127.0.0.1", "::1")
NOT_IN_A_NAME = re.compile("[^a-z0-9._-]")
NOT_AT_ITS_BEGINNING = re.compile("^[^a-z0-9]+")


def virtual_server_name(host):
    """Return the name for the host whose name in the inventory is ``host`` (text)."""
    name = str(host).lower()
    if name in LOCAL:
        name = socket.gethostname().lower()
    try:
        ipaddress.ip_address(name)
    except ValueError:
        name = name.partition(".")[0]
    return NOT_AT_ITS_BEGINNING.sub("", NOT_IN_A_NAME.sub("-", name)) or "main"


class FilterModule:
    """The filters of this file."""

    def filters(self):
        """Return them by name."""
        return {"virtual_server_name": virtual_server_name}
