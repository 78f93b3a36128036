#!/usr/bin/python
# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: relayers_restore
short_description: Restore the entries of relayers.db from a text
version_added: 0.1.0
description:
  - Restores one or many databases of POP-before-SMTP permissions from texts that M(vsmtp.relay.relayers_info) or C(vsmtprelay dump) wrote.
    C(makemap) reads these texts as well.
  - Entries that were recorded since then stay, unless O(exactly=true).
  - A database that fails is reported, and the others are still done. A database whose text is malformed stays unchanged.
  - Where logins are shared with other hosts, what was revoked on all hosts since the backup is removed again, and the rest can relay on all of them.
author:
  - The vsmtp.relay authors (@vsmtp)
extends_documentation_fragment:
  - vsmtp.relay.relayers
  - vsmtp.relay.attributes
options:
  databases:
    description: The databases. Missing ones are created.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: The database.
        type: path
        required: true
      text:
        description: A line for each entry, with its key and its timestamp. Lines that begin with C(#) are comments.
        type: str
        required: true
  exactly:
    description:
      - Whether a database then holds exactly the entries of its text.
      - Otherwise entries that are not in the text stay, and so do those with a later timestamp than in the text.
    type: bool
    default: false
seealso:
  - module: vsmtp.relay.relayers_info
"""

EXAMPLES = r"""
- name: Restore two entries
  vsmtp.relay.relayers_restore:
    databases:
      - path: /etc/mail/relayers.db
        text: |
          198.51.100.7 1924991999
          ipv6:2001:db8:0:0:0:0:0:5 1924991999
"""

RETURN = r"""
databases:
  description: The changes of each database, or in check mode the changes that would be made.
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
      description: The keys of new entries.
      type: list
      elements: str
    updated:
      description: The keys of entries with another timestamp.
      type: list
      elements: str
    removed:
      description: The keys of removed entries. Only with O(exactly=true).
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
