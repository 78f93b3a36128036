#!/usr/bin/python
# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_files
short_description: Install or remove many small files at once
version_added: 0.1.0
description:
  - Makes sure of the content, the owner and the mode of a list of files, in one task and one connection.
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
        description: The whole text. Required if the file is to be there.
        type: str
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
  exact_directories:
    description: Directories in which no other files are to be than those that O(files) names. What an older version had more is removed.
    type: list
    elements: path
    default: []
  remove_directories:
    description: Directories to be removed with all that is in them.
    type: list
    elements: path
    default: []
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
"""

RETURN = r"""
changed_files:
  description: The paths that changed, or in check mode would change.
  returned: always
  type: list
  elements: str
  sample: [/etc/vsmtprelay/note]
"""

import os
import shutil

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.vsmtp.relay.plugins.module_utils._modules import (
    ensure_file,
    ensure_no_file,
    finish,
    for_each,
)
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay import text_file
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import MalformedError


def install_file(module, item, diff):
    """Make sure of one file; return whether it had to change."""
    if item["content"] is None:
        raise MalformedError(f"{item['path']}: no content given")

    def check(temporary):
        command = [temporary if word == "%s" else word for word in item["validate"] or []]
        status, output, errors = module.run_command(command) if command else (0, "", "")
        if status != 0:
            complaint = (errors or output).strip() or f"exit status {status}"
            raise MalformedError(f"{item['path']}: {command[0]} rejects it, the old file is in place: {complaint}")

    attributes = text_file.Attributes.named(item["owner"], item["group"], item["mode"])
    return ensure_file(item["path"], item["content"].encode(), attributes, module.check_mode, diff, check)


def surplus_files(directories, named):
    """Return an item with the state absent for each file in ``directories`` whose path is not in ``named``."""
    paths = [
        os.path.join(directory, name) for directory in directories if os.path.isdir(directory) for name in os.listdir(directory)
    ]
    return [dict(path=path, state="absent") for path in sorted(paths) if path not in named and os.path.isfile(path)]


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
                    mode=dict(type="str", default="0644"),
                    owner=dict(type="str", default="root"),
                    group=dict(type="str", default="root"),
                    validate=dict(type="list", elements="str"),
                    state=dict(type="str", choices=["present", "absent"]),
                ),
            ),
            state=dict(type="str", choices=["present", "absent"], default="present"),
            exact_directories=dict(type="list", elements="path", default=[]),
            remove_directories=dict(type="list", elements="path", default=[]),
        ),
        supports_check_mode=True,
    )
    parameters, diff = module.params, []

    def work(item):
        if (item["state"] or parameters["state"]) == "absent":
            changed = ensure_no_file(item["path"], module.check_mode, diff)
        else:
            changed = install_file(module, item, diff)
        return [item["path"]] if changed else []

    surplus = surplus_files(parameters["exact_directories"], {item["path"] for item in parameters["files"]})
    results, failures = for_each([*parameters["files"], *surplus], work)
    changed_files = [path for result in results for path in result]
    for directory in parameters["remove_directories"]:
        if os.path.isdir(directory):
            changed_files.append(directory)
            if not module.check_mode:
                try:
                    shutil.rmtree(directory)
                except OSError as error:
                    failures.append(f"{directory}: cannot be removed: {error}")
    finish(module, bool(changed_files), failures, diff, changed_files=changed_files)


if __name__ == "__main__":
    main()
