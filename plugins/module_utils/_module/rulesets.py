# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ruleset in many sendmail.cf and sendmail.mc files: installed, reread by the daemons, restored if one does not come up."""

from __future__ import annotations

import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from .._vsmtprelay.errors import BusyError, MalformedError, RelayError, UnreadableError
from .._vsmtprelay.files import symlinks, text_file
from .._vsmtprelay.files.owner import RightsOfOwner
from .._vsmtprelay.sendmail.cf_text import is_mc, without_ruleset
from .._vsmtprelay.sendmail.daemon import Daemon
from .._vsmtprelay.sendmail.fitting import UnusableSourceError, fitting
from .._vsmtprelay.sendmail.judge import Judge, RejectedError
from .._vsmtprelay.sendmail.reload import foresee
from .._vsmtprelay.sendmail.reload import reload as reload_daemons
from .._vsmtprelay.sendmail.ruleset import Ruleset
from .files import ensure_file
from .results import Outcome, for_each

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import Any

    from ansible.module_utils.basic import AnsibleModule

    from .._vsmtprelay.files.text_file import Attributes
    from .._vsmtprelay.sendmail.questions import Answers, Question


# The number of files that sendmail checks at a time.
THREADS = 4


class EditedRulesets(Outcome):
    """The outcome of edit_files(): its results are those of sendmail_ruleset for each file."""

    def __init__(self) -> None:
        super().__init__()
        # Paths of the files that a running daemon has reread.
        self.reloaded: list[str] = []


def edit_files(
    module: AnsibleModule,
    files: Sequence[Mapping[str, str]],
    source: str,
    window: int,
    backup: bool = False,
    reload: bool = False,
) -> EditedRulesets:
    """Insert the ruleset into ``files``, or remove it; each is a mapping of ``path``, ``relayers_db`` and ``state``.

    ``source``, ``window`` in minutes, ``backup`` and ``reload`` are as the options of sendmail_ruleset."""
    twice = [path for path, count in Counter(item["path"] for item in files).items() if count > 1]
    edited = EditedRulesets()
    if twice:
        edited.failures.append(f"named more than once: {', '.join(twice)}")
        return edited
    editor = _Editor(module, {item["path"] for item in files}, source, window, backup, module.check_mode)
    for one in editor.edit_all(files):
        for warning in one.warnings:
            module.warn(warning)
        edited.results += one.results
        edited.take(one)
    if reload:
        reread = editor.reread(edited.results)
        edited.reloaded = reread.results
        edited.take(reread)
    return edited


def faults_of(module: AnsibleModule, files: Sequence[Mapping[str, str]], source: str, window: int) -> dict[str, str]:
    """Return, by path, the reasons why edit_files() would fail; nothing is written."""
    editor = _Editor(module, {item["path"] for item in files}, source, window, backup=False, check_mode=True)
    return {item["path"]: one.failures[0] for item, one in zip(files, editor.edit_all(files)) if one.failures}


class _Edited(Outcome):
    """The outcome of one file and its source, with ``warnings`` (list of str)."""

    def __init__(self) -> None:
        super().__init__()
        self.warnings: list[str] = []


class _UnjudgedError(Exception):
    """A file is to be changed, so sendmail has to be asked."""


class _NoJudge(Judge):
    """Raises _UnjudgedError where sendmail would be asked."""

    def __init__(self) -> None:
        super().__init__(None, None)

    def accept(self, path: str, text: str) -> None:
        raise _UnjudgedError

    def answers(self, path: str, text: str, asked: Sequence[Question], addresses: Sequence[str]) -> Answers:
        raise _UnjudgedError


