#!/usr/bin/python
# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: relayers_restore
short_description: Put the entries of relayers.db back from a text
version_added: 0.1.0
description:
  - Takes one or many databases of POP-before-SMTP permissions back from texts that C(makemap) reads as well, and
    M(vsmtp.relay.relayers_info) or C(vsmtprelay dump) wrote.
  - What was recorded since then stays, unless O(exactly=true).
  - A database that fails is named, and the others are still done. One whose text is malformed stays as it is.
author:
  - The vsmtp.relay authors (@vsmtp)
extends_documentation_fragment:
  - vsmtp.relay.relayers
  - vsmtp.relay.attributes
options:
  databases:
    description: The databases. Those that do not exist are created.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: The database.
        type: path
        required: true
      text:
        description: A line for each entry, with the address as it is stored and the timestamp. Lines that begin with C(#) are comments.
        type: str
        required: true
  exactly:
    description:
      - Whether a database is to have just the entries of its text.
      - Otherwise entries that the text does not have stay, and so do those that are stamped later than it says.
    type: bool
    default: false
seealso:
  - module: vsmtp.relay.relayers_info
"""

EXAMPLES = r"""
- name: Put two entries back
  vsmtp.relay.relayers_restore:
    databases:
      - path: /etc/mail/relayers.db
        text: |
          198.51.100.7 1924991999
          ipv6:2001:db8:0:0:0:0:0:5 1924991999
"""

RETURN = r"""
databases:
  description: What changed in each database, or in check mode would change.
  returned: always
  type: list
  elements: dict
  contains:
    path:
      description: The database.
      type: str
    created:
      description: Whether there was no database before.
      type: bool
    added:
      description: Addresses that were not there, as they are stored.
      type: list
      elements: str
    updated:
      description: Addresses that have another timestamp.
      type: list
      elements: str
    removed:
      description: Addresses that are gone. Only with O(exactly=true).
      type: list
      elements: str
  sample: [{"path": "/etc/mail/relayers.db", "created": false, "added": ["198.51.100.7"], "updated": [], "removed": []}]
"""

from ansible_collections.vsmtp.relay.plugins.module_utils._module.databases import (
    DATABASE_OPTIONS,
    module_with_binding,
)
from ansible_collections.vsmtp.relay.plugins.module_utils._module.relayers_restore import run


def main():
    options = dict(path=dict(type="path", required=True), text=dict(type="str", required=True))
    module = module_with_binding(
        argument_spec=dict(
            lock_timeout=DATABASE_OPTIONS["lock_timeout"],
            databases=dict(type="list", elements="dict", required=True, options=options),
            exactly=dict(type="bool", default=False),
        ),
        supports_check_mode=True,
    )
    run(module)


if __name__ == "__main__":
    main()
