# SPDX-License-Identifier: GPL-3.0-or-later
"""The action status_report writes the files that it is asked for, and no others."""

from __future__ import annotations

import json
import os

import pytest
from ansible.errors import AnsibleActionFail
from ansible.playbook.task import Task

from ansible_collections.vsmtp.relay.dev.support.fleet_state import host
from ansible_collections.vsmtp.relay.plugins.action import status_report
from ansible_collections.vsmtp.relay.plugins.plugin_utils.status_history import read


@pytest.fixture
def report(tmp_path, monkeypatch, mocker):
    """Return what runs the action over one host with options, and with the names of files below a directory of its own."""
    monkeypatch.chdir(tmp_path)
    mocker.patch.object(status_report.Display, "display")

    def report(*hosts, check_mode=False, **options):
        task = Task()
        task.args = {"hosts": list(hosts) or [host("mail1")], **options}
        task.check_mode = check_mode
        action = status_report.ActionModule(task, mocker.Mock(), mocker.Mock(), mocker.Mock(), mocker.Mock(), mocker.Mock())
        return action.run(task_vars={})

    return report


def test_each_report_adds_a_line_to_the_history_and_is_the_last_in_the_trends(report, tmp_path):
    for number in (1, 2, 3):
        result = report(*(host(f"mail{each}") for each in range(number)), history="history.jsonl", report="fleet.html")
        lines = read(str(tmp_path / "history.jsonl"))
        assert [line["hosts"] for line in lines] == list(range(1, number + 1))
        assert lines[-1]["made"] == result["fleet"]["made"]
        assert not result["changed"]
    assert "The last 3 reports, since " in (tmp_path / "fleet.html").read_text()
    assert sorted(os.listdir(tmp_path)) == ["fleet.html", "history.jsonl"]


def test_a_history_is_kept_without_a_page(report, tmp_path):
    report(history="history.jsonl")
    assert os.listdir(tmp_path) == ["history.jsonl"]


def test_a_page_needs_no_history(report, tmp_path):
    report(report="fleet.html", json="fleet.json")
    assert sorted(os.listdir(tmp_path)) == ["fleet.html", "fleet.json"]
    assert json.loads((tmp_path / "fleet.json").read_text())["hosts"] == [host("mail1")]


def test_check_mode_writes_nothing(report, tmp_path):
    report(history="history.jsonl")
    before = (tmp_path / "history.jsonl").read_bytes()
    report(history="history.jsonl", report="fleet.html", json="fleet.json", check_mode=True)
    assert os.listdir(tmp_path) == ["history.jsonl"]
    assert (tmp_path / "history.jsonl").read_bytes() == before


def test_a_file_of_somebody_else_stays_as_it_is_and_the_state_is_shown_all_the_same(report, tmp_path):
    (tmp_path / "history.jsonl").write_text("mine\n")
    with pytest.raises(AnsibleActionFail, match=r"is no history of vsmtp\.relay\.status: line 1 is none"):
        report(history="history.jsonl", report="fleet.html")
    assert (tmp_path / "history.jsonl").read_text() == "mine\n"
    assert os.listdir(tmp_path) == ["history.jsonl"]
    assert status_report.Display().display.call_count > 3


def test_one_file_for_two_purposes_is_refused(report, tmp_path):
    with pytest.raises(AnsibleActionFail, match="json and history are to be different files"):
        report(json="fleet.json", history="./fleet.json")
    assert os.listdir(tmp_path) == []


def test_a_directory_that_cannot_be_written_to_is_one_line(report, tmp_path):
    with pytest.raises(AnsibleActionFail, match="cannot be written: No such file or directory; check the directory"):
        report(history="gone/history.jsonl")


def test_a_fleet_that_needs_attention_fails_a_strict_run_after_all_is_written(report, tmp_path):
    result = report(host("mail1", recorder="down"), history="history.jsonl", strict=True)
    assert result["failed"]
    assert read(str(tmp_path / "history.jsonl"))[0]["attention"] == 1
