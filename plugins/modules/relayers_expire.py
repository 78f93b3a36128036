#!/usr/bin/python
# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: relayers_expire
short_description: Remove old entries from relayers.db
version_added: 0.1.0
description:
  - Removes the entries that have reached a certain age from one or many databases of POP-before-SMTP permissions.
  - Entries with a timestamp in the future, such as permanent permissions, stay. So do values that are not timestamps.
  - A missing database counts as empty. A database that fails is reported, and the others are still done.
author:
  - The vsmtp.relay authors (@vsmtp)
extends_documentation_fragment:
  - vsmtp.relay.relayers
  - vsmtp.relay.relayers.servers
  - vsmtp.relay.attributes
options:
  path:
    description: The database.
    type: path
    default: /etc/mail/relayers.db
  paths:
    description: Many databases, instead of O(path).
    type: list
    elements: path
  older_than:
    description:
      - The age in minutes at which an entry is removed. V(0) removes every entry that is not in the future.
      - By default V(1440), and with O(virtual_servers) the age of the nightly expiry that the role set on the host.
    type: int
seealso:
  - module: vsmtp.relay.relayers
  - module: vsmtp.relay.relayers_info
"""

EXAMPLES = r"""
- name: Remove entries that are an hour old or older
  vsmtp.relay.relayers_expire:
    older_than: 60

- name: Remove all permissions from logins on two virtual servers
  vsmtp.relay.relayers_expire:
    paths:
      - /etc/mail/relayers.db
      - /srv/example.org/etc/relayers.db
    older_than: 0

- name: Run the nightly expiry now
  vsmtp.relay.relayers_expire:
    virtual_servers: ['*']
"""

RETURN = r"""
databases:
  description: The entries removed from each database, or in check mode those that would be removed.
  returned: always
  type: list
  elements: dict
  contains:
    path:
      description: The database.
      type: str
    virtual_server:
      description: The name of its virtual server. Only with O(virtual_servers).
      type: str
    expired:
      description: The keys of removed entries.
      type: list
      elements: str
  sample: [{"path": "/etc/mail/relayers.db", "expired": ["198.51.100.99"]}]
older_than:
  description: The age in minutes at which entries were removed.
  returned: always
  type: int
  sample: 1440
"""


from ansible_collections.vsmtp.relay.plugins.module_utils._module.databases import (
    DATABASE_OPTIONS,
    SERVER_OPTIONS,
    module_with_binding,
)
from ansible_collections.vsmtp.relay.plugins.module_utils._module.relayers_expire import run


def main():
    module = module_with_binding(
        argument_spec=dict(
            DATABASE_OPTIONS,
            **SERVER_OPTIONS,
            paths=dict(type="list", elements="path"),
            older_than=dict(type="int"),
        ),
        mutually_exclusive=[("paths", "virtual_servers")],
        supports_check_mode=True,
    )
    run(module)


if __name__ == "__main__":
    main()
