# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""systemd units that run and have read their files. Private to the collection."""

from __future__ import annotations

import hashlib
import json
import os

from ._modules import ensure_file, ensure_no_file, for_each
from ._vsmtprelay import programs, text_file
from ._vsmtprelay.errors import RelayError

DIRECTORY = "/etc/systemd/system"
PROPERTIES = "LoadState,ActiveState,UnitFileState,NeedDaemonReload"
READABLE = text_file.Attributes(uid=0, gid=0, mode=0o644)
# Of one unit, as the modules take it.
OPTIONS = {
    "name": {"type": "str", "required": True},
    "content": {"type": "str"},
    "reads": {"type": "list", "elements": "path", "default": []},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


class SystemctlError(RelayError):
    """A unit did not do what it was told."""


class _Units:
    """The units of this host, as one call of a module finds and leaves them."""

    def __init__(self, module, memory):
        """``memory`` is the path of the file on the target that tells what each unit has read."""
        self._module = module
        self._memory = memory
        self._read_before = self._remembered()
        self.read = dict(self._read_before)
        self._installed = set()
        self.actions = []
        self.diff = []

    def install(self, item):
        """Put the file of a unit of one's own there: a socket cannot start before there is its service. Raises RelayError."""
        if item["content"] is not None and item["state"] == "present":
            path = os.path.join(DIRECTORY, item["name"])
            if ensure_file(path, item["content"].encode(), READABLE, self._module.check_mode, self.diff):
                self.actions.append(f"install {item['name']}")
                self._installed.add(item["name"])

    def ensure(self, item):
        """Bring one unit to what it has to be. Raises RelayError."""
        absent, name = item["state"] == "absent", item["name"]
        if item["content"] is None:
            self._ensure_of_host(name, self._digest(item["reads"]), absent)
        elif absent:
            self._ensure_removed(name)
        else:
            self._ensure_own(name, self._digest([os.path.join(DIRECTORY, name), *item["reads"]]))
        if not self._module.check_mode and self.read != self._read_before:
            self._remember()

    def _ensure_of_host(self, name, digest, absent):
        known = self.read.get(name)
        # Files that are not there, and of which it was never told, need no reload.
        if digest != known and (digest or known):
            if self._properties(name)["ActiveState"] == "active":
                self._do("try-reload-or-restart", name)
            self.read[name] = digest
        if absent or not digest:
            self.read.pop(name, None)

    def _ensure_own(self, name, digest):
        installed, before = name in self._installed, self._properties(name)
        # Unit files that systemd has not read, be it because a run was cut off.
        if before["NeedDaemonReload"] == "yes" or (installed and before["LoadState"] != "loaded"):
            self._do("daemon-reload")
        if before["UnitFileState"] != "enabled":
            self._do("enable", name)
        if installed or before["ActiveState"] != "active" or self.read.get(name) != digest:
            # A socket cannot be opened anew while the service that it starts has it (systemd.socket(5)).
            served = name.replace(".socket", ".service")
            if served != name and self._properties(served)["ActiveState"] in ("active", "activating"):
                self._do("stop", served)
            self._do("restart", name)
        self.read[name] = digest

    def _ensure_removed(self, name):
        before = self._properties(name)
        if before["ActiveState"] not in ("inactive", "failed"):
            self._do("stop", name)
        if before["UnitFileState"] == "enabled":
            self._do("disable", name)
        removed = ensure_no_file(os.path.join(DIRECTORY, name), self._module.check_mode, self.diff)
        if removed:
            self.actions.append(f"remove {name}")
        if removed or (before["LoadState"] == "loaded" and before["NeedDaemonReload"] == "yes"):
            self._do("daemon-reload")
        if before["ActiveState"] == "failed":
            self._do("reset-failed", name)
        self.read.pop(name, None)

    def _properties(self, name):
        shown = programs.run(["systemctl", "show", "--property", PROPERTIES, "--", name], programs.SECONDS_TO_TELL)
        if shown.status != 0:
            raise SystemctlError(f"{name}: systemctl cannot show it: {shown.complaint}")
        return dict(line.partition("=")[::2] for line in shown.text.splitlines())

    def _do(self, *words):
        self.actions.append(" ".join(words))
        if self._module.check_mode:
            return
        done = programs.run(["systemctl", *words], programs.SECONDS_TO_START)
        if done.status != 0:
            raise SystemctlError(f"systemctl {' '.join(words)}: {done.complaint}; look into journalctl --unit={words[-1]}")

    def _digest(self, paths):
        """Return the sum of what is in the files, or an empty string if none of them is there."""
        digest, found = hashlib.sha256(), False
        for path in _files_of(paths):
            content = text_file.read(path)
            if content is not None:
                found = True
                digest.update(f"{path} {len(content)}\n".encode() + content)
        return digest.hexdigest() if found else ""

    def _remembered(self):
        try:
            return json.loads(text_file.read(self._memory) or b"{}")
        except ValueError:
            return {}

    def _remember(self):
        text_file.create_directory(os.path.dirname(self._memory))
        text_file.replace(self._memory, json.dumps(self.read, indent=1, sort_keys=True).encode() + b"\n", READABLE)
        self._read_before = dict(self.read)


def ensure_units(module, items, memory):
    """Bring the units of ``items`` to what they have to be, each as OPTIONS has it, in this order.

    Returns what was done, messages for what failed, and the differences.
    """
    units = _Units(module, memory)
    failures = for_each(items, units.install)[1]
    failures += for_each(items, units.ensure)[1]
    return units.actions, failures, units.diff


def _files_of(paths):
    for path in paths:
        if os.path.isdir(path):
            names = sorted(name for name in os.listdir(path) if os.path.isfile(os.path.join(path, name)))
            yield from (os.path.join(path, name) for name in names)
        else:
            yield path
