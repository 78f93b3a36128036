#!/usr/bin/python
# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_packages
short_description: Remember which packages came to a host, and take them away again
version_added: 0.1.0
description:
  - Looks at the packages of a Debian host before and after others were installed, and remembers the difference, with all that came along.
  - Takes away later just what it remembers. What another package needs by then stays.
  - An installation that was cut off is finished first, and counts from where it began.
author:
  - The vsmtp.relay authors (@vsmtp)
requirements:
  - dpkg on the target.
extends_documentation_fragment:
  - vsmtp.relay.attributes
attributes:
  diff_mode:
    support: none
options:
  state:
    description:
      - V(before) notes which packages there are, unless that was done and V(after) was not reached since. What C(dpkg) was cut off in is
        finished then; while another C(dpkg) is at work, that is waited for.
      - V(after) remembers what came since then.
      - V(absent) removes with their configuration the packages that are remembered, and those of an installation that was cut off.
    type: str
    choices: [before, after, absent]
    required: true
  names:
    description:
      - The packages that are installed on purpose. Of all others that came meanwhile, those that an administrator asked for are none of ours.
    type: list
    elements: str
    default: []
  keep:
    description: Packages that V(absent) leaves in place, for something else can have come to rely on them without saying so.
    type: list
    elements: str
    default: []
  memory:
    description: The file on the target that remembers them. Between V(before) and V(after) another one, with C(.before) behind its name, is there.
    type: path
    default: /var/lib/vsmtprelay/packages
"""

EXAMPLES = r"""
- name: Note which packages there are
  vsmtp.relay.host_packages:
    state: before

- name: Install what is needed
  ansible.builtin.apt:
    name: python3-bsddb3

- name: Remember what came with it
  vsmtp.relay.host_packages:
    state: after
    names: [python3-bsddb3]
"""

RETURN = r"""
packages:
  description: The packages that are remembered; with O(state=absent) those that were removed, or in check mode would be.
  returned: always
  type: list
  elements: str
  sample: [python3-bsddb3]
"""

import os
import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.vsmtp.relay.plugins.module_utils._module.files import ensure_file, ensure_no_file
from ansible_collections.vsmtp.relay.plugins.module_utils._module.results import finish
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay import programs
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import RelayError, UnreadableError
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.files import text_file

# What was cut off on the controller can still be at work on the host.
LOCK_SECONDS = 120
UPDATES = "/var/lib/dpkg/updates"


def dpkg(*words):
    """Run dpkg, as soon as no other one is at work; return what became of it."""
    end = time.monotonic() + LOCK_SECONDS
    while True:
        # It has no terminal to ask questions at; debconf is told so (debconf(7)).
        done = programs.run(["env", "DEBIAN_FRONTEND=noninteractive", "dpkg", *words], programs.SECONDS_TO_INSTALL)
        if done.status == 0 or b"locked by another process" not in done.errors or time.monotonic() > end:
            return done
        time.sleep(1)


def output_of(*command):
    """Return what a command tells. Raises UnreadableError if it fails."""
    told = programs.run(command, programs.SECONDS_TO_TELL)
    if told.status != 0:
        raise UnreadableError(f"{' '.join(command)}: {told.complaint}")
    return told.text


def finish_what_was_cut_off(module):
    """Configure the packages that dpkg has unpacked only: until then apt-get refuses to work; return whether there were any."""
    if not (os.listdir(UPDATES) or programs.run(["dpkg", "--audit"], programs.SECONDS_TO_TELL).output.strip()):
        return False
    if not module.check_mode:
        done = dpkg("--force-confold", "--configure", "--pending")
        if done.status != 0:
            module.fail_json(msg=f"dpkg was cut off, and cannot finish: {done.complaint}; run dpkg --configure --pending")
    return True


def ours(module, before):
    """Return which packages came since those of ``before``, but for what an administrator asked for meanwhile."""
    automatic = output_of("apt-mark", "showauto").split()
    return set(installed()).difference(before).intersection([*automatic, *module.params["names"]])


def installed():
    """Return the names of all packages that are installed, or in the middle of it."""
    lines = output_of("dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n").splitlines()
    return sorted({line.split()[0] for line in lines if line.split()[1] not in ("not-installed", "config-files")})


def remembered(path):
    """Return the names of packages in the file at ``path``, or None if there is none."""
    content = text_file.read(path)
    return None if content is None else content.decode("utf-8", "replace").split()


def remember(module, path, names):
    """Write the names down, if that is news; return whether it is."""
    text = "".join(f"{name}\n" for name in sorted(names))
    return ensure_file(path, text.encode(), text_file.Attributes(uid=0, gid=0, mode=0o644), module.check_mode, [])


def remove(module, names):
    """Purge those of ``names`` that nothing else needs; return which."""
    before = set(installed())
    present = [name for name in names if name in before and name not in module.params["keep"]]
    if module.check_mode or not present:
        return present
    # dpkg, not apt-get: it never takes other packages along, and goes on with the rest where one is still needed.
    dpkg("--purge", *present)
    after = set(installed())
    kept = [name for name in present if name in after]
    if kept:
        module.warn(f"these packages stay, for others need them: {', '.join(kept)}")
    return [name for name in present if name not in after]


def main():
    module = AnsibleModule(
        argument_spec=dict(
            state=dict(type="str", choices=["before", "after", "absent"], required=True),
            names=dict(type="list", elements="str", default=[]),
            keep=dict(type="list", elements="str", default=[]),
            memory=dict(type="path", default="/var/lib/vsmtprelay/packages"),
        ),
        supports_check_mode=True,
    )
    state, path = module.params["state"], module.params["memory"]
    path_before = path + ".before"
    try:
        packages, before, changed = remembered(path) or [], remembered(path_before), False
        if state == "before":
            changed = finish_what_was_cut_off(module)
            if before is None:
                changed |= remember(module, path_before, installed())
        elif state == "after" and before is not None:
            packages = sorted(ours(module, before).union(packages))
            changed = remember(module, path, packages)
            changed |= ensure_no_file(path_before, module.check_mode, [])
        elif state == "absent":
            finished = before is not None and finish_what_was_cut_off(module)
            packages = remove(module, packages if before is None else sorted(ours(module, before).union(packages)))
            changed = finished or bool(packages)
            changed |= ensure_no_file(path, module.check_mode, [])
            changed |= ensure_no_file(path_before, module.check_mode, [])
    except RelayError as error:
        module.fail_json(msg=str(error))
    finish(module, changed, [], packages=packages)


if __name__ == "__main__":
    main()
