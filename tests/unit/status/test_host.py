# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of this host. A recorder is up if a login that was tried reached it."""

from __future__ import annotations

import json
import os
import time

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import ForbiddenError
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.programs import Ended
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.proof import Proof
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.role.variables import RunVariables
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.servers.virtual_servers import VirtualServer
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.status import host as host_state
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.status import state

LOADED = "LoadState=loaded\nActiveState={}\n\nLoadState=loaded\nActiveState={}\n"
UP = LOADED.format("active", "active")
MAIN = "/etc/dovecot/dovecot.conf"


@pytest.fixture
def host(monkeypatch):
    """Stand in for systemd, the last run of the role, the user and the proof; return what can be set."""
    none = "LoadState=not-found\nActiveState=inactive\n"
    host = {"units": UP, "sharer": none, "variables": {"recorder": "dovecot"}, "user": 0, "proof": Proof([MAIN], [], [])}

    def run(command, *unused):
        units = host["sharer"] if host_state.SHARE_UNIT in command else host["units"]
        return Ended(0, units.encode(), b"")

    monkeypatch.setattr(host_state.programs, "run", run)
    monkeypatch.setattr(host_state, "last_run", lambda: RunVariables(host["variables"], []))
    monkeypatch.setattr(os, "geteuid", lambda: host["user"])
    monkeypatch.setattr(host_state, "prove", lambda quietly: host["proof"])
    return host


LIMIT = 5.0
NOW = int(time.time())

STATES = {
    "proven": ({}, "up", []),
    "proven, as before a role that remembers": ({"variables": {}}, "up", []),
    "no units": ({"units": UP.replace("loaded", "not-found"), "proof": Proof([], ["x"], [])}, "none", []),
    "the service is down": ({"units": LOADED.format("active", "failed"), "proof": Proof([], ["x"], [])}, "down", []),
    "nothing reports": ({"variables": {"recorder": "none"}, "proof": Proof([], ["x"], [])}, "shared", []),
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
        [],
    ),
}


@pytest.mark.parametrize("case", STATES)
def test_the_recorder_is_up_where_a_login_reached_it(host, case):
    changes, word, faults = STATES[case]
    host.update(changes)
    found = host_state.of_host([], NOW, LIMIT)
    assert (found["recorder"], found["recorder_faults"]) == (word, faults)
    assert found["unknown"] == (["only root can prove that Dovecot reports logins"] if host["user"] else [])


COUNTED = {
    "version": "0.2.0",
    "started": NOW - 95,
    "written": NOW,
    "logins": [["recorded", "a", "pop3", 3], ["recorded", "b", "imap", 2], ["ignored", "", "", 2], ["other", "", "", 9]],
    "bounds": [1.0],
    "records": [5, 0],
    "record_seconds": 0.5,
}
TOTALS = {"since": NOW - 95, "recorded": 5, "delayed": 0, "ignored": 2, "refused": 0, "failed": 0}
COUNTS = {
    "all of them": (UP, json.dumps(COUNTED), TOTALS),
    "nothing yet": (UP, json.dumps({**COUNTED, "logins": []}), {**TOTALS, "recorded": 0, "ignored": 0}),
    "no file": (UP, None, None),
    "another file": (UP, "[]", None),
    "down": (UP.replace("=active", "=failed"), json.dumps(COUNTED), None),
    "no units": (UP.replace("loaded", "not-found"), json.dumps(COUNTED), None),
}


@pytest.mark.parametrize("case", COUNTS)
def test_what_the_recorder_counted_is_read_from_its_file(host, monkeypatch, tmp_path, case):
    host["units"], text, found = COUNTS[case]
    path = tmp_path / "counts.json"
    if text is not None:
        path.write_text(text)
    load = host_state.counts_file.load
    monkeypatch.setattr(host_state.counts_file, "load", lambda: load(str(path)))
    assert host_state.of_host([], NOW, LIMIT)["recorder_counts"] == found


ACTIVE = "LoadState=loaded\nActiveState=active\n"
MEMBERS = {"host": "mail1", "engines": [], "alone_since": None}
SHARERS = {
    "none": ("LoadState=not-found\nActiveState=inactive\n", None, None),
    "down": ("LoadState=loaded\nActiveState=failed\n", MEMBERS, "logins are not shared: vsmtprelay-share.service is down"),
    "no status": (ACTIVE, None, "what the sharer does is unknown: "),
    "no status of ours": (ACTIVE, [], "what the sharer does is unknown: "),
    "no time": (ACTIVE, MEMBERS, "what the sharer does is unknown: "),
    "an old status": (ACTIVE, {**MEMBERS, "written": -100}, "the sharer hangs: its status is "),
    "fine": (ACTIVE, {**MEMBERS, "written": 0}, ""),
}


