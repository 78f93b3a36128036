# SPDX-License-Identifier: GPL-3.0-or-later
"""The history that status keeps: one line for each report, of a bounded number, and never in a file of somebody else."""

from __future__ import annotations

import json
import os

import pytest

from ansible_collections.vsmtp.relay.dev.support.fleet_state import MADE, fleet, host, server
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import UnreadableError
from ansible_collections.vsmtp.relay.plugins.plugin_utils import status_history
from ansible_collections.vsmtp.relay.plugins.plugin_utils.status_history import extended, read, text_of

DAY = 86400


def counts(since=MADE - 90 * DAY, **numbers):
    return {"since": since, "recorded": 0, "delayed": 0, "ignored": 0, "refused": 0, "failed": 0, **numbers}


def at(day, *hosts):
    return {**fleet(*hosts), "made": MADE + day * DAY}


@pytest.fixture
def file(tmp_path):
    """A history of two reports."""
    file = tmp_path / "history.jsonl"
    file.write_text(text_of(extended(extended([], at(-1, host("a"))), at(0, host("a"), host("b")))))
    return file


def test_a_file_that_is_not_there_is_an_empty_history(tmp_path):
    assert read(str(tmp_path / "history.jsonl")) == []


def test_an_empty_file_is_an_empty_history(tmp_path):
    (tmp_path / "history.jsonl").touch()
    assert read(str(tmp_path / "history.jsonl")) == []


def test_a_line_has_the_numbers_of_its_report():
    troubled = host("c", server(entries=5, ages=[1] * 24 + [9]), recorder="down", recorder_counts=None)
    (line,) = extended([], fleet(host("a", recorder_counts=counts(failed=3)), {"host": "b", "fault": "gone"}, troubled))
    assert line == {
        "report": "vsmtp.relay.status 1",
        "made": MADE,
        "hosts": 3,
        "attention": 2,
        "entries": 35,
        "logins": 48,
        **dict.fromkeys(("recorded", "delayed", "ignored", "refused", "failed")),
        "counted": {"a": counts(failed=3)},
    }


def test_what_was_written_is_read(file):
    lines = read(str(file))
    assert [line["made"] for line in lines] == [MADE - DAY, MADE]
    assert text_of(lines) == file.read_text()
    # Only the last line has what the next report goes on from.
    assert [set(line.get("counted", ())) for line in lines] == [set(), {"a", "b"}]


BEFORE = {"a": counts(failed=3, recorded=10), "b": counts(failed=1)}
SINCE = MADE - DAY // 2
LATER = {
    "nothing": ([host("a", recorder_counts=counts(failed=3, recorded=10))], 0),
    "some of a host": ([host("a", recorder_counts=counts(failed=5, recorded=10))], 2),
    "of both hosts": (
        [host("a", recorder_counts=counts(failed=5, recorded=10)), host("b", recorder_counts=counts(failed=4))],
        5,
    ),
    "a recorder that started since": ([host("a", recorder_counts=counts(since=SINCE, failed=7, recorded=99))], 7),
    "one whose host has another clock": ([host("a", recorder_counts=counts(failed=4, recorded=2))], 4),
    "a host that is new to the history": ([host("c", recorder_counts=counts(failed=50))], 0),
    "a host that is new": ([host("c", recorder_counts=counts(since=SINCE, failed=6))], 6),
    "a host that is down": ([{"host": "a", "fault": "gone"}], 0),
    "a recorder that is down": ([host("a", recorder="down", recorder_counts=None)], 0),
}


@pytest.mark.parametrize("case", LATER)
def test_a_line_has_what_was_counted_since_the_line_before(case):
    hosts, failed = LATER[case]
    before = extended([], at(-1, *(host(name, recorder_counts=each) for name, each in BEFORE.items())))
    assert extended(before, at(0, *hosts))[-1]["failed"] == failed


def test_a_host_that_was_down_goes_on_from_its_earlier_counts():
    lines = extended([], at(-2, host("a", recorder_counts=counts(failed=3))))
    lines = extended(lines, at(-1, {"host": "a", "fault": "gone"}))
    assert lines[-1]["counted"] == {"a": counts(failed=3)}
    assert extended(lines, at(0, host("a", recorder_counts=counts(failed=5))))[-1]["failed"] == 2