class _Editor:
    """Edits the files of one call of the module, one at a time."""

    def __init__(
        self, module: AnsibleModule, named: Collection[str], source: str, window: int, backup: bool, check_mode: bool
    ) -> None:
        """``named`` are the paths in the options: none of them is edited as the source of another one."""
        self._module = module
        self._check_mode = check_mode
        self._named = named
        self._source = source
        self._window = window
        self._backup = backup
        # The previous content and attributes of each file that changed.
        self._before: dict[str, tuple[bytes, Attributes]] = {}
        self._judge = Judge(module.get_bin_path("sendmail", opt_dirs=["/usr/sbin", "/usr/lib"]), module.get_bin_path("m4"))

    def edit_all(self, files: Sequence[Mapping[str, str]]) -> list[_Edited]:
        """Edit all ``files``; return the outcome of each, in the same order."""
        # Threads are for those that sendmail judges. Where nothing changes, they would only wait for each other (Python's GIL).
        outcomes = [self._left_alone(item) for item in files]
        changing = [place for place, outcome in enumerate(outcomes) if outcome is None]
        if changing:
            with ThreadPoolExecutor(THREADS) as threads:
                done = threads.map(lambda place: self._edit(files[place], self._judge), changing)
                for place, outcome in zip(changing, done):
                    outcomes[place] = outcome
        return [outcome for outcome in outcomes if outcome is not None]

    def _left_alone(self, item: Mapping[str, str]) -> _Edited | None:
        """Return the outcome if nothing is to be changed, or if the files are at fault without being judged; else None."""
        try:
            return self._edit(item, _NoJudge())
        except _UnjudgedError:
            return None

    def _edit(self, item: Mapping[str, str], judge: Judge) -> _Edited:
        """Edit the file of ``item``, and the source that it is generated from."""
        outcome = _Edited()
        try:
            absent = item["state"] == "absent"
            ruleset = None if absent else Ruleset(item["relayers_db"], self._window)
            # The .mc file first: make regenerates the .cf file if the .mc file is newer.
            for path in self._sources(item["path"], absent):
                try:
                    outcome.results.append(self._edit_file(path, ruleset, outcome.diff, judge))
                except UnusableSourceError as error:
                    if self._source == "mc":
                        raise
                    outcome.warnings.append(str(error))
            outcome.results.append(self._edit_file(item["path"], ruleset, outcome.diff, judge))
        except RelayError as error:
            outcome.failures.append(str(error))
        return outcome

    def _sources(self, path: str, absent: bool) -> list[str]:
        """Return the .mc file beside the .cf file at ``path`` if it is to be edited, in a list."""
        source = _source_of(path)
        if is_mc(path) or source in self._named or self._source == "cf":
            return []
        if os.path.exists(source):
            return [source]
        if self._source == "mc" and not absent:
            raise UnreadableError(f"{path}: there is no {source} that it could be generated from; choose source=cf, or auto")
        return []

    def _edit_file(self, path: str, ruleset: Ruleset | None, diff: list[dict[str, str]], judge: Judge) -> dict[str, Any]:
        with RightsOfOwner(path):
            symlinks.resolve(path)  # before it is read, since sendmail's errors quote the file
            before = text_file.read(path, text_file.LARGEST_CONFIGURATION)
        result: dict[str, Any] = {"path": path, "changed": False}
        if before is None:
            if ruleset is None:
                return result
            raise UnreadableError(f"{path}: no such file; check the path, or generate it first")
        try:
            text = before.decode("utf-8", "surrogateescape")
            if ruleset is None:
                after = without_ruleset(text, is_mc(path))
                if after != text:
                    _accept_removal(judge, path, text, after)
            else:
                after = fitting(judge, path, text, ruleset)
        except (BusyError, MalformedError) as error:
            raise type(error)(f"{path}: {error}") from None
        content = after.encode("utf-8", "surrogateescape")
        result["changed"] = content != before
        if result["changed"]:
            attributes = text_file.attributes_of(path)
            if attributes is None:
                raise UnreadableError(f"{path}: was removed meanwhile; run it again")
            if self._backup and not self._check_mode:
                result["backup_file"] = _keep(path, before, attributes)
            self._before[path] = before, attributes
            ensure_file(path, content, attributes, self._check_mode, diff)
        return result

    def restore(self, path: str) -> bool:
        """Restore the sendmail.cf at ``path`` and the source it is generated from; return whether it had changed."""
        for changed in (_source_of(path), path):
            if changed in self._before:
                text_file.replace(changed, *self._before[changed])
        return path in self._before

    def reread(self, results: Sequence[Mapping[str, Any]]) -> Outcome:
        """Reload the daemons of the files in ``results``; the results of the outcome are the paths that were reread."""
        there = [result for result in results if not is_mc(result["path"]) and os.path.exists(result["path"])]
        outcome = for_each([result["path"] for result in there], Daemon)
        daemons, outcome.results = outcome.results, []
        changes = {result["path"] for result in there if result["changed"]}
        if self._check_mode:
            behind = [daemon for daemon in daemons if daemon.is_behind() or (daemon.path in changes and daemon.is_claimed())]
            outcome.results, failed = foresee(behind)
        else:
            outcome.results, failed = reload_daemons([daemon for daemon in daemons if daemon.is_behind()], self.restore)
        outcome.failures += failed
        return outcome


def _accept_removal(judge: Judge, path: str, text: str, after: str) -> None:
    """Have sendmail accept ``after``, which is ``text`` without the ruleset, if it accepts ``text``.

    What sendmail rejects with the ruleset as well is no reason to keep it. Raises as accept().
    """
    try:
        judge.accept(path, after)
    except RejectedError:
        try:
            judge.accept(path, text)
        except RejectedError:
            return
        raise


def _keep(path: str, content: bytes, attributes: Attributes) -> str:
    """Write ``content``, as it was read from the file at ``path``, to a backup beside it; return the path of the backup.

    Its name is that of AnsibleModule.backup_local(), which would copy whatever its owner has put there since. Raises
    UnwritableError.
    """
    backup = f"{path}.{os.getpid()}.{time.strftime('%Y-%m-%d@%H:%M:%S~')}"
    text_file.replace(backup, content, attributes)
    return backup


def _source_of(path: str) -> str:
    return os.path.splitext(path)[0] + ".mc"
