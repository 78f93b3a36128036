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
  - Ensures the content, the owner and the mode of a list of files, in one task and one connection.
  - Ensures that systemd units run and have read the present files.
  - The role uses it for everything that it installs, so that an unchanged host takes little time.
  - The role and the playbooks of this collection use it. Its options may change in any release.
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
        description: Its path on the target.
        type: path
        required: true
      content:
        description: The whole text. A present file needs this, O(files[].source), O(files[].sections) or O(files[].secret=true).
        type: str
      source:
        description:
          - A file on the controller with the content, found in the same way as C(src) of C(ansible.builtin.copy).
          - A directory stands for the Python files below it, which are installed at the same paths below O(files[].path).
          - Only files that differ are sent. Neither the arguments of the module nor the differences show their content.
        type: path
      template:
        description: A Jinja template on the controller with the text, found in the same way as C(src) of C(ansible.builtin.template).
        type: path
      part:
        description: The part that the file belongs to; see O(parts).
        type: str
      needs:
        description: What a host has to use so that the file exists there; see O(used).
        type: str
      digest:
        description: The SHA-256 of the content of O(files[].source), in hexadecimal. The controller computes it.
        type: str
      secret:
        description: Whether it holds the secret of the login recorder. If missing, the secret is generated on the target. It is never shown.
        type: bool
        default: false
      bare:
        description: Whether the file with O(files[].secret=true) is to hold nothing but a secret, with which this host logs in to the engines.
        type: bool
        default: false
      sections:
        description:
          - Texts by name, for a file that several runs write. Each stands in the file after a line with C(#) and its name.
          - Sections that are not named stay as they are. An empty text removes a section, V(null) leaves it.
        type: dict
      exact_sections:
        description: Whether the file has no other sections than those of O(files[].sections).
        type: bool
        default: false
      mode:
        description: Permissions, as an octal number in quotes.
        type: str
        default: '0644'
      owner:
        description: The owner of the file.
        type: str
        default: root
      group:
        description: The group of the file.
        type: str
        default: root
      validate:
        description:
          - A command, as a list of words, that checks the new content. If the command fails, the old file stays.
          - The word C(%s) is replaced by the path of a temporary file beside the old one.
        type: list
        elements: str
      state:
        description: Whether the file exists. By default the value of O(state).
        type: str
        choices: [present, absent]
  parts:
    description: The parts to handle. Files and units of other parts are left alone. By default all.
    type: list
    elements: str
  used:
    description: The components that the host uses. A file or unit that needs another one becomes absent. By default all.
    type: list
    elements: str
  state:
    description: Whether the files exist.
    type: str
    choices: [present, absent]
    default: present
  bundle:
    description: A ZIP archive on the target with the content of each O(files[].source) under its digest. The controller sends it.
    type: path
  exact_directories:
    description:
      - Directories in and below which only the files in O(files) exist. Any other file, such as one of an older version, is removed.
    type: list
    elements: path
    default: []
  remove_directories:
    description: Directories to be removed with all their content.
    type: list
    elements: path
    default: []
  remove_files:
    description: Files to be removed after the units that write them.
    type: list
    elements: path
    default: []
  units:
    description:
      - systemd units that belong to the files, in this order. They are handled after the files, if no file failed.
      - If a unit does not start, the unit and all files are restored, and the message contains the last line that its program wrote.
      - A unit is restarted or reloaded if a file that it reads changed since it last read it. The target keeps a record of what each unit has read,
        so the next run completes an interrupted one.
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
          - The text of the unit, for a unit that this module installs. It is enabled and started.
          - Without it the unit belongs to the host. It is only reloaded, or restarted if it cannot reload, and only if it is running.
        type: str
      template:
        description: A Jinja template on the controller with the text, as O(files[].template).
        type: path
      part:
        description: The part that the unit belongs to; see O(parts).
        type: str
      needs:
        description: What a host has to use so that the unit exists there; see O(used). If a unit is absent, the units are handled in reverse order.
        type: str
      reads:
        description:
          - Files that it reads when it starts. A directory stands for the files below it. A missing file counts as empty.
        type: list
        elements: path
        default: []
      kind:
        description:
          - Whose it is. By default V(own) if it has a content, and V(host) otherwise; see O(units[].content).
          - V(installed) is a unit that another call installed. It is restarted if a file changed that it reads. Without it nothing is done.
          - V(packaged) is a unit of a package that is enabled and started here, such as an instance of a template.
          - V(triggered) is a unit that this module installs and another unit starts, such as a timer.
        type: str
        choices: [own, host, installed, packaged, triggered]
      state:
        description: With V(absent) a unit that this module installed is stopped, disabled and removed. A unit of the host is reloaded if needed.
        type: str
        choices: [present, absent]
        default: present
  memory:
    description: The file on the target that records what each unit has read.
    type: path
    default: /var/lib/vsmtprelay/units
  proof:
    description:
      - Whether to prove, after the files and units, that a login at each Dovecot that runs reaches the login recorder.
      - For this a login of the user V(vsmtprelay-probe) is tried at each of them, and one with a wrong password. Neither is recorded.
      - Nothing is tried in check mode, or if a file or a unit failed.
    type: bool
    default: false
  share_proof:
    description:
      - Whether to prove, after the files and units, that this host can do on the engines what sharing its logins takes.
      - For this C(vsmtprelay-share --check) is run. Not in check mode, nor if a file or a unit failed.
    type: bool
    default: false
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

- name: Add a configuration file to Dovecot, and reload it
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
  description: The digests of the content that the controller has to send before anything is done. The controller removes this value from the result.
  returned: when something of O(files[].source) differs and there is no O(bundle)
  type: list
  elements: str
  sample: []
actions:
  description: The actions on units, or in check mode the actions that would be taken, in order.
  returned: always
  type: list
  elements: str
  sample: [enable vsmtprelay-recorder.service, restart vsmtprelay-recorder.service]
proof:
  description: What became of the logins that were tried. All lists are empty if no Dovecot runs.
  returned: when it was made, see O(proof)
  type: dict
  contains:
    proven:
      description: The configuration files of the Dovecot instances whose logins reach the recorder.
      type: list
      elements: str
    faults:
      description: Why those of the main instance, with C(/etc/dovecot/dovecot.conf), do not; with the remedy. The module does not fail for it.
      type: list
      elements: str
    others:
      description: The same of other instances.
      type: list
      elements: str
  sample: {"proven": ["/etc/dovecot/dovecot.conf"], "faults": [], "others": []}
share_proof:
  description: What became of the check of the engines. Both lists are empty if this host can use all of them.
  returned: when it was tried, see O(share_proof)
  type: dict
  contains:
    faults:
      description: Why this host cannot share its logins through any engine, one line each. The module does not fail for it.
      type: list
      elements: str
    others:
      description: The same of some engines, if another one can be used.
      type: list
      elements: str
  sample: {"faults": [], "others": []}
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
                    template=dict(type="path"),
                    part=dict(type="str"),
                    needs=dict(type="str"),
                    digest=dict(type="str"),
                    secret=dict(type="bool", default=False, no_log=False),
                    bare=dict(type="bool", default=False),
                    sections=dict(type="dict"),
                    exact_sections=dict(type="bool", default=False),
                    mode=dict(type="str", default="0644"),
                    owner=dict(type="str", default="root"),
                    group=dict(type="str", default="root"),
                    validate=dict(type="list", elements="str"),
                    state=dict(type="str", choices=["present", "absent"]),
                ),
            ),
            parts=dict(type="list", elements="str"),
            used=dict(type="list", elements="str"),
            state=dict(type="str", choices=["present", "absent"], default="present"),
            bundle=dict(type="path"),
            exact_directories=dict(type="list", elements="path", default=[]),
            remove_directories=dict(type="list", elements="path", default=[]),
            remove_files=dict(type="list", elements="path", default=[]),
            units=dict(type="list", elements="dict", default=[], options=OPTIONS),
            memory=dict(type="path", default="/var/lib/vsmtprelay/units"),
            proof=dict(type="bool", default=False),
            share_proof=dict(type="bool", default=False),
        ),
        supports_check_mode=True,
    )
    run(module)


if __name__ == "__main__":
    main()
