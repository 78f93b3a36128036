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
  - The ruleset is reached from C(check_rcpt), stock or written by hand. It allows what would be refused without it. The other rules stay as they are.
  - Where C(check_rcpt) is missing, or refuses nobody, the ruleset also refuses to relay for clients that are not listed.
  - A new file is checked by sendmail itself, a C(sendmail.mc) after m4, before it takes the place of the old one. sendmail has to read it and
    to refuse a stranger.
  - A file that fails is named, and the others are still done.
  - The running sendmail has to be told to reread its configuration, by O(reload) or M(vsmtp.relay.sendmail_reload).
author:
  - The vsmtp.relay authors (@vsmtp)
requirements:
  - sendmail on the target, compiled with Berkeley DB; m4 where C(sendmail.mc) files are edited.
extends_documentation_fragment:
  - vsmtp.relay.attributes
options:
  path:
    description: The file to edit. It must exist, unless O(state=absent). A name that ends in C(.mc) is m4 source.
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
      state:
        description: Whether the ruleset is to be in this file. By default as O(state) says.
        type: str
        choices: [present, absent]
  source:
    description:
      - Whether a C(sendmail.cf) is generated from a C(sendmail.mc) beside it, which then gets the ruleset too. So it is still there after
        the C(sendmail.cf) was generated anew, as C(make -C /etc/mail), C(sendmailconfig) or an upgrade does.
      - V(cf) edits only the file that is named, V(auto) also the C(.mc) file beside it if there is one, V(mc) demands that there is one.
    type: str
    choices: [auto, mc, cf]
    default: cf
  window:
    description: For how many minutes after its timestamp an entry lets a client relay. With V(0) being listed is enough.
    type: int
    default: 1440
  state:
    description: Whether the ruleset is to be there. With V(absent) a file becomes what it was before, byte by byte.
    type: str
    choices: [present, absent]
    default: present
  reload:
    description:
      - Whether the running daemons of the files are to reread them, if they have not read them as they are. Open SMTP sessions go on.
      - If a daemon does not come back, its file gets its old content, the daemon is started with that, and the module fails in the end.
    type: bool
    default: false
  backup:
    description: Whether to keep a copy of each file that changes.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Open the relay for half an hour after each login
  vsmtp.relay.sendmail_ruleset:
    path: /etc/mail/sendmail.cf
    source: auto
    window: 30
    reload: true
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
reloaded:
  description: The files that a running daemon has reread, or in check mode would reread. Nothing without O(reload=true).
  returned: always
  type: list
  elements: str
  sample: [/etc/mail/sendmail.cf]
