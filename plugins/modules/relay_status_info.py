#!/usr/bin/python
# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: relay_status_info
short_description: Tell the state of POP-before-SMTP on a host
version_added: 0.1.0
description:
  - Returns for each virtual server how many entries its database has and how old they are, and whether the running sendmail looks there.
  - Returns for the host whether the login recorder is up, and whether last night's expiry ran.
  - A virtual server that fails is told with its fault, and the others are still looked at.
author:
  - The vsmtp.relay authors (@vsmtp)
extends_documentation_fragment:
  - vsmtp.relay.relayers
  - vsmtp.relay.attributes.info
options:
  names:
    description: Look only at the virtual servers with these names. By default at all.
    type: list
    elements: str
    default: []
  table:
    description: The table of virtual servers. The role writes it.
    type: path
    default: /etc/vsmtprelay/virtual_servers
"""

EXAMPLES = r"""
- name: See how it goes
  vsmtp.relay.relay_status_info:
  register: relay_status
"""

RETURN = r"""
recorder:
  description: V(up), V(down), or V(none) if there is none.
  returned: always
  type: str
  sample: up
expiry:
  description: The nightly expiry.
  returned: always
  type: dict
  contains:
    last:
      description: When it last ended, in epoch seconds; V(null) if it never did.
      type: int
    status:
      description: Its exit status, V(0) if all went well.
      type: int
    late:
      description: Whether it did not run when it last was to.
      type: bool
  sample: {"last": 1790000000, "status": 0, "late": false}
virtual_servers:
  description: The virtual servers.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
    relayers_db:
      description: Its database.
      type: str
    sendmail_cf:
      description: Its sendmail configuration.
      type: str
    fault:
      description: Why nothing more is known, or an empty string.
      type: str
    ruleset:
      description: V(live) if the running sendmail has the ruleset; V(not read yet), V(missing), V(no daemon).
      type: str
    entries:
      description: How many entries there are.
      type: int
    pinned:
      description: How many of them are stamped in the future.
      type: int
    oldest:
      description: The timestamp of the oldest that is not; V(null) if there is none.
      type: int
    newest:
      description: The timestamp of the newest that is not; V(null) if there is none.
      type: int
    ages:
      description: How many of these are less than an hour old, from one hour to two, and so on; the last of the 25 numbers is for a day and more.
      type: list
      elements: int
  sample: []
"""


from ansible_collections.vsmtp.relay.plugins.module_utils._module.databases import DATABASE_OPTIONS, module_with_binding
from ansible_collections.vsmtp.relay.plugins.module_utils._module.relay_status_info import run
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.servers.virtual_servers import TABLE


def main():
    module = module_with_binding(
        argument_spec=dict(
            lock_timeout=DATABASE_OPTIONS["lock_timeout"],
            names=dict(type="list", elements="str", default=[]),
            table=dict(type="path", default=TABLE),
        ),
        supports_check_mode=True,
    )
    run(module)


if __name__ == "__main__":
    main()
