# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: relayer_key
short_description: The key of an address in relayers.db
version_added: 0.1.0
description:
  - Returns the key under which sendmail looks up an address. Two spellings of one address have the same key.
  - Anything but an IPv4 or IPv6 address is an error.
author:
  - The vsmtp.relay authors (@vsmtp)
options:
  _input:
    description: The address.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Check an address that a person typed
  ansible.builtin.debug:
    msg: "{{ '2001:db8::5' | vsmtp.relay.relayer_key }}"
"""

RETURN = r"""
_value:
  description: The key.
  type: str
  sample: ipv6:2001:db8:0:0:0:0:0:5
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.entries.addresses import key_of
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import MalformedError


def relayer_key(address):
    """Return the key of ``address``. Raises AnsibleFilterError for anything but an address."""
    try:
        return key_of(str(address))
    except MalformedError as error:
        raise AnsibleFilterError(str(error)) from None


class FilterModule:
    """The filters of this file."""

    def filters(self):
        """Return them by name."""
        return {"relayer_key": relayer_key}