"""

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.vsmtp.relay.plugins.module_utils._modules import ensure_file, finish, for_each
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay import text_file
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import (
    MalformedError,
    RelayError,
    UnreadableError,
)
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.ruleset import Ruleset
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sendmail_configuration import (
    is_mc,
    without_ruleset,
)
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sendmail_daemon import Daemon, reload
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sendmail_judge import Judge, fitting

# sendmail is asked about so many files at a time.
THREADS = 4


class Editor:
    """Brings one file after the other to what it has to be; the same for all files of one call of the module."""

    def __init__(self, module, named):
        """``named`` are the paths that the user named: none of them is edited as the source of another one."""
        self._module = module
        self._named = named
        # What each file that changed was before: its content and its attributes; and with which .mc file it goes.
        self._before = {}
        self._judge = Judge(module.get_bin_path("sendmail", opt_dirs=["/usr/sbin", "/usr/lib"]), module.get_bin_path("m4"))

    def edit(self, item):
        """Edit the file of ``item``, and the source that it is generated from; return results, differences and messages."""
        results, diff = [], []
        try:
            absent = (item["state"] or self._module.params["state"]) == "absent"
            ruleset = None if absent else Ruleset(item["relayers_db"], self._module.params["window"])
            # The .mc file first: make generates the .cf file anew where the .mc file is newer.
            for path in [*self._sources(item["path"], absent), item["path"]]:
                results.append(self._edit_file(path, ruleset, diff))
        except RelayError as error:
            return results, diff, [str(error)]
        return results, diff, []

    def _sources(self, path, absent):
        """Return the .mc file beside the .cf file at ``path`` if it is to be edited, in a list."""
        source, choice = _source_of(path), self._module.params["source"]
        if is_mc(path) or source in self._named or choice == "cf":
            return []
        if os.path.exists(source):
            return [source]
        if choice == "mc" and not absent:
            raise UnreadableError(f"{path}: there is no {source} that it could be generated from; choose source=cf, or auto")
        return []

    def _edit_file(self, path, ruleset, diff):
        before = text_file.read(path)
        result = dict(path=path, changed=False)
        if before is None:
            if ruleset is None:
                return result
            raise UnreadableError(f"{path}: no such file; check the path, or generate it first")
        try:
            text = before.decode("utf-8", "surrogateescape")
            if ruleset is None:
                after = without_ruleset(text, is_mc(path))
                if after != text:
                    self._judge.check(path, after)
            else:
                after = fitting(self._judge, path, text, ruleset)
        except MalformedError as error:
            raise MalformedError(f"{path}: {error}") from None
        content = after.encode("utf-8", "surrogateescape")
        result["changed"] = content != before
        if result["changed"]:
            if self._module.params["backup"] and not self._module.check_mode:
                result["backup_file"] = self._module.backup_local(path)
            self._before[path] = before, text_file.attributes_of(path)
            ensure_file(path, content, self._before[path][1], self._module.check_mode, diff)
        return result

    def restore(self, path):
        """Give the sendmail.cf at ``path``, and the source that it is generated from, what they had before; tell whether it changed."""
        for changed in (_source_of(path), path):
            if changed in self._before:
                text_file.replace(changed, *self._before[changed])
        return path in self._before

    def reload(self, results):
        """Have the daemons of the files in ``results`` reread them; return which did, and messages for those that failed."""
        there = [result for result in results if not is_mc(result["path"]) and os.path.exists(result["path"])]
        daemons, failures = for_each([result["path"] for result in there], Daemon)
        changes = {result["path"] for result in there if result["changed"]}
        if self._module.check_mode:
            behind = [daemon for daemon in daemons if daemon.is_behind() or (daemon.path in changes and daemon.process_id())]
            return [daemon.path for daemon in behind], failures
        reloaded, failed = reload([daemon for daemon in daemons if daemon.is_behind()], self.restore)
        return reloaded, failures + failed


def _source_of(path):
    return os.path.splitext(path)[0] + ".mc"


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
                    state=dict(type="str", choices=["present", "absent"]),
                ),
            ),
            source=dict(type="str", choices=["auto", "mc", "cf"], default="cf"),
            window=dict(type="int", default=1440),
            state=dict(type="str", choices=["present", "absent"], default="present"),
            reload=dict(type="bool", default=False),
            backup=dict(type="bool", default=False),
        ),
        mutually_exclusive=[("path", "files")],
        required_one_of=[("path", "files")],
        supports_check_mode=True,
    )
    parameters = module.params
    files = parameters["files"]
    if files is None:
        files = [dict(path=parameters["path"], relayers_db=parameters["relayers_db"], state=None)]
    twice = [path for path, count in Counter(item["path"] for item in files).items() if count > 1]
    if twice:
        module.fail_json(msg=f"named more than once: {', '.join(twice)}")
    editor = Editor(module, {item["path"] for item in files})
    with ThreadPoolExecutor(THREADS) as threads:
        done = list(threads.map(editor.edit, files))
    edited = [result for results, _diff, _failures in done for result in results]
    diff = [difference for _results, differences, _failures in done for difference in differences]
    failures = [failure for _results, _diff, failures in done for failure in failures]
    reloaded, unreloaded = editor.reload(edited) if parameters["reload"] else ([], [])
    changed = bool(reloaded) or any(result["changed"] for result in edited)
    finish(module, changed, failures + unreloaded, diff, files=edited, reloaded=reloaded)


if __name__ == "__main__":
    main()
