# SPDX-License-Identifier: GPL-3.0-or-later
"""The units of host_files, against a systemd that only notes what it is asked for."""

from __future__ import annotations

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._module import undoable_files, units
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.files.text_file import Attributes
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.programs import Ended

FURTHER = "[Socket]\nService=a.service\nListenStream=/run/x\n"


class Systemd:
    """The states of units, and the commands that change them."""

    def __init__(self, directory):
        self.directory = directory
        self.active = set()
        self.enabled = set()
        self.commands = []

    def run(self, command, _seconds):
        verb, name = command[1], command[-1]
        if verb == "show":
            loaded = "loaded" if (self.directory / name).exists() or name.startswith("packaged") else "not-found"
            state = "active" if name in self.active else "inactive"
            enabled = "enabled" if name in self.enabled else "disabled"
            text = (
                f"LoadState={loaded}\nActiveState={state}\nUnitFileState={enabled}\nNeedDaemonReload=no\nRefuseManualStop=no\n"
            )
            return Ended(0, text.encode(), b"")
        self.commands.append(" ".join(command[1:]))
        if verb in ("start", "restart", "try-reload-or-restart"):
            self.active.add(name)
        if verb == "stop":
            self.active.discard(name)
        if verb == "enable":
            self.enabled.add(name)
        if verb == "disable":
            self.enabled.discard(name)
        return Ended(0, b"", b"")


@pytest.fixture
def systemd(monkeypatch, tmp_path):
    """Stand in for systemd; return it."""
    directory = tmp_path / "units"
    directory.mkdir()
    systemd = Systemd(directory)
    monkeypatch.setattr(units, "DIRECTORY", str(directory))
    monkeypatch.setattr(units, "READABLE", Attributes(directory.stat().st_uid, directory.stat().st_gid, 0o644))
    monkeypatch.setattr(units.programs, "run", systemd.run)
    return systemd


@pytest.fixture
def ensure(systemd, tmp_path):
    """Return what ensures units and returns the commands that this took."""

    def ensure(*items):
        systemd.commands = []
        files = undoable_files.UndoableFiles(check_mode=False)
        whole = [{"content": None, "reads": [], "state": "present", "kind": None, **item} for item in items]
        assert units.ensure_units(files, whole, str(tmp_path / "memory")).failures == []
        return systemd.commands

    return ensure


def test_a_further_socket_is_closed_before_the_service_that_it_would_start_and_opened_after_it(ensure, systemd):
    systemd.active = {"a.service", "a.socket"}
    new = {"name": "b.socket", "content": FURTHER}
    assert ensure(new) == ["enable b.socket", "stop a.service", "start b.socket"]
    systemd.active.add("a.service")
    assert ensure(new) == []
    changed = {**new, "content": FURTHER + "# x\n"}
    assert ensure(changed)[-3:] == ["stop b.socket", "stop a.service", "start b.socket"]


def test_dovecot_does_not_reload_for_a_socket_that_it_does_not_use(ensure, systemd, tmp_path):
    systemd.active = {"dovecot.service"}
    (tmp_path / "conf").write_text("x")
    dovecot = {"name": "dovecot.service", "reads": [str(tmp_path / "conf")]}
    assert ensure(dovecot) == ["try-reload-or-restart dovecot.service"]
    assert "try-reload-or-restart dovecot.service" not in ensure({"name": "b.socket", "content": FURTHER}, dovecot)
    assert "try-reload-or-restart dovecot.service" in ensure({"name": "a.socket", "content": "[Socket]\n"}, dovecot)


def test_a_unit_of_an_earlier_call_restarts_for_its_files_and_is_not_made(ensure, systemd, tmp_path):
    read = tmp_path / "read"
    read.write_text("1")
    later = {"name": "c.service", "reads": [str(read)], "kind": "installed"}
    assert ensure(later) == []
    assert ensure({"name": "c.service", "reads": [str(read)], "content": "[Service]\n"})[-1] == "restart c.service"
    assert ensure(later) == []
    read.write_text("2")
    assert ensure(later) == ["restart c.service"]
    # The call that installed it sees that it has read the file.
    assert ensure({"name": "c.service", "reads": [str(read)], "content": "[Service]\n"}) == []


def test_a_unit_of_a_package_is_enabled_started_restarted_and_stopped(ensure, tmp_path):
    read = tmp_path / "read"
    read.write_text("1")
    unit = {"name": "packaged@x.service", "reads": [str(read)], "kind": "packaged"}
    assert ensure(unit) == ["enable packaged@x.service", "restart packaged@x.service"]
    assert ensure(unit) == []
    read.write_text("2")
    assert ensure(unit) == ["restart packaged@x.service"]
    assert ensure({**unit, "state": "absent"}) == ["stop packaged@x.service", "disable packaged@x.service"]
    assert ensure({**unit, "state": "absent"}) == []


def test_a_unit_that_another_one_triggers_is_installed_and_neither_enabled_nor_started(ensure, systemd):
    service = {"name": "d.service", "content": "[Service]\nType=oneshot\n", "kind": "triggered"}
    timer = {"name": "d.timer", "content": "[Timer]\n"}
    assert ensure(service, timer) == ["enable d.timer", "restart d.timer"]
    assert (systemd.directory / "d.service").read_text() == service["content"]
    assert ensure(service, timer) == []
    # It is read anew with the next start.
    changed = {**service, "content": service["content"] + "Nice=1\n"}
    assert ensure(changed, timer) == []
    assert (systemd.directory / "d.service").read_text() == changed["content"]
    assert ensure({**timer, "state": "absent"}, {**service, "state": "absent"}) == [
        "stop d.timer",
        "disable d.timer",
        "daemon-reload",
        "daemon-reload",
    ]
    assert not list(systemd.directory.iterdir())