@pytest.mark.parametrize("case", SHARERS)
def test_what_the_sharer_does_is_read_from_its_status(host, tmp_path, monkeypatch, case):
    units, members, fault = SHARERS[case]
    host["sharer"] = units
    monkeypatch.setattr(host_state, "SHARE_DIRECTORY", str(tmp_path))
    if members and "written" in members:
        members = {**members, "written": int(time.time()) + members["written"]}
    if members is not None:
        (tmp_path / "status.json").write_text(json.dumps(members))
    sharing = host_state.sharing(int(time.time()))
    if fault is None:
        assert sharing is None
    elif fault == "":
        assert sharing == {"fault": "", **members}
    else:
        assert sharing["fault"].startswith(fault)


@pytest.mark.parametrize(("relay", "ruleset"), [("none", "none"), ("sendmail", "missing")])
def test_a_host_that_does_not_relay_needs_no_ruleset(host, tmp_path, relay, ruleset):
    host["variables"] = {"relay": relay, "recorder": "pam"}
    found = host_state.of_host([VirtualServer("a", str(tmp_path))], NOW, LIMIT)
    (server,) = found["virtual_servers"]
    assert (server["ruleset"], server["window"], server["entries"], server["fault"]) == (ruleset, None, 0, "")
    assert found["unknown"] == []


def forbid(what):
    """Return a function that fails as one that may not read ``what``."""

    def refuse(*unused):
        raise ForbiddenError(f"{what}: cannot be read")

    return refuse


@pytest.mark.parametrize("user", [0, 1000])
def test_a_database_that_may_not_be_read_is_a_fault_for_root_and_unknown_to_others(host, tmp_path, monkeypatch, user):
    host.update(user=user, variables={"relay": "none", "recorder": "pam"})
    monkeypatch.setattr(state, "of_database", forbid("db"))
    found = host_state.of_host([VirtualServer("a", str(tmp_path))], NOW, LIMIT)
    (server,) = found["virtual_servers"]
    assert "entries" not in server
    if user:
        assert server["fault"] == ""
        assert found["unknown"] == [f"a: only root and the owner of {tmp_path}/etc/relayers.db can read it"]
    else:
        assert (server["fault"], found["unknown"]) == ("db: cannot be read", [])


@pytest.mark.parametrize("user", [0, 1000])
@pytest.mark.parametrize("seen", [forbid("cf"), lambda *unused: state.RulesetState(state.NO_DAEMON, 60)])
def test_a_daemon_that_only_root_can_look_at_is_unknown_to_others(host, tmp_path, monkeypatch, user, seen):
    host.update(user=user, variables={"recorder": "pam"})
    monkeypatch.setattr(state, "of_ruleset", seen)
    found = host_state.of_host([VirtualServer("a", str(tmp_path))], NOW, LIMIT)
    (server,) = found["virtual_servers"]
    if user:
        assert (server["ruleset"], server["fault"]) == ("unknown", "")
        assert found["unknown"] == ["a: only root can see whether the running sendmail has the ruleset"]
    else:
        assert found["unknown"] == []
        assert server["fault"] == "cf: cannot be read" or server["ruleset"] == "no daemon"


@pytest.mark.parametrize("ruleset", [state.LIVE, state.NOT_READ, state.MISSING])
def test_what_others_than_root_can_see_is_known_to_them(host, tmp_path, monkeypatch, ruleset):
    host.update(user=1000, variables={"recorder": "pam"})
    monkeypatch.setattr(state, "of_ruleset", lambda *unused: state.RulesetState(ruleset, 60))
    found = host_state.of_host([VirtualServer("a", str(tmp_path))], NOW, LIMIT)
    (server,) = found["virtual_servers"]
    assert (server["ruleset"], server["window"], found["unknown"]) == (ruleset, 60, [])


def test_a_damaged_database_is_a_fault_for_everybody(host, tmp_path, native_database):
    host.update(user=1000, variables={"relay": "none", "recorder": "pam"})
    damaged = native_database("etc/relayers.db").fill({"10.0.0.1": 5}).damage()
    (server,) = host_state.of_host([VirtualServer("a", str(tmp_path))], NOW, LIMIT)["virtual_servers"]
    assert server["fault"].startswith(damaged.path)
