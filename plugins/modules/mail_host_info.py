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

import glob
import os
import re

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.vsmtp.relay.plugins.module_utils._module.role_variables import typed
from ansible_collections.vsmtp.relay.plugins.module_utils._module.rulesets import faults_of
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay import programs
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import RelayError
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.files import text_file
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.role import preflight
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.role.variables import PREFIX, last_told, told_now
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.servers.virtual_servers import read_list


def output_of(*command):
    """Return what a command writes, whatever its exit status is."""
    return programs.run(command, programs.SECONDS_TO_TELL).text


def sendmail(module):
    """Return version and abilities as sendmail tells them with debug level 0.1; a broken sendmail.cf does not matter."""
    path = module.get_bin_path("sendmail", opt_dirs=["/usr/sbin", "/usr/lib"])
    # Without a terminal it ends where its input does: at once.
    output = output_of(path, "-d0.1", "-bt") if path else ""
    version = re.search(r"^Version (\S+)", output, re.MULTILINE)
    return dict(version=version.group(1) if version else "", hash_maps=bool(re.search(r"\bNEWDB\b", output)))


def dovecot(module):
    """Return the version and the policy server."""
    path = module.get_bin_path("dovecot", opt_dirs=["/usr/sbin"])
    if not path:
        return dict(version="", auth_policy_server_url="")
    version = output_of(path, "--version").split()
    doveconf = module.get_bin_path("doveconf", required=True)
    url = output_of(doveconf, "-h", "auth_policy_server_url").strip()
    return dict(version=version[0] if version else "", auth_policy_server_url=url)


def missing_packages(manager, packages):
    """Return those of ``packages`` that the package manager does not know as installed."""
    if not packages:
        return []
    if manager == "dpkg":
        lines = output_of("dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *packages)
        installed = {line.split()[0] for line in lines.splitlines() if line.endswith(" installed")}
    else:
        installed = set(output_of("rpm", "-q", "--qf", "%{NAME}\n", *packages).split("\n"))
    return [package for package in packages if package not in installed]


def pam(files, helper):
    """Return which of ``files`` do not exist or have no line for the account phase, and which of all run ``helper``."""
    present = [path for path in files if os.path.isfile(path)]
    return dict(
        missing=[path for path in files if path not in present],
        without_account=[path for path in present if not has_account_line(path, set())],
        reporting=[path for path in sorted(glob.glob("/etc/pam.d/*")) if helper and runs(path, helper)],
    )


def runs(path, helper):
    """Tell whether a line of the file at ``path`` names ``helper``."""
    return helper.encode() in (text_file.read(path) or b"") if os.path.isfile(path) else False


def has_account_line(path, seen):
    """Tell whether PAM finds a line for the account phase in the file ``path``; ``seen`` are the files looked at already."""
    path = os.path.join("/etc/pam.d", path)
    if path in seen or not os.path.isfile(path):
        return False
    seen.add(path)
    with open(path, encoding="utf-8", errors="replace") as file:
        lines = [line.split() for line in file]
    return any(
        words[0].lower() in ("account", "-account")
        or (words[0] == "@include" and len(words) > 1 and has_account_line(words[1], seen))
        for words in lines
        if words
    )


def files_at_fault(module, variables):
    """Return by the name of the virtual server why a sendmail.cf or .mc does not take the ruleset, and how many servers there are."""
    servers = read_list(variables["virtual_servers"])[0]
    files = [dict(path=server.sendmail_cf, relayers_db=server.relayers_db, state="present") for server in servers]
    faults = faults_of(module, files, variables["sendmail_source"], max(variables["window"], 0))
    return {server.name: faults[server.sendmail_cf] for server in servers if server.sendmail_cf in faults}, len(servers)


def judged(module, told, host):
    """Return what the module tells of the role's variables on this host."""
    variables = told.variables
    problems = preflight.faults_of_variables(variables)
    problems += preflight.faults_of_list(variables, module.params["earlier"])
    of_host = preflight.faults_of_host(variables, host, module.params["policy_servers"])
    faults = []
    if variables["state"] == "present" and not of_host:
        at_fault, count = files_at_fault(module, variables)
        faults = [f"{PREFIX}virtual_servers: {name}: {fault}" for name, fault in at_fault.items()]
        # One server whose files are at fault keeps none of the others waiting.
        if problems or len(at_fault) == count:
            problems, faults = problems + faults, []
    return dict(role=variables, told=told.text(), kept=told.kept, problems=of_host + problems, faults=faults)


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
    parameters = module.params
    manager = "dpkg" if module.get_bin_path("dpkg-query") else "rpm"
    packages, pam_files, told = parameters["packages"], parameters["pam_files"], None
    if manager == "rpm" and parameters["rpm_packages"] is not None:
        packages = parameters["rpm_packages"]
    try:
        if parameters["role"] is not None:
            before = last_told() if parameters["continues"] else None
            told = told_now(
                typed(parameters["role"], parameters["default_name"]), parameters["given"], parameters["default_name"], before
            )
            if told.variables["recorder"] == "pam" and told.variables["state"] == "present":
                pam_files = pam_files + [f"/etc/pam.d/{service}" for service in told.variables["pam_services"]]
        if told is None or told.variables["recorder"] != "none":
            packages = packages + parameters["recorder_packages"]
        host = dict(
            is_root=os.geteuid() == 0,
            sendmail=sendmail(module),
            dovecot=dovecot(module),
            package_manager=manager,
            missing_packages=missing_packages(manager, packages),
            files=[path for path in parameters["files"] if os.path.lexists(path)],
            pam=pam(pam_files, parameters["pam_helper"]),
        )
        about_role = {} if told is None else judged(module, told, host)
    except RelayError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **host, **about_role)


if __name__ == "__main__":
    main()
