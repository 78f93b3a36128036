# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""systemd units: ensure that they run and have read their present files, or restore the previous files."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time

from .._vsmtprelay import programs
from .._vsmtprelay.errors import RelayError
from .._vsmtprelay.files import text_file
from .results import Outcome, for_each

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from .undoable_files import UndoableFiles


DIRECTORY = "/etc/systemd/system"
PROPERTIES = "LoadState,ActiveState,UnitFileState,NeedDaemonReload,RefuseManualStop"
# While it is there, a unit that refuses to be stopped can be stopped. It does not outlive a restart of the host.
MAY_BE_STOPPED = "/run/systemd/system/{}.d/50-vsmtprelay-may-be-stopped.conf"
# In place of the digest of the files that a unit has read: it has to reload.
SOCKET_IS_NEW = "the socket that it uses is new"
# The service of a socket that has not its name.
SERVICE = re.compile(r"^Service=(\S+)$", re.MULTILINE)
READABLE = text_file.Attributes(uid=0, gid=0, mode=0o644)
# The options of one unit.
OPTIONS = {
    "name": {"type": "str", "required": True},
    "content": {"type": "str"},
    # These three are for the action on the controller.
    "template": {"type": "path"},
    "part": {"type": "str"},
    "needs": {"type": "str"},
    "reads": {"type": "list", "elements": "path", "default": []},
    "kind": {"type": "str", "choices": ["own", "host", "installed", "packaged", "triggered"]},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


class SystemctlError(RelayError):
    """systemctl failed, or a unit did not stay up."""


class _Units:
    """The units of this host during one call of a module."""

    def __init__(self, files: UndoableFiles, memory: str, of_host: Iterable[str] = ()) -> None:
        """``memory`` is the path of the file on the target with a digest of the files that each unit has read.

        ``of_host`` are the names of units that are not ours.
        """
        self._of_host = frozenset(of_host)
        self._files = files
        self._check_mode = files.check_mode
        self._memory = memory
        self._read_at_first = self._remembered()
        self._noted = dict(self._read_at_first)
        self._read = dict(self._read_at_first)
        self._installed: set[str] = set()
        # The properties of units before anything was done to them.
        self._before: dict[str, dict[str, str]] = {}
        self.actions: list[str] = []
        self._began = int(time.time())

    def install(self, item: Mapping[str, Any]) -> None:
        """Install the unit file of ``item``: a socket cannot start before its service exists. Raises RelayError."""
        kind = kind_of(item)
        if item["state"] == "present" and kind in ("own", "packaged"):
            self._before[item["name"]] = self._properties(item["name"])
        if item["state"] == "present" and kind in ("own", "triggered"):
            path = os.path.join(DIRECTORY, item["name"])
            if self._files.ensure(path, item["content"].encode(), READABLE):
                self.actions.append(f"install {item['name']}")
                self._installed.add(item["name"])

    def ensure(self, item: Mapping[str, Any]) -> None:
        """Ensure one unit. Raises RelayError."""
        absent, name = item["state"] == "absent", item["name"]
        kind = kind_of(item)
        if kind == "installed":
            self._ensure_installed(name, item["reads"])
        elif kind == "host":
            self._ensure_of_host(name, self._digest(item["reads"]), absent)
        elif absent:
            self._ensure_removed(name)
        elif kind == "triggered":
            self._ensure_loaded(name, self._properties(name))
        else:
            self._ensure_own(name, item["reads"], item["content"] or "")
        if not self._check_mode and self._read != self._noted:
            self._remember()

    def put_back(self, items: Sequence[Mapping[str, Any]]) -> None:
        """Restore the previous files of the units of ``items``, and start the units that ran. Raises RelayError."""
        own = [item["name"] for item in items if item["name"] in self._before]
        for name in reversed(own):
            # This fails if the unit was never loaded.
            with contextlib.suppress(SystemctlError), self._may_be_stopped(name):
                self._run("stop", name)
            if self._before[name]["UnitFileState"] != "enabled":
                programs.run(["systemctl", "disable", name], programs.SECONDS_TO_REPORT)
        self._files.put_back()
        self._do("daemon-reload")
        for name in own:
            # Otherwise the next start could exceed systemd's start limit.
            programs.run(["systemctl", "reset-failed", name], programs.SECONDS_TO_REPORT)
            if self._before[name]["ActiveState"] == "active":
                self._do("start", name)
        for item in items:
            name = item["name"]
            if kind_of(item) == "host" and self._read.get(name) != self._read_at_first.get(name):
                self._do("reload-or-restart", name)
        self._read = dict(self._read_at_first)
        self._remember()

    def last_words(self, name: str) -> str:
        """Return the last line that the unit's program logged since the start, else systemd's first warning, else nothing."""
        programs.run(["journalctl", "--sync"], programs.SECONDS_TO_REPORT)
        own, systemd = (
            programs.run(
                [
                    *("journalctl", "--quiet", "--no-pager", "--output=cat", f"--since=@{self._began}"),
                    *matches,
                ],
                programs.SECONDS_TO_REPORT,
            ).text.splitlines()
            for matches in ([f"_SYSTEMD_UNIT={name}"], ["--priority=warning", f"UNIT={name}"])
        )
        return next((line.strip() for line in [*reversed(own), *systemd] if line.strip()), "")

    def _ensure_of_host(self, name: str, digest: str, absent: bool) -> None:
        known = self._read.get(name)
        # Files that do not exist and that the unit never read need no reload.
        if digest != known and (digest or known):
            if self._properties(name)["ActiveState"] == "active":
                self._read[name] = digest
                self._do("try-reload-or-restart", name)
                self._check_active(name)
            self._read[name] = digest
        if absent or not digest:
            self._read.pop(name, None)

    def _ensure_installed(self, name: str, reads: Sequence[str]) -> None:
        """Restart a unit that an earlier call installed if the files that it reads changed; without it do nothing."""
        content = text_file.read(os.path.join(DIRECTORY, name))
        if content is not None:
            self._ensure_own(name, reads, content.decode("utf-8", "replace"))

    def _ensure_own(self, name: str, reads: Sequence[str], content: str) -> None:
        digest = self._digest([os.path.join(DIRECTORY, name), *reads])
        installed, before = name in self._installed, self._properties(name)
        self._ensure_loaded(name, before)
        if before["UnitFileState"] != "enabled":
            self._do("enable", name)
        if installed or before["ActiveState"] != "active" or self._read.get(name) != digest:
            # A socket cannot be reopened while its service holds it (systemd.socket(5)).
            others_service = SERVICE.search(content)
            if others_service:
                self._reopen(name, others_service.group(1))
            else:
                served = name.replace(".socket", ".service")
                if served != name:
                    self._forget_what_uses_it()
                    self._stop(served)
                with self._may_be_stopped(name):
                    self._do("restart", name)
            self._check_active(name)
        self._read[name] = digest

    def _ensure_loaded(self, name: str, before: Mapping[str, str]) -> None:
        """Have systemd read unit files that it has not read, for example after an interrupted run."""
        if before["NeedDaemonReload"] == "yes" or (name in self._installed and before["LoadState"] != "loaded"):
            self._do("daemon-reload")

    def _reopen(self, name: str, served: str) -> None:
        """Open a further socket of the service ``served``, which another socket can start at any moment.

        This socket is stopped before the service, since a connection to it would start the service again. From then on the
        service starts this socket first, so a restart could fail.
        """
        self._stop(name)
        self._stop(served)
        self._do("start", name)

    def _stop(self, name: str) -> None:
        if self._properties(name)["ActiveState"] in ("active", "activating"):
            self._do("stop", name)

    def _ensure_removed(self, name: str) -> None:
        before = self._properties(name)
        if before["ActiveState"] not in ("inactive", "failed"):
            with self._may_be_stopped(name):
                self._do("stop", name)
        if before["UnitFileState"] == "enabled":
            self._do("disable", name)
        removed = self._files.ensure_none(os.path.join(DIRECTORY, name))
        if removed:
            self.actions.append(f"remove {name}")
        if removed or (before["LoadState"] == "loaded" and before["NeedDaemonReload"] == "yes"):
            self._do("daemon-reload")
        if before["ActiveState"] == "failed":
            self._do("reset-failed", name)
        self._read.pop(name, None)

    def _forget_what_uses_it(self) -> None:
        """Have the units of the host reload that use a socket of ours, which is opened anew now, also if this run is cut off.

        A Dovecot whose connections are cut waits longer and longer before it connects again: after a dozen of them for a minute
        (2.3) or for hours (2.4.1: http_client_peer_shared_create() in lib-http knows no bound).
        """
        for name in self._of_host.intersection(self._read):
            self._read[name] = SOCKET_IS_NEW
        if not self._check_mode:
            self._remember()

    @contextlib.contextmanager
    def _may_be_stopped(self, name: str) -> Iterator[None]:
        """Let the unit be stopped in this block, though its file refuses that to people."""
        if self._check_mode or self._properties(name).get("RefuseManualStop") != "yes":
            yield
            return
        path = MAY_BE_STOPPED.format(name)
        text_file.create_directory(os.path.dirname(path))
        text_file.replace(path, b"[Unit]\nRefuseManualStop=no\n", READABLE)
        self._run("daemon-reload")
        try:
            yield
        finally:
            os.unlink(path)
            self._run("daemon-reload")

    def _check_active(self, name: str) -> None:
        if not self._check_mode and self._properties(name)["ActiveState"] not in ("active", "reloading"):
            raise SystemctlError(f"{name} did not stay up")

    def _properties(self, name: str) -> dict[str, str]:
        shown = programs.run(["systemctl", "show", "--property", PROPERTIES, "--", name], programs.SECONDS_TO_REPORT)
        if shown.status != 0:
            raise SystemctlError(f"{name}: systemctl cannot show it: {shown.complaint}")
        pairs = (line.partition("=") for line in shown.text.splitlines())
        return {name: value for name, _equals, value in pairs}

    def _do(self, *words: str) -> None:
        self.actions.append(" ".join(words))
        if not self._check_mode:
            self._run(*words)

    def _run(self, *words: str) -> None:
        done = programs.run(["systemctl", *words], programs.SECONDS_TO_START)
        if done.status != 0:
            raise SystemctlError(f"systemctl {' '.join(words)}: {done.complaint.splitlines()[0]}")

    def _digest(self, paths: Iterable[str]) -> str:
        """Return the digest of the contents of the files, or an empty string if none exists."""
        digest, found = hashlib.sha256(), False
        for path in _files_of(paths):
            content = text_file.read(path)
            if content is not None:
                found = True
                digest.update(f"{path} {len(content)}\n".encode() + content)
        return digest.hexdigest() if found else ""

    def _remembered(self) -> dict[str, str]:
        try:
            return dict(json.loads(text_file.read(self._memory) or b"{}"))
        except (TypeError, ValueError):
            return {}

    def _remember(self) -> None:
        text_file.create_directory(os.path.dirname(self._memory))
        text_file.replace(self._memory, json.dumps(self._read, indent=1, sort_keys=True).encode() + b"\n", READABLE)
        self._noted = dict(self._read)


def kind_of(item: Mapping[str, Any]) -> str:
    """Return whose the unit of ``item`` is, as the option ``kind``."""
    return str(item.get("kind") or ("host" if item["content"] is None else "own"))


def ensure_units(files: UndoableFiles, items: Sequence[Mapping[str, Any]], memory: str) -> Outcome:
    """Ensure the units of ``items``, each with the keys of OPTIONS, in this order.

    ``files`` are the files that these units read. If a unit does not start, later units stay untouched, and all
    files and units are restored. The results of the outcome are the actions, in words.
    """
    units = _Units(files, memory, [item["name"] for item in items if kind_of(item) == "host"])
    outcome = for_each(items, units.install)
    for item in items if not outcome.failures else ():
        try:
            units.ensure(item)
        except RelayError as error:
            if files.check_mode or item["state"] == "absent":
                outcome.failures.append(f"{error}; look into journalctl --unit={item['name']}")
                continue
            outcome.failures.append(_put_back(units, items, item["name"], error))
            break
    outcome.results = units.actions
    return outcome


def _put_back(units: _Units, items: Sequence[Mapping[str, Any]], name: str, error: RelayError) -> str:
    """Restore files and units after the unit ``name`` did not start; return the whole message."""
    words = units.last_words(name)
    said = f": {words}" if words else ""
    try:
        units.put_back(items)
    except RelayError as failure:
        outcome = f"restoring it failed as well: {failure}; look into journalctl --unit={name}"
    else:
        outcome = "the files and units that this run changed are restored"
    return f"{name} does not come up{said} ({error}); {outcome}"


def _files_of(paths: Iterable[str]) -> Iterator[str]:
    """Yield the paths of the files in ``paths``; a directory stands for all files below it except compiled Python."""
    for path in paths:
        if os.path.isdir(path):
            yield from files_below(path)
        else:
            yield path


def files_below(directory: str) -> list[str]:
    """Return the sorted paths of all files below ``directory``, at every depth, without compiled Python."""
    found: list[str] = []
    for top, directories, names in os.walk(directory):
        directories[:] = [name for name in directories if name != "__pycache__"]
        found += [os.path.join(top, name) for name in names]
    return sorted(found)
