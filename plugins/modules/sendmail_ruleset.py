#!/usr/bin/python
# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: sendmail_ruleset
short_description: Let sendmail relay for the clients in relayers.db
version_added: 0.1.0
description:
  - Inserts the ruleset of POP-before-SMTP into one or many C(sendmail.cf) or C(sendmail.mc) files, between two marker lines.
  - C(check_rcpt), stock or written by hand, calls the ruleset. It permits what would be refused without it. The other rules stay unchanged.
  - If C(check_rcpt) is missing or refuses no client, the ruleset also refuses to relay for clients that are not listed.
  - Before a new file replaces the old one, sendmail itself checks it, a C(sendmail.mc) after m4. It is asked who may send which mail with the
    old file and the new one. Each answer has to stay the same, except that listed clients may relay, and strangers may not in an open file.
  - A file that fails is reported, and the others are still done.
  - The running sendmail has to be reloaded, by O(reload) or M(vsmtp.relay.sendmail_reload).
author:
  - The vsmtp.relay authors (@vsmtp)
requirements:
  - sendmail on the target, compiled with Berkeley DB; m4 if C(sendmail.mc) files are edited.
extends_documentation_fragment:
  - vsmtp.relay.attributes
options:
  path:
    description: The file to edit. It must exist, unless O(state=absent). A name that ends in C(.mc) is m4 source.
    type: path
  relayers_db:
    description: The database for O(path).
    type: path
    default: /etc/mail/relayers.db
  files:
    description: Many files, instead of O(path) and O(relayers_db).
    type: list
    elements: dict
    suboptions:
      path:
        description: As O(path).
        type: path
        required: true
      relayers_db:
        description: As O(relayers_db).
        type: path
        default: /etc/mail/relayers.db
      state:
        description: Whether the ruleset is in this file. By default the value of O(state).
        type: str
        choices: [present, absent]
  source:
    description:
      - Whether a C(sendmail.cf) is generated from a C(sendmail.mc) beside it, which then gets the ruleset too. So the ruleset survives when
        C(make -C /etc/mail), C(sendmailconfig) or an upgrade regenerates the C(sendmail.cf).
      - V(cf) edits only the named file. V(auto) also edits the C(.mc) file beside it, if it exists and m4 generates a C(sendmail.cf) from it
        here; if not, there is a warning. V(mc) fails instead.
    type: str
    choices: [auto, mc, cf]
    default: cf
  window:
    description: The minutes after its timestamp in which an entry lets a client relay. With V(0) every listed client may relay.
    type: int
    default: 1440
  state:
    description: Whether the ruleset is present. V(absent) restores a file byte by byte.
    type: str
    choices: [present, absent]
    default: present
  reload:
    description:
      - Whether to reload the running daemons of the files that have not read the present file. Open SMTP sessions continue.
      - If a daemon does not come back, its old file is restored, the daemon is started with that, and the module fails at the end.
    type: bool
    default: false
  backup:
    description: Whether to keep a copy of each file that changes.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Let a client relay for half an hour after each login
  vsmtp.relay.sendmail_ruleset:
    path: /etc/mail/sendmail.cf
    source: auto
    window: 30
    reload: true
"""

RETURN = r"""
files:
  description: Each file that was checked.
  returned: always
  type: list
  elements: dict
  contains:
    path:
      description: The file.
      type: str
    changed:
      description: Whether it changed, or in check mode would change.
      type: bool
    backup_file:
      description: The copy of the old file. Only if it changed and O(backup=true).
      type: str
  sample: [{"path": "/etc/mail/sendmail.cf", "changed": true}]
reloaded:
  description: The files that a running daemon has reread, or in check mode would reread. Empty without O(reload=true).
  returned: always
  type: list
  elements: str
  sample: [/etc/mail/sendmail.cf]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.vsmtp.relay.plugins.module_utils._module.sendmail_ruleset import run


def main():
    module = AnsibleModule(
        argument_spec=dict(
            path=dict(type="path"),
            relayers_db=dict(type="path", default="/etc/mail/relayers.db"),
            files=dict(
                type="list",
                elements="dict",
                options=dict(
                    path=dict(type="path", required=True),
                    relayers_db=dict(type="path", default="/etc/mail/relayers.db"),
                    state=dict(type="str", choices=["present", "absent"]),
                ),
            ),
            source=dict(type="str", choices=["auto", "mc", "cf"], default="cf"),
            window=dict(type="int", default=1440),
            state=dict(type="str", choices=["present", "absent"], default="present"),
            reload=dict(type="bool", default=False),
            backup=dict(type="bool", default=False),
        ),
        mutually_exclusive=[("path", "files")],
        required_one_of=[("path", "files")],
        supports_check_mode=True,
    )
    run(module)


if __name__ == "__main__":
    main()
