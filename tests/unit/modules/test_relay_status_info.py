# SPDX-License-Identifier: GPL-3.0-or-later
"""The module relay_status_info: what it says of the recorder. A recorder is up if a login that was tried reached it."""

from __future__ import annotations

import os

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._module import relay_status_info
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.programs import Ended
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.proof import Proof
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.role.variables import RunVariables

LOADED = "LoadState=loaded\nActiveState={}\n\nLoadState=loaded\nActiveState={}\n"
UP = LOADED.format("active", "active")
MAIN = "/etc/dovecot/dovecot.conf"


@pytest.fixture
def host(monkeypatch):
    """Stand in for systemd, the last run of the role, the user and the proof; return what can be set."""
    host = {"units": UP, "variables": {"recorder": "dovecot"}, "user": 0, "proof": Proof([MAIN], [], [])}
    monkeypatch.setattr(relay_status_info.programs, "run", lambda *unused: Ended(0, host["units"].encode(), b""))
    monkeypatch.setattr(relay_status_info, "last_run", lambda: RunVariables(host["variables"], []))
    monkeypatch.setattr(os, "geteuid", lambda: host["user"])
    monkeypatch.setattr(relay_status_info, "prove", lambda: host["proof"])
    return host


STATES = {
    "proven": ({}, "up", []),
    "proven, as before a role that remembers": ({"variables": {}}, "up", []),
    "no units": ({"units": UP.replace("loaded", "not-found"), "proof": Proof([], ["x"], [])}, "none", []),
    "the service is down": ({"units": LOADED.format("active", "failed"), "proof": Proof([], ["x"], [])}, "down", []),
    "PAM reports": ({"variables": {"recorder": "pam"}, "proof": Proof([], ["x"], [])}, "up", []),
    "a fault": (
        {"proof": Proof([], ["it reads nothing"], ["so does another"])},
        "unproven",
        ["it reads nothing", "so does another"],
    ),
    "another instance": ({"proof": Proof([MAIN], [], ["another reports nothing"])}, "up", ["another reports nothing"]),
    "no Dovecot": ({"proof": Proof([], [], [])}, "unproven", ["no Dovecot runs, so no login is recorded; start it"]),
    "an ordinary user": (
        {"user": 1000},
        "unproven",
        ["only root can prove that Dovecot reports logins; connect as root, or use --become"],
    ),
}


@pytest.mark.parametrize("case", STATES)
def test_the_recorder_is_up_where_a_login_reached_it(run, host, tmp_path, case):
    changes, word, faults = STATES[case]
    host.update(changes)
    table = tmp_path / "virtual_servers"
    table.write_text("")
    result = run("relay_status_info", table=str(table))
    assert (result["recorder"], result["recorder_faults"]) == (word, faults)
