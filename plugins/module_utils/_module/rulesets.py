# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ruleset in many sendmail.cf and sendmail.mc files: put in, reread by the daemons, taken back where one does not come up.

Private to the collection.
"""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from .._vsmtprelay.errors import BusyError, MalformedError, RelayError, UnreadableError
from .._vsmtprelay.files import symlinks, text_file
from .._vsmtprelay.sendmail.cf_text import is_mc, without_ruleset
from .._vsmtprelay.sendmail.daemon import Daemon, reload
from .._vsmtprelay.sendmail.judge import Judge, fitting
from .._vsmtprelay.sendmail.ruleset import Ruleset
from .files import ensure_file
from .results import for_each

# sendmail is asked about so many files at a time.
THREADS = 4


def edit_files(module, files, source, window, backup=False, reload=False):
    """Put the ruleset into ``files``, or take it out: a mapping of ``path``, ``relayers_db`` and ``state`` for each.

    ``source``, ``window`` in minutes, ``backup`` and ``reload`` are as the options of sendmail_ruleset. Returns what that
    module returns, messages for what failed, and the differences.
    """
    twice = [path for path, count in Counter(item["path"] for item in files).items() if count > 1]
    if twice:
        module.fail_json(msg=f"named more than once: {', '.join(twice)}")
    editor = _Editor(module, {item["path"] for item in files}, source, window, backup, module.check_mode)
    with ThreadPoolExecutor(THREADS) as threads:
        done = list(threads.map(editor.edit, files))
    edited = [result for results, _diff, _failures in done for result in results]
    diff = [difference for _results, differences, _failures in done for difference in differences]
    failures = [failure for _results, _diff, failures in done for failure in failures]
    reloaded, unreloaded = editor.reload(edited) if reload else ([], [])
    return {"files": edited, "reloaded": reloaded}, failures + unreloaded, diff


def faults_of(module, files, source, window):
    """Return by path why files would not become what edit_files() makes of them; nothing is written."""
    editor = _Editor(module, {item["path"] for item in files}, source, window, backup=False, check_mode=True)
    with ThreadPoolExecutor(THREADS) as threads:
        done = list(threads.map(editor.edit, files))
    return {item["path"]: failures[0] for item, (_results, _diff, failures) in zip(files, done) if failures}


class _Editor:
    """Brings one file after the other to what it has to be; the same for all files of one call of the module."""

    def __init__(self, module, named, source, window, backup, check_mode):
        """``named`` are the paths that the user named: none of them is edited as the source of another one."""
        self._module = module
        self._check_mode = check_mode
        self._named = named
        self._source = source
        self._window = window
        self._backup = backup
        # What each file that changed was before: its content and its attributes.
        self._before = {}
        self._judge = Judge(module.get_bin_path("sendmail", opt_dirs=["/usr/sbin", "/usr/lib"]), module.get_bin_path("m4"))

    def edit(self, item):
        """Edit the file of ``item``, and the source that it is generated from; return results, differences and messages."""
        results, diff = [], []
        try:
            absent = item["state"] == "absent"
            ruleset = None if absent else Ruleset(item["relayers_db"], self._window)
            # The .mc file first: make generates the .cf file anew where the .mc file is newer.
            for path in [*self._sources(item["path"], absent), item["path"]]:
                results.append(self._edit_file(path, ruleset, diff))
        except RelayError as error:
            return results, diff, [str(error)]
        return results, diff, []

    def _sources(self, path, absent):
        """Return the .mc file beside the .cf file at ``path`` if it is to be edited, in a list."""
        source = _source_of(path)
        if is_mc(path) or source in self._named or self._source == "cf":
            return []
        if os.path.exists(source):
            return [source]
        if self._source == "mc" and not absent:
            raise UnreadableError(f"{path}: there is no {source} that it could be generated from; choose source=cf, or auto")
        return []

    def _edit_file(self, path, ruleset, diff):
        symlinks.resolve(path)  # before it is read: what sendmail says against a file quotes it
        before = text_file.read(path)
        result = {"path": path, "changed": False}
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
        except (BusyError, MalformedError) as error:
            raise type(error)(f"{path}: {error}") from None
        content = after.encode("utf-8", "surrogateescape")
        result["changed"] = content != before
        if result["changed"]:
            if self._backup and not self._check_mode:
                result["backup_file"] = self._module.backup_local(path)
            self._before[path] = before, text_file.attributes_of(path)
            ensure_file(path, content, self._before[path][1], self._check_mode, diff)
        return result

    def restore(self, path):
        """Give the sendmail.cf at ``path``, and what it is generated from, their old content; tell whether it had changed."""
        for changed in (_source_of(path), path):
            if changed in self._before:
                text_file.replace(changed, *self._before[changed])
        return path in self._before

    def reload(self, results):
        """Have the daemons of the files in ``results`` reread them; return which did, and messages for those that failed."""
        there = [result for result in results if not is_mc(result["path"]) and os.path.exists(result["path"])]
        daemons, failures = for_each([result["path"] for result in there], Daemon)
        changes = {result["path"] for result in there if result["changed"]}
        if self._check_mode:
            behind = [daemon for daemon in daemons if daemon.is_behind() or (daemon.path in changes and daemon.process_id())]
            return [daemon.path for daemon in behind], failures
        reloaded, failed = reload([daemon for daemon in daemons if daemon.is_behind()], self.restore)
        return reloaded, failures + failed


def _source_of(path):
    return os.path.splitext(path)[0] + ".mc"
