#!/usr/bin/python
# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: sendmail_reload
short_description: Have running sendmail daemons reread their configuration
version_added: 0.1.0
description:
  - Finds the daemon of each C(sendmail.cf) by the C(PidFile) that it names, sends it C(SIGHUP), and waits until it is back.
  - A daemon that is not running is left alone, for it reads its configuration when it starts. Open SMTP sessions go on.
  - Other daemons of the same host are not touched.
author:
  - The vsmtp.relay authors (@vsmtp)
extends_documentation_fragment:
  - vsmtp.relay.attributes
attributes:
  diff_mode:
    support: none
  idempotent:
    description: Does its work each time it is called.
    support: none
options:
  paths:
    description: The C(sendmail.cf) files whose daemons are meant.
    type: list
    elements: path
    required: true
"""

EXAMPLES = r"""
- name: Reload sendmail
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

from ansible_collections.vsmtp.relay.plugins.module_utils._modules import finish, for_each
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay import sendmail_daemon


def main():
    module = AnsibleModule(
        argument_spec=dict(paths=dict(type="list", elements="path", required=True)), supports_check_mode=True
    )

    def work(path):
        pid_file = sendmail_daemon.pid_file_of(path)
        if module.check_mode:
            done = sendmail_daemon.running(pid_file) is not None
        else:
            done = sendmail_daemon.reload(pid_file)
        return [path] if done else []

    results, failures = for_each(module.params["paths"], work)
    reloaded = [path for result in results for path in result]
    finish(module, bool(reloaded), failures, reloaded=reloaded)


if __name__ == "__main__":
    main()
