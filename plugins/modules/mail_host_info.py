#!/usr/bin/python
# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mail_host_info
short_description: Tell what a mail host has, and whether it can do what the role is told
version_added: 0.1.0
description:
  - Returns the versions and abilities of sendmail and Dovecot, which of a list of packages are not installed, which of a list of
    PAM's files cannot be added to, and which of a list of files are there.
  - Tells everything that keeps the role from doing what its variables say, before anything is changed.
  - The role asks this first, in one task, so that it gathers no facts that it does not use.
author:
  - The vsmtp.relay authors (@vsmtp)
extends_documentation_fragment:
  - vsmtp.relay.attributes.info
options:
  packages:
    description: Distribution packages to look for.
    type: list
    elements: str
    default: []
  rpm_packages:
    description: What to look for instead where the package manager is rpm. By default the same.
    type: list
    elements: str
  recorder_packages:
    description: What to look for as well where a login recorder is wanted.
    type: list
    elements: str
    default: []
  pam_files:
    description: Files in C(/etc/pam.d) that a line for the account phase is to be added to. Those that O(role) names come on top.
    type: list
    elements: path
    default: []
  pam_helper:
    description: A program that lines of these files run.
    type: path
  files:
    description: Files to look for.
    type: list
    elements: path
    default: []
  role:
    description:
      - The role's variables, without their prefix, as its argument specification has them. Those that are missing have their defaults.
      - Without it nothing is judged.
    type: dict
  given:
    description: The names of those variables that the inventory or C(--extra-vars) give, not a play.
    type: list
    elements: str
    default: []
  default_name:
    description: What the host's virtual server is called if nobody says otherwise.
    type: str
    default: ''
  continues:
    description: Whether variables that a play told the role before, on this host, are to stay unless somebody says otherwise now.
    type: bool
    default: false
  earlier:
    description: The virtual servers that the same playbook run gave the host before. A list that does without one of them replaces, not adds.
    type: list
    elements: str
    default: []
  policy_servers:
    description: The URLs under which Dovecot asks the login recorder.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: See what is there
  vsmtp.relay.mail_host_info:
    packages: [python3-bsddb3]
  register: mail_host
"""

RETURN = r"""
is_root:
  description: Whether the module ran as root.
  returned: always
  type: bool
sendmail:
  description: What sendmail is there.
  returned: always
  type: dict
  contains:
    version:
      description: Its version, or an empty string if there is none.
      type: str
      sample: 8.17.1.9
    hash_maps:
      description: Whether it was compiled with Berkeley DB, so that a C(hash) map works.
      type: bool
dovecot:
  description: What Dovecot is there.
  returned: always
  type: dict
  contains:
    version:
      description: Its version, or an empty string if there is none.
      type: str
      sample: 2.3.19.1
    auth_policy_server_url:
      description: The policy server that it is configured to ask, or an empty string.
      type: str
package_manager:
  description: V(dpkg) or V(rpm).
  returned: always
  type: str
  sample: dpkg
missing_packages:
  description: Those of O(packages) or O(rpm_packages) that are not installed.
  returned: always
  type: list
  elements: str
files:
  description: Those of O(files) that are there.
  returned: always
  type: list
  elements: str
pam:
  description: What is in C(/etc/pam.d).
  returned: always
  type: dict
  contains:
    missing:
      description: Those that do not exist.
      type: list
      elements: str
    without_account:
      description:
        - Those that say nothing about the account phase, nor do the files that they include.
        - PAM asks the service C(other) then, and would no longer do so with the new line.
      type: list
      elements: str
    reporting:
      description: All files that run O(pam_helper).
      type: list
      elements: str
role:
  description: The role's variables that hold in this run, with their types.
  returned: with O(role)
  type: dict
  sample: {"window": 1440}
told:
  description: A text that tells the next run which of them a play told the role.
  returned: with O(role)
  type: str
kept:
  description: The names of those that a play told before, and that hold because nobody says otherwise now.
  returned: with O(role)
  type: list
  elements: str
  sample: [window]
problems:
  description: What keeps the role from its work on this host, a line for each thing.
  returned: with O(role)
  type: list
  elements: str
  sample: ["pop_before_smtp_cron_hour: 25 is not from 0 to 23"]
faults:
  description: What keeps it from its work for some of the virtual servers only, a line for each.
  returned: with O(role)
  type: list
  elements: str
  sample: []
"""


from ansible.module_utils.basic import AnsibleModule

from ansible_collections.vsmtp.relay.plugins.module_utils._module.mail_host_info import run


def main():
    texts = dict(type="list", elements="str", default=[])
    argument_spec = dict(
        packages=texts,
        rpm_packages=dict(type="list", elements="str"),
        recorder_packages=texts,
        pam_files=dict(type="list", elements="path", default=[]),
        pam_helper=dict(type="path"),
        files=dict(type="list", elements="path", default=[]),
        role=dict(type="dict"),
        given=texts,
        default_name=dict(type="str", default=""),
        continues=dict(type="bool", default=False),
        earlier=texts,
        policy_servers=texts,
    )
    module = AnsibleModule(argument_spec=argument_spec, supports_check_mode=True)
    run(module)


if __name__ == "__main__":
    main()
