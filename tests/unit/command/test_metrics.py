# SPDX-License-Identifier: GPL-3.0-or-later
"""vsmtprelay metrics: what is printed, what is written, and what is an error."""

from __future__ import annotations

import os
import sys

import pytest

from ansible_collections.vsmtp.relay.dev.support.fleet_state import MADE, server
from ansible_collections.vsmtp.relay.dev.support.one_line import is_one_line
from ansible_collections.vsmtp.relay.dev.support.root import needs_root
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.command import metrics_command
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.files import text_file
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder import counts_file
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.counts import Counts
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.servers.virtual_servers import VirtualServer, table_of
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.status import host as host_state


@pytest.fixture
def host(monkeypatch, tmp_path):
    """Stand in for the state of this host, root, and the file of the recorder; return the state."""
    state = {
        "recorder": "up",
        "recorder_faults": [],
        "recorder_restarts": 0,
        "recorder_proven": True,
        "expiry": {"last": None, "status": None, "late": False},
        "sharing": None,
        "virtual_servers": [server("alpha")],
        "unknown": [],
    }
    path = tmp_path / "counts.json"
    counts_file.save(str(path), Counts().members())
    monkeypatch.setattr(counts_file.load, "__defaults__", (str(path),))
    monkeypatch.setattr(host_state, "of_host", lambda servers, now, lock_seconds, quietly: state if quietly else None)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(metrics_command, "READABLE", text_file.Attributes(os.getuid(), os.getgid(), 0o644))
    monkeypatch.setattr("time.time", lambda: float(MADE))
    state["counts"] = path
    return state


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "virtual_servers"
    path.write_text(table_of([VirtualServer("alpha", f"{tmp_path}/alpha")]))
    return path


def test_it_prints_the_state_and_the_counts(run, host, table):
    status, output, errors = run("--all", "metrics", table=table)
    assert (status, errors) == (0, "")
    assert 'vsmtprelay_entries{virtual_server="alpha"} 30.0' in output.splitlines()
    assert "vsmtprelay_record_duration_seconds_count 0.0" in output.splitlines()


@needs_root
@pytest.mark.parametrize("option", [["--output", "{}"], ["--output={}"]])
def test_it_writes_a_file_that_everybody_may_read_and_nothing_beside_it(run, host, table, tmp_path, option):
    (tmp_path / "out").mkdir()
    path = tmp_path / "out" / "vsmtprelay.prom"
    path.write_text("old")
    path.chmod(0o600)
    printed = run("metrics", table=table)[1]
    assert run("metrics", *(word.format(path) for word in option), table=table) == (0, "", "")
    assert path.read_text() == printed
    assert path.stat().st_mode & 0o777 == 0o644
    assert os.listdir(path.parent) == ["vsmtprelay.prom"]


@pytest.mark.fault("metrics")
def test_a_directory_that_is_not_there_is_one_line(run, host, table, tmp_path):
    status, output, errors = run("metrics", "--output", tmp_path / "missing" / "x.prom", table=table)
    assert (status, output) == (73, "")
    assert is_one_line(errors)


def test_a_recorder_that_counts_nothing_readable_leaves_the_rest(run, host, table):
    host["counts"].write_text("x")
    status, output, errors = run("metrics", table=table)
    assert status == 65
    assert is_one_line(errors)
    assert "vsmtprelay_recorder_up 1.0" in output
    assert "vsmtprelay_logins_total" not in output


@pytest.mark.parametrize("recorder", ["none", "down"])
def test_the_counts_of_a_recorder_that_is_gone_are_not_shown(run, host, table, recorder):
    host.update(recorder=recorder, recorder_proven=None)
    assert "vsmtprelay_logins_total" not in run("metrics", table=table)[1]


@pytest.mark.parametrize("words", [["x"], ["--output"], ["--output="], ["--json"], ["--output", "/a", "b"]])
def test_what_is_not_understood_is_one_line(run, host, table, words):
    status, output, errors = run("metrics", *words, table=table)
    assert (status, output) == (64, "")
    assert is_one_line(errors)
    assert "vsmtprelay metrics --help" in errors


def test_others_than_root_get_nothing(run, host, table, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    status, output, errors = run("metrics", table=table)
    assert (status, output) == (66, "")
    assert is_one_line(errors)


def test_a_missing_package_is_one_line_and_nothing_is_written(run, host, table, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    path = tmp_path / "vsmtprelay.prom"
    status, output, errors = run("metrics", "--output", path, table=table)
    assert (status, output) == (69, "")
    assert errors == "vsmtprelay: metrics needs the distribution's package python3-prometheus-client: install it first\n"
    assert not path.exists()
