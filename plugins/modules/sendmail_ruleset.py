#!/usr/bin/python
# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: sendmail_ruleset
short_description: Let sendmail relay for the clients that are listed in relayers.db
version_added: 0.1.0
description:
  - Puts the ruleset of POP-before-SMTP into one or many C(sendmail.cf) or C(sendmail.mc) files, between two marker lines.
  - The ruleset is reached from C(check_rcpt). It only ever allows what would be refused without it. The other rules stay as they are.
  - A new file is checked by sendmail itself, a C(sendmail.mc) after m4, before it takes the place of the old one.
  - A file that fails is named, and the others are still done. The running sendmail has to be told to reread its configuration.
author:
  - The vsmtp.relay authors (@vsmtp)
requirements:
  - sendmail on the target, compiled with Berkeley DB; m4 where C(sendmail.mc) files are edited.
extends_documentation_fragment:
  - vsmtp.relay.attributes
options:
  path:
    description: The file to edit. It must exist. A name that ends in C(.mc) is m4 source.
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
  also_mc:
    description:
      - Whether to edit also the C(.mc) file beside each C(.cf) file, if there is one.
      - Then the ruleset is still there after C(sendmail.cf) was generated anew, as C(make -C /etc/mail) or an upgrade does.
    type: bool
    default: false
  window:
    description: For how many minutes after its timestamp an entry lets a client relay. With V(0) being listed is enough.
    type: int
    default: 1440
  state:
    description: Whether the ruleset is to be there. With V(absent) a file becomes what it was before, byte by byte.
    type: str
    choices: [present, absent]
    default: present
  backup:
    description: Whether to keep a copy of each file that changes.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Open the relay for half an hour after each login
  vsmtp.relay.sendmail_ruleset:
    path: /etc/mail/sendmail.cf
    window: 30
    also_mc: true
  notify: Reload sendmail
"""

RETURN = r"""
files:
  description: Each file that was looked at.
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
"""

import os
import tempfile

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.vsmtp.relay.plugins.module_utils._modules import ensure_file, finish, for_each
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay import text_file
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import MalformedError, UnreadableError
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.ruleset import Ruleset
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sendmail_configuration import (
    is_mc,
    with_ruleset,
    without_ruleset,
)


def generated(module, path, content):
    """Return the sendmail.cf that m4 makes of ``content``, as Debian's /etc/mail/Makefile calls it."""
    status, output, errors = module.run_command([module.get_bin_path("m4", required=True), "-"], data=content, binary_data=True)
    # cf.m4 reports what it does not like on the standard error output and goes on.
    if status != 0 or errors.strip():
        raise MalformedError(f"{path}: m4 rejects it, the old file is in place: {errors.strip()}")
    return output.encode("utf-8", "surrogateescape")


def check(module, path, content):
    """Have sendmail read ``content`` (bytes) as its configuration. Raises MalformedError with what it says."""
    sendmail = module.get_bin_path("sendmail", required=True, opt_dirs=["/usr/sbin", "/usr/lib"])
    if is_mc(path):
        content = generated(module, path, content)
    with tempfile.NamedTemporaryFile(suffix=".cf") as candidate:
        candidate.write(content)
        candidate.flush()
        # In address test mode sendmail reads its configuration, says what it does not like, and ends with the input.
        status, output, errors = module.run_command([sendmail, f"-C{candidate.name}", "-bt"], data="")
        if status != 0:
            faults = [line for line in (output + errors).splitlines() if candidate.name in line] or [f"exit status {status}"]
            complaint = "; ".join(faults).replace(candidate.name, os.path.basename(path))
            raise MalformedError(f"{path}: sendmail rejects it, the old file is in place: {complaint}")


def edit(module, path, ruleset, diff):
    """Bring one file to what it has to be; return what to report of it."""
    before = text_file.read(path)
    if before is None:
        raise UnreadableError(f"{path}: no such file; check the path, or generate it first")
    try:
        text = before.decode("utf-8", "surrogateescape")
        text = with_ruleset(text, ruleset, is_mc(path)) if ruleset else without_ruleset(text, is_mc(path))
    except MalformedError as error:
        raise MalformedError(f"{path}: {error}") from None
    content = text.encode("utf-8", "surrogateescape")
    result = dict(path=path, changed=content != before)
    if result["changed"]:
        check(module, path, content)
        if module.params["backup"] and not module.check_mode:
            result["backup_file"] = module.backup_local(path)
        ensure_file(path, content, text_file.attributes_of(path), module.check_mode, diff)
    return result


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
                ),
            ),
            also_mc=dict(type="bool", default=False),
            window=dict(type="int", default=1440),
            state=dict(type="str", choices=["present", "absent"], default="present"),
            backup=dict(type="bool", default=False),
        ),
        mutually_exclusive=[("path", "files")],
        required_one_of=[("path", "files")],
        supports_check_mode=True,
    )
    module.run_command_environ_update = dict(LC_ALL="C")
    parameters, diff = module.params, []

    def work(item):
        ruleset = Ruleset(item["relayers_db"], parameters["window"]) if parameters["state"] == "present" else None
        path, results = item["path"], []
        source = os.path.splitext(path)[0] + ".mc"
        # The .mc file first: make generates the .cf file anew where the .mc file is newer.
        if parameters["also_mc"] and source != path and os.path.exists(source):
            results.append(edit(module, source, ruleset, diff))
        results.append(edit(module, path, ruleset, diff))
        return results

    files = parameters["files"]
    if files is None:
        files = [dict(path=parameters["path"], relayers_db=parameters["relayers_db"])]
    results, failures = for_each(files, work)
    edited = [result for results_of_item in results for result in results_of_item]
    finish(module, any(result["changed"] for result in edited), failures, diff, files=edited)


if __name__ == "__main__":
    main()
