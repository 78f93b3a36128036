# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files and units of a host: written if they differ, restored if a unit does not start."""

from __future__ import annotations

import hashlib
import os
import shutil
import zipfile

from .._vsmtprelay import programs
from .._vsmtprelay.errors import MalformedError, RelayError, UnwritableError
from .._vsmtprelay.files import text_file
from .._vsmtprelay.recorder import key as recorder_key
from .._vsmtprelay.recorder.proof import prove
from .._vsmtprelay.role.sections import merged
from .._vsmtprelay.sharing import access
from .results import finish, for_each
from .undoable_files import UndoableFiles
from .units import ensure_units, files_below

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from typing import Any

    from ansible.module_utils.basic import AnsibleModule


# The proof that this host can do on the engines what sharing takes: a line for each fault on standard output.
SHARE_CHECK = ("/usr/local/sbin/vsmtprelay-share", "--check")
# It ends with this if at least one engine can be used.
ATTENTION = 1


class Sent:
    """The contents that the controller sent, by digest."""

    def __init__(self, path: str | None) -> None:
        """``path`` is the path of the archive, or None."""
        self._path = path

    def content(self, digest: str) -> bytes:
        """Return the content with that digest. Raises MalformedError if it is missing or does not match."""
        try:
            with zipfile.ZipFile(self._path or "") as archive:
                content = archive.read(digest)
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise MalformedError(f"{self._path}: the controller did not send {digest}: {error}") from None
        if digest_of(content) != digest:
            raise MalformedError(f"{self._path}: {digest} is not what the controller sent")
        return content


def digest_of(content: bytes) -> str:
    """Return the SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def is_present(item: Mapping[str, Any], parameters: Mapping[str, Any]) -> bool:
    """Return whether the file should exist."""
    return bool((item["state"] or parameters["state"]) == "present")


def differs(item: Mapping[str, Any]) -> bool:
    """Return whether a file whose digest is known has to be written. Raises RelayError."""
    before = text_file.read(item["path"])
    attributes = text_file.Attributes.named(item["owner"], item["group"], item["mode"])
    return before is None or digest_of(before) != item["digest"] or text_file.attributes_of(item["path"]) != attributes


def install_file(files: UndoableFiles, item: Mapping[str, Any], sent: Sent) -> bool:
    """Ensure one file; return whether it changed."""
    if item["secret"]:
        return ensure_bare_secret(files, item["path"]) if item["bare"] else ensure_secret(files, item["path"])
    attributes = text_file.Attributes.named(item["owner"], item["group"], item["mode"])
    if item["digest"] is not None:
        if not differs(item):
            return False
        return files.check_mode or files.ensure(item["path"], sent.content(item["digest"]), attributes, shown=False)
    if item["sections"] is not None:
        return ensure_sections(files, item["path"], item["sections"], attributes, item["exact_sections"])
    if item["content"] is None:
        raise MalformedError(f"{item['path']}: no content given")

    def check(temporary: str) -> None:
        command = [temporary if word == "%s" else word for word in item["validate"] or []]
        if not command:
            return
        judged = programs.run(command, programs.SECONDS_TO_REPORT)
        if judged.status != 0:
            raise MalformedError(f"{item['path']}: {command[0]} rejects it, the old file is in place: {judged.complaint}")

    return files.ensure(item["path"], item["content"].encode(), attributes, check)


def ensure_secret(files: UndoableFiles, path: str) -> bool:
    """Ensure that there is a secret at ``path``, and all that names it; return whether something was missing.

    Raises RelayError.
    """
    text = recorder_key.due_text(path)
    return text is not None and files.ensure(path, text, recorder_key.attributes(), shown=False)


def ensure_bare_secret(files: UndoableFiles, path: str) -> bool:
    """Ensure that there is a secret at ``path``, and nothing else; return whether it was missing. Raises RelayError."""
    if text_file.attributes_of(path) is None:
        return files.ensure(path, access.new_text(), access.attributes(), shown=False)
    secret = access.load_secret(path)
    return files.ensure(path, f"{secret}\n".encode(), access.attributes(), shown=False)


def ensure_sections(
    files: UndoableFiles, path: str, sections: Mapping[str, str | None], attributes: text_file.Attributes, exact: bool
) -> bool:
    """Ensure the sections of a file by name, as merged() does; return whether something changed."""
    before = text_file.read(path)
    after = merged((before or b"").decode("utf-8", "replace"), sections, exact)
    if before is None and not after:
        return False
    return files.ensure(path, after.encode(), attributes)


def proof_of_sharing() -> dict[str, list[str]]:
    """Return why this host cannot share its logins through the engines, one line each: ``faults``.

    If another engine can be used, they are ``others``: sharing goes on without one of several engines.
    """
    try:
        checked = programs.run(SHARE_CHECK, programs.SECONDS_TO_REPORT)
    except RelayError as error:
        return {"faults": [str(error)], "others": []}
    lines = checked.text.splitlines()
    if checked.status == ATTENTION and lines:
        return {"faults": [], "others": lines}
    if checked.status != 0:
        return {"faults": lines or [f"{SHARE_CHECK[0]}: {checked.complaint.splitlines()[-1]}"], "others": []}
    return {"faults": [], "others": []}


def surplus_files(directories: Iterable[str], named: Collection[str]) -> list[dict[str, Any]]:
    """Return an item with the state absent for each file below ``directories`` whose path is not in ``named``."""
    paths = [path for directory in directories for path in files_below(directory)]
    return [{"path": path, "state": "absent", "digest": ""} for path in paths if path not in named]


def remove_empty_directories(directories: Iterable[str], check_mode: bool) -> None:
    """Remove the directories below ``directories`` that hold nothing but compiled Python."""
    for directory in directories if not check_mode else ():
        for top, _directories, _names in sorted(os.walk(directory), reverse=True):
            if top != directory and os.path.basename(top) != "__pycache__" and not files_below(top):
                shutil.rmtree(top, ignore_errors=True)


def remove_directory(path: str) -> None:
    """Remove a directory with all its content; of a symbolic link, the link alone. Raises UnwritableError."""
    try:
        if os.path.islink(path):
            os.unlink(path)
        else:
            shutil.rmtree(path)
    except OSError as error:
        raise UnwritableError(f"{path}: cannot be removed: {error}; check the directory above it") from None


def diff_of_sent(changes: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return the diff of files whose content is not shown: their names."""
    if not changes:
        return []
    before, after = (
        "".join(f"{change['path']}\n" for change in changes if change["present"] == present) for present in (False, True)
    )
    return [{"before_header": "files that go", "after_header": "files that come or change", "before": before, "after": after}]


