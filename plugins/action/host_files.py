# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action of host_files: sends the content of files from the controller, in one archive, and only if something differs.

If nothing differs, it takes one round trip, with a digest for each file. People read arguments and
differences, so neither contains the content of the files.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import lookup_loader

from ansible_collections.vsmtp.relay.plugins.module_utils._module.units import files_below
from ansible_collections.vsmtp.relay.plugins.plugin_utils.host_items import chosen, in_order


class _Variables(dict):
    """Variables for the template lookup. It adds to a deep copy of them, which takes long for a thousand virtual servers."""

    def __deepcopy__(self, memo):
        return dict(self)


class ActionModule(ActionBase):
    """Install files."""

    TRANSFERS_FILES = True

    def run(self, tmp=None, task_vars=None):
        """Run the module, and run it again with the archive if it asks for one."""
        result = super().run(tmp, task_vars)
        arguments, contents = dict(self._task.args), {}
        parts, used = arguments.pop("parts", None), arguments.pop("used", None)
        try:
            if isinstance(arguments.get("files"), list):
                files = [self._rendered(item, task_vars) for item in chosen(arguments["files"], parts, used)]
                arguments["files"] = [each for item in files for each in self._described(item, contents)]
            if isinstance(arguments.get("units"), list):
                units = in_order(chosen(arguments["units"], parts, used))
                arguments["units"] = [self._rendered(item, task_vars) for item in units]
        except (OSError, AnsibleError) as error:
            raise AnsibleActionFail(str(error)) from None
        done = self._execute_module(module_args=arguments, task_vars=task_vars)
        wanted = done.pop("wanted", [])
        if wanted:
            arguments["bundle"] = self._sent({digest: contents[digest] for digest in wanted})
            done = self._execute_module(module_args=arguments, task_vars=task_vars)
        return {**result, **done}

    def _rendered(self, item, task_vars):
        """Return a file or unit with the text of its template, unless it is absent. Raises AnsibleError."""
        if not isinstance(item, dict) or not item.get("template"):
            return item
        item = dict(item)
        template = item.pop("template")
        if item.get("state") == "absent" or self._task.args.get("state") == "absent":
            return {**item, "content": ""}
        lookup = lookup_loader.get("ansible.builtin.template", loader=self._loader, templar=self._templar)
        variables = _Variables({**task_vars, "ansible_search_path": self._task.get_search_path()})
        return {**item, "content": lookup.run([template], variables)[0]}

    def _described(self, item, contents):
        """Yield a file as the module takes it, with the digest of its source; add the content to ``contents``."""
        if not isinstance(item, dict) or not item.get("source"):
            yield item
            return
        item = dict(item)
        try:
            found = self._find_needle("files", item.pop("source"))
            below = [path for path in files_below(found) if path.endswith(".py")] if os.path.isdir(found) else [found]
            for path in below:
                with open(path, "rb") as file:
                    content = file.read()
                digest = hashlib.sha256(content).hexdigest()
                contents[digest] = content
                name = os.path.relpath(path, found)
                yield {**item, "digest": digest, "path": item["path"] if name == "." else os.path.join(item["path"], name)}
        except (OSError, AnsibleError) as error:
            raise AnsibleActionFail(f"{item.get('path')}: its source cannot be read: {error}") from None

    def _sent(self, contents):
        """Put an archive of ``contents`` on the target; return its path there."""
        if not self._connection._shell.tmpdir:
            self._make_tmp_path()
        directory = self._connection._shell.tmpdir
        remote = self._connection._shell.join_path(directory, "files.zip")
        with tempfile.NamedTemporaryFile(prefix="vsmtp-relay-") as local:
            with zipfile.ZipFile(local, "w", zipfile.ZIP_DEFLATED) as archive:
                for digest, content in sorted(contents.items()):
                    archive.writestr(zipfile.ZipInfo(digest), content, zipfile.ZIP_DEFLATED)
            local.flush()
            self._transfer_file(local.name, remote)
        self._fixup_perms2((directory, remote))
        return remote
