#!/usr/bin/python
# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: sendmail_reload
short_description: Reload running sendmail daemons
version_added: 0.1.0
description:
  - Finds the daemon of each C(sendmail.cf) by its C(PidFile) and by C(-C) on the daemon's command line.
  - A daemon that started before the last change of the file gets C(SIGHUP); the module waits until it is back. Open SMTP sessions continue.
  - So the next run completes one that was interrupted between the change of a file and the reload.
  - A daemon that is not running is left alone, since it reads its configuration when it starts. Other daemons of the host are left alone.
author:
  - The vsmtp.relay authors (@vsmtp)
extends_documentation_fragment:
  - vsmtp.relay.attributes
attributes:
  diff_mode:
    support: none
options:
  paths:
    description: The C(sendmail.cf) files of the daemons.
    type: list
    elements: path
    required: true
  force:
    description: Whether to reload also a daemon that has read the present file, for instance because an included file changed.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Reload sendmail if its configuration changed
  vsmtp.relay.sendmail_reload:
    paths: [/etc/mail/sendmail.cf]
"""

RETURN = r"""
reloaded:
  description: The files that a running daemon has reread, or in check mode would reread.
  returned: always
  type: list
  elements: str
  sample: [/etc/mail/sendmail.cf]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.vsmtp.relay.plugins.module_utils._module.sendmail_reload import run


def main():
    module = AnsibleModule(
        argument_spec=dict(paths=dict(type="list", elements="path", required=True), force=dict(type="bool", default=False)),
        supports_check_mode=True,
    )
    run(module)


if __name__ == "__main__":
    main()