def test_hosts_that_left_the_inventory_leave_the_history():
    lines = extended([], at(-1, host("a"), host("b")))
    assert set(extended(lines, at(0, host("b")))[-1]["counted"]) == {"b"}


def test_only_the_last_lines_are_kept():
    lines = []
    for day in range(405):
        lines = extended(lines, at(day, host("a")))
    assert len(lines) == 400
    assert [lines[0]["made"], lines[-1]["made"]] == [MADE + 5 * DAY, MADE + 404 * DAY]


def test_a_history_of_ten_thousand_hosts_is_read(tmp_path):
    lines = []
    for day in range(3):
        lines = extended(lines, at(day, *(host(f"mail{number:05}.some-city.example.org") for number in range(10_000))))
    file = tmp_path / "history.jsonl"
    file.write_text(text_of(lines))
    assert read(str(file)) == lines
    assert file.stat().st_size < status_history.LARGEST_BYTES / 8


def changed(number, **members):
    """Return what changes the line ``number``; a member that is None is taken away."""

    def change(content):
        lines = [json.loads(line) for line in content.splitlines()]
        lines[number].update(members)
        lines[number] = {name: value for name, value in lines[number].items() if value is not None}
        return "".join(f"{json.dumps(line)}\n" for line in lines)

    return change


# What is in the file, and what the line says of it.
FOREIGN = {
    "another file": (lambda content: "root:x:0:0:root:/root:/bin/bash\n", "line 1 is none"),
    "JSON of something else": (lambda content: '{"made": 1, "hosts": []}\n', "line 1 is none"),
    "a list": (lambda content: "[]\n", "line 1 is none"),
    "a number": (lambda content: "5\n", "line 1 is none"),
    "a deep list": (lambda content: "[" * 100_000 + "\n", "line 1 is none"),
    "bytes": (lambda content: "\ufffd\x00\n", "line 1 is none"),
    "a later version": (changed(1, report="vsmtp.relay.status 2"), "line 2 is none"),
    "an empty line": (lambda content: content + "\n", "line 3 is none"),
    "half a line": (lambda content: content[:-9], "its last line is cut off"),
    "no time": (changed(0, made=None), "line 1 lacks a number"),
    "a time that has no date": (changed(0, made=10**13), "line 1 lacks a number"),
    "a text for a number": (changed(1, entries="<b>"), "line 2 lacks a number"),
    "a truth for a number": (changed(1, entries=True), "line 2 lacks a number"),
    "a number below zero": (changed(1, entries=-1), "line 2 lacks a number"),
    "no count": (changed(1, failed=None), "line 2 lacks a number"),
    "nothing to go on from": (changed(1, counted=None), "line 2 lacks a number"),
    "a host without counts": (changed(1, counted={"a": {}}), "line 2 lacks a number"),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_a_file_that_is_no_history_is_refused_in_one_line_with_the_remedy(file, case):
    change, reason = FOREIGN[case]
    content = change(file.read_text())
    file.write_text(content)
    with pytest.raises(UnreadableError) as caught:
        read(str(file))
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{file}: is no history of vsmtp.relay.status: {reason}")
    assert message.endswith("; name another file, or move this one away")
    assert file.read_text() == content


def test_what_is_no_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(UnreadableError, match=r"it is no file|cannot be read: Is a directory"):
            read(str(path))


def test_a_file_without_an_end_is_refused(file):
    with open(file, "ab") as sparse:
        sparse.truncate(status_history.LARGEST_BYTES + 1)
    with pytest.raises(UnreadableError, match="more than 16,777,216 bytes"):
        read(str(file))


def test_a_file_that_may_not_be_read_is_reported(monkeypatch, file):
    def refuse(*unused):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(status_history.os, "open", refuse)
    with pytest.raises(UnreadableError, match="cannot be read: Permission denied; check its permissions"):
        read(str(file))