def run(module: AnsibleModule) -> None:
    """Run ``module`` with its options, and exit."""
    parameters = module.params
    files, sent = UndoableFiles(module.check_mode), Sent(parameters["bundle"])
    actions: list[str] = []
    if parameters["bundle"] is None and not module.check_mode:
        here = for_each(
            [item for item in parameters["files"] if item["digest"] and is_present(item, parameters)],
            lambda item: item["digest"] if differs(item) else "",
        ).results
        wanted = sorted({digest for digest in here if digest})
        if wanted:
            module.exit_json(changed=False, changed_files=[], actions=[], wanted=wanted)

    def work(item: Mapping[str, Any]) -> dict[str, Any]:
        if is_present(item, parameters):
            changed = install_file(files, item, sent)
        else:
            changed = files.ensure_none(item["path"], shown=item["digest"] is None)
        return (
            {"path": item["path"], "shown": item["digest"] is None, "present": is_present(item, parameters)} if changed else {}
        )

    surplus = surplus_files(parameters["exact_directories"], {item["path"] for item in parameters["files"]})
    outcome = for_each([*parameters["files"], *surplus], work)
    changes = [result for result in outcome.results if result]
    changed_files = [change["path"] for change in changes]
    remove_empty_directories(parameters["exact_directories"], module.check_mode)
    surplus_directories = [path for path in parameters["remove_directories"] if os.path.isdir(path) or os.path.islink(path)]
    written_by_units = [path for path in parameters["remove_files"] if os.path.lexists(path)]
    changed_files += [*surplus_directories, *written_by_units]
    if not outcome.failures and parameters["units"]:
        try:
            units = ensure_units(files, parameters["units"], parameters["memory"])
        except RelayError as error:
            outcome.failures.append(str(error))
        else:
            actions = units.results
            outcome.take(units)
    # After the units that use them. The state of a unit without a user of its own is found by a link (systemd.exec(5)).
    if not outcome.failures and not module.check_mode:
        outcome.failures += for_each(surplus_directories, remove_directory).failures
        outcome.failures += for_each(written_by_units, text_file.remove).failures
    outcome.diff = diff_of_sent([change for change in changes if not change["shown"]]) + files.diff
    proof: dict[str, Any] = {}
    if parameters["proof"] and not module.check_mode and not outcome.failures:
        proof["proof"] = prove()._asdict()
    if parameters["share_proof"] and not module.check_mode and not outcome.failures:
        proof["share_proof"] = proof_of_sharing()
    finish(module, bool(changed_files or actions), outcome, changed_files=changed_files, actions=actions, **proof)
