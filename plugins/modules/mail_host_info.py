#!/usr/bin/python
# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mail_host_info
short_description: Tell what a mail host has, as far as POP-before-SMTP needs it
version_added: 0.1.0
description:
  - Returns the versions and abilities of sendmail and Dovecot, which of a list of packages are not installed, which of a list of
    PAM's files cannot be added to, and which of a list of files are there.
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
  pam_files:
    description: Files in C(/etc/pam.d) that a line for the account phase is to be added to.
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
"""

import glob
import os
import re

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay import programs, text_file
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import RelayError


def told_by(*command):
    """Return what a command writes, whatever its exit status is."""
    return programs.run(command, programs.SECONDS_TO_TELL).text


def sendmail(module):
    """Return version and abilities as sendmail tells them with debug level 0.1; a broken sendmail.cf does not matter."""
    path = module.get_bin_path("sendmail", opt_dirs=["/usr/sbin", "/usr/lib"])
    # Without a terminal it ends where its input does: at once.
    output = told_by(path, "-d0.1", "-bt") if path else ""
    version = re.search(r"^Version (\S+)", output, re.MULTILINE)
    return dict(version=version.group(1) if version else "", hash_maps=bool(re.search(r"\bNEWDB\b", output)))


def dovecot(module):
    """Return the version and the policy server."""
    path = module.get_bin_path("dovecot", opt_dirs=["/usr/sbin"])
    if not path:
        return dict(version="", auth_policy_server_url="")
    version = told_by(path, "--version").split()
    doveconf = module.get_bin_path("doveconf", required=True)
    url = told_by(doveconf, "-h", "auth_policy_server_url").strip()
    return dict(version=version[0] if version else "", auth_policy_server_url=url)


def missing_packages(manager, packages):
    """Return those of ``packages`` that the package manager does not know as installed."""
    if not packages:
        return []
    if manager == "dpkg":
        lines = told_by("dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *packages)
        installed = {line.split()[0] for line in lines.splitlines() if line.endswith(" installed")}
    else:
        installed = set(told_by("rpm", "-q", "--qf", "%{NAME}\n", *packages).split("\n"))
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


def main():
    argument_spec = dict(
        packages=dict(type="list", elements="str", default=[]),
        rpm_packages=dict(type="list", elements="str"),
        pam_files=dict(type="list", elements="path", default=[]),
        pam_helper=dict(type="path"),
        files=dict(type="list", elements="path", default=[]),
    )
    module = AnsibleModule(argument_spec=argument_spec, supports_check_mode=True)
    parameters = module.params
    manager = "dpkg" if module.get_bin_path("dpkg-query") else "rpm"
    packages = parameters["packages"]
    if manager == "rpm" and parameters["rpm_packages"] is not None:
        packages = parameters["rpm_packages"]
    try:
        told = dict(
            is_root=os.geteuid() == 0,
            sendmail=sendmail(module),
            dovecot=dovecot(module),
            package_manager=manager,
            missing_packages=missing_packages(manager, packages),
            files=[path for path in parameters["files"] if os.path.lexists(path)],
            pam=pam(parameters["pam_files"], parameters["pam_helper"]),
        )
    except RelayError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **told)


if __name__ == "__main__":
    main()
