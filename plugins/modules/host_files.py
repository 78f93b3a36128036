#!/usr/bin/python
# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_files
short_description: Install or remove many small files at once, and the units that read them
version_added: 0.1.0
description:
  - Makes sure of the content, the owner and the mode of a list of files, in one task and one connection.
  - Makes sure that systemd units run, and have read those files as they are.
  - The role uses it for all that it installs, so that a host on which nothing has to be done is done quickly.
author:
  - The vsmtp.relay authors (@vsmtp)
extends_documentation_fragment:
  - vsmtp.relay.attributes
options:
  files:
    description: The files. Missing directories are created with mode C(0755).
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Where it is to be.
        type: path
        required: true
      content:
        description: The whole text. If the file is to be there, either this, O(files[].source) or O(files[].secret=true) is needed.
        type: str
      source:
        description:
          - A file on the controller with the content, as C(ansible.builtin.copy) looks for its C(src).
          - A directory stands for the Python files below it, which go to the same places below O(files[].path).
          - Only files that differ are sent. Neither the arguments of the module nor the differences show what is in them.
        type: path
      digest:
        description: The SHA-256 of what O(files[].source) has, in hexadecimal. The controller works it out.
        type: str
      secret:
        description: Whether it holds the secret of the login recorder. It is made on the target unless it is there, and is never shown.
        type: bool
        default: false
      mode:
        description: Permissions, as an octal number in quotes.
        type: str
        default: '0644'
      owner:
        description: The user who owns it.
        type: str
        default: root
      group:
        description: The group that owns it.
        type: str
        default: root
      validate:
        description:
          - A command, word by word, that looks at the new content before it replaces the old file, which stays if the command fails.
          - The word C(%s) becomes the path of a temporary file beside the other one.
        type: list
        elements: str
      state:
        description: Whether it is to be there. By default as O(state) says.
        type: str
        choices: [present, absent]
  state:
    description: Whether the files are to be there.
    type: str
    choices: [present, absent]
    default: present
  bundle:
    description: A ZIP archive on the target, with what O(files[].source) has under its digest. The controller puts it there.
    type: path
  exact_directories:
    description:
      - Directories in and below which no other files are to be than those that O(files) names. What an older version had more is removed.
    type: list
    elements: path
    default: []
  remove_directories:
    description: Directories to be removed with all that is in them.
    type: list
    elements: path
    default: []
  units:
    description:
      - systemd units that go with the files, in this order. They are brought to what they have to be after the files, if none of these failed.
      - If one does not come up, it and all files get back what they had before, and the message has the last line that its program wrote.
      - Those that read a file that changed since they last read it are restarted or reloaded. What each has read is remembered on the target,
        so a run that was cut off before is completed by the next one.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Its name with its type, such as C(dovecot.service).
        type: str
        required: true
      content:
        description:
          - The text of the unit, for a unit of one's own. It is enabled and runs.
          - Without it the unit is the host's. It is only told to reload, or restarted if it cannot, and only if it is running.
        type: str
      reads:
        description:
          - Files that it reads when it starts. A directory stands for the files below it. A file that is not there is one without content.
        type: list
        elements: path
        default: []
      state:
        description: With V(absent) a unit of one's own is stopped, disabled and removed. One of the host's reloads if it has to.
        type: str
        choices: [present, absent]
        default: present
  memory:
    description: The file on the target that tells what each unit has read.
    type: path
    default: /var/lib/vsmtprelay/units
"""

EXAMPLES = r"""
- name: Install two files
  vsmtp.relay.host_files:
    files:
      - path: /etc/vsmtprelay/note
        content: "These files belong to vsmtp.relay.\n"
      - path: /etc/vsmtprelay/private
        content: "Only root reads this.\n"
        mode: '0600'

- name: Have Dovecot read a file of its own
  vsmtp.relay.host_files:
    files:
      - path: /etc/dovecot/conf.d/95-example.conf
        content: "mail_debug = yes\n"
        validate: [doveconf, -c, "%s", -n]
    units:
      - name: dovecot.service
        reads: [/etc/dovecot/conf.d/95-example.conf]
"""

RETURN = r"""
changed_files:
  description: The paths that changed, or in check mode would change.
  returned: always
  type: list
  elements: str
  sample: [/etc/vsmtprelay/note]
wanted:
  description: The digests of what the controller has to send before anything is done. It does so, and nobody else gets to see this.
  returned: when something of O(files[].source) differs and there is no O(bundle)
  type: list
  elements: str
  sample: []
actions:
  description: What was done with units, or in check mode would be done, in order.
  returned: always
  type: list
  elements: str
  sample: [enable vsmtprelay-recorder.service, restart vsmtprelay-recorder.service]
"""


from ansible.module_utils.basic import AnsibleModule

from ansible_collections.vsmtp.relay.plugins.module_utils._module.host_files import run
from ansible_collections.vsmtp.relay.plugins.module_utils._module.units import OPTIONS


def main():
    module = AnsibleModule(
        argument_spec=dict(
            files=dict(
                type="list",
                elements="dict",
                required=True,
                options=dict(
                    path=dict(type="path", required=True),
                    content=dict(type="str"),
                    source=dict(type="path"),
                    digest=dict(type="str"),
                    secret=dict(type="bool", default=False, no_log=False),
                    mode=dict(type="str", default="0644"),
                    owner=dict(type="str", default="root"),
                    group=dict(type="str", default="root"),
                    validate=dict(type="list", elements="str"),
                    state=dict(type="str", choices=["present", "absent"]),
                ),
            ),
            state=dict(type="str", choices=["present", "absent"], default="present"),
            bundle=dict(type="path"),
            exact_directories=dict(type="list", elements="path", default=[]),
            remove_directories=dict(type="list", elements="path", default=[]),
            units=dict(type="list", elements="dict", default=[], options=OPTIONS),
            memory=dict(type="path", default="/var/lib/vsmtprelay/units"),
        ),
        supports_check_mode=True,
    )
    run(module)


if __name__ == "__main__":
    main()
