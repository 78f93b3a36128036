#!/usr/bin/python
# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mail_host_info
short_description: Inspect a mail host, and check whether the role can set it up
version_added: 0.1.0
description:
  - Returns the versions and abilities of sendmail and Dovecot, the packages of a list that are not installed, the PAM files of a list
    that cannot be extended, and the files of a list that exist.
  - Returns every reason why the role cannot do what its variables say, before anything is changed.
  - The role runs it first, in one task, so that it gathers no unused facts.
  - The role and the playbooks of this collection use it. Its options may change in any release.
author:
  - The vsmtp.relay authors (@vsmtp)
extends_documentation_fragment:
  - vsmtp.relay.attributes.info
options:
  packages:
    description: Distribution packages to check.
    type: list
    elements: str
    default: []
  rpm_packages:
    description: The packages to check instead if the package manager is rpm. By default the same.
    type: list
    elements: str
  recorder_packages:
    description: The packages to check as well if a login recorder is wanted.
    type: list
    elements: str
    default: []
  rpm_recorder_packages:
    description: The packages to check instead of O(recorder_packages) if the package manager is rpm. By default the same.
    type: list
    elements: str
  share_packages:
    description: The packages to check as well if logins are shared with other hosts.
    type: list
    elements: str
    default: []
  rpm_share_packages:
    description: The packages to check instead of O(share_packages) if the package manager is rpm. By default the same.
    type: list
    elements: str
  metrics_packages:
    description: The packages to check as well if metrics are wanted.
    type: list
    elements: str
    default: []
  rpm_metrics_packages:
    description: The packages to check instead of O(metrics_packages) if the package manager is rpm. By default the same.
    type: list
    elements: str
  sharing:
    description:
      - Which hosts have the virtual servers of this host, as P(vsmtp.relay.sharing_hosts#lookup) returns it.
      - In addition V(ca), the text that P(vsmtp.relay.engine_ca#lookup) returns.
    type: dict
    default: {}
  pam_files:
    description: Files in C(/etc/pam.d) that are to get a line for the account phase, in addition to those that O(role) names.
    type: list
    elements: path
    default: []
  pam_helper:
    description: The program that these lines run.
    type: path
  files:
    description: Files to check.
    type: list
    elements: path
    default: []
  role:
    description:
      - The role's variables, without their prefix, as in its argument specification. Missing ones have their defaults.
      - Without it nothing is checked.
    type: dict
  given:
    description: The names of the variables that the inventory or C(--extra-vars) set, as opposed to a play.
    type: list
    elements: str
    default: []
  default_name:
    description: The default name of the host's virtual server.
    type: str
    default: ''
  continues:
    description: Whether variables that an earlier play set on this host keep their values unless they are set now.
    type: bool
    default: false
  earlier:
    description: The virtual servers that the same playbook run set up on the host before. A list that lacks one of them would replace, not add.
    type: list
    elements: str
    default: []
  policy_servers:
    description: The URLs at which Dovecot asks the login recorder.
    type: list
    elements: str
    default: []
  run_tags:
    description: The tags that this run was limited to, as C(ansible_run_tags) has them.
    type: list
    elements: str
    default: []
  skip_tags:
    description: The tags that this run skips, as C(ansible_skip_tags) has them.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Inspect the host
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
  description: The sendmail of the host.
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
  description: The Dovecot of the host.
  returned: always
  type: dict
  contains:
    version:
      description: Its version, or an empty string if there is none.
      type: str
      sample: 2.3.19.1
    auth_policy_server_url:
      description: The policy server in its configuration, or an empty string.
      type: str
    base_directory:
      description: The directory of its sockets.
      type: str
      sample: /run/dovecot
    has_userdb:
      description: Whether one of its userdbs can be asked about an account, which C(prefetch) cannot.
      type: bool
    needs_no_password:
      description: Whether a static passdb accepts any password for any name, and keeps the login on this host.
      type: bool
most_waiting_connections:
  description: How many connections the kernel keeps for a listening socket until they are accepted (C(net.core.somaxconn)).
  returned: always
  type: int
  sample: 4096
package_manager:
  description: V(dpkg) or V(rpm).
  returned: always
  type: str
  sample: dpkg
missing_packages:
  description: The packages of O(packages) or O(rpm_packages) that are not installed.
  returned: always
  type: list
  elements: str
files:
  description: The files of O(files) that exist.
  returned: always
  type: list
  elements: str
pam:
  description: The state of C(/etc/pam.d).
  returned: always
  type: dict
  contains:
    missing:
      description: The files that do not exist.
      type: list
      elements: str
    without_account:
      description:
        - The files without a line for the account phase, whether their own or included.
        - PAM then asks the service C(other), and would no longer do so with the new line.
      type: list
      elements: str
    reporting:
      description: All files that run O(pam_helper).
      type: list
      elements: str
role:
  description: The effective variables of the role in this run, with their types.
  returned: with O(role)
  type: dict
  sample: {"window": 1440}
told:
  description: The record for the next run, which names the variables that a play set.
  returned: with O(role)
  type: str
kept:
  description: The names of the variables that keep the value set by an earlier play.
  returned: with O(role)
  type: list
  elements: str
  sample: [window]
parts:
  description: The parts of the role that this run does.
  returned: with O(role)
  type: list
  elements: str
  sample: [install, configure, run]
used:
  description:
    - What the host uses of V(recorder), V(dovecot) to report to it, V(tcp) for these reports, V(share) to share its logins,
      and V(metrics) for Prometheus.
  returned: with O(role)
  type: list
  elements: str
  sample: [recorder, dovecot]
metrics_file:
  description: The file with the metrics for Prometheus, or an empty string if none are wanted.
  returned: with O(role)
  type: str
  sample: ''
metrics_before:
  description: The files with metrics that earlier runs of the role put elsewhere, as far as they are still there.
  returned: with O(role)
  type: list
  elements: str
  sample: []
share_config:
  description: The configuration of C(vsmtprelay-share), or an empty string if the host does not share its logins.
  returned: with O(role)
  type: str
  sample: ''
share_ca:
  description: The certificate of the authority of the engines that O(sharing) has, or an empty string.
  returned: with O(role)
  type: str
  sample: ''
dovecot_branch:
  description: The branch of Dovecot whose settings the host takes.
  returned: with O(role)
  type: str
  sample: '2.4'
pam_files:
  description: The files of PAM that report logins.
  returned: with O(role)
  type: list
  elements: str
  sample: []
problems:
  description: The reasons why the role cannot set up this host, one line each.
  returned: with O(role)
  type: list
  elements: str
  sample: ["pop_before_smtp_cron_hour: 25 is not from 0 to 23"]
faults:
  description: The reasons why it cannot set up some of the virtual servers, one line each.
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
        rpm_recorder_packages=dict(type="list", elements="str"),
        share_packages=texts,
        rpm_share_packages=dict(type="list", elements="str"),
        metrics_packages=texts,
        rpm_metrics_packages=dict(type="list", elements="str"),
        sharing=dict(type="dict", default={}),
        pam_files=dict(type="list", elements="path", default=[]),
        pam_helper=dict(type="path"),
        files=dict(type="list", elements="path", default=[]),
        role=dict(type="dict"),
        given=texts,
        default_name=dict(type="str", default=""),
        continues=dict(type="bool", default=False),
        earlier=texts,
        policy_servers=texts,
        run_tags=texts,
        skip_tags=texts,
    )
    module = AnsibleModule(argument_spec=argument_spec, supports_check_mode=True)
    run(module)


if __name__ == "__main__":
    main()
