# SPDX-License-Identifier: GPL-3.0-or-later
"""What is handed over to the sharer: every event until it is acknowledged, at most so many at once, revocations first."""

from __future__ import annotations

import os

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing import changes, handover
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing import outbox as outbox_module
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.handover import Handover
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.outbox import Outbox

NOW = 1_700_000_000_123


@pytest.fixture
def directory(tmp_path):
    return str(tmp_path / "changes")


@pytest.fixture
def failures():
    return []


@pytest.fixture
def start(tmp_path, directory, failures):
    """Return what starts a recorder's Handover."""
    return lambda: Handover(Outbox(str(tmp_path / "outbox")), directory, "this boot", failures.append)


def events_of(handed):
    return [tuple(event[1:]) for event in handed.answer(handed.instance)["events"]]


def keys_of(handed):
    return [key for _server, key, _operation, _at in events_of(handed)]


def last_of(handed):
    return handed.answer(handed.instance)["events"][-1][0]


def test_an_event_is_handed_over_with_the_same_number_until_it_is_acknowledged(start):
    handed = start()
    assert handed.is_empty()
    handed.add("a", "10.0.0.1", changes.LOGIN, NOW)
    handed.add("a", "10.0.0.2", changes.LOGIN, NOW)
    wanted = {
        "instance": handed.instance,
        "boot": "this boot",
        "lost": False,
        "events": [(1, "a", "10.0.0.1", "login", NOW), (2, "a", "10.0.0.2", "login", NOW)],
    }
    assert handed.answer(handed.instance) == handed.answer(handed.instance) == wanted
    handed.acknowledge(handed.instance, 1)
    assert handed.answer(handed.instance)["events"] == wanted["events"][1:]
    handed.acknowledge(handed.instance, 2)
    assert handed.answer(handed.instance)["events"] == []
    assert handed.is_empty()


@pytest.mark.parametrize("instance", ["", "another"])
def test_another_instance_acknowledges_nothing(start, instance):
    handed = start()
    handed.add("a", "10.0.0.1", changes.LOGIN, NOW)
    handed.answer(handed.instance)
    handed.acknowledge(instance, 10**9)
    assert keys_of(handed) == ["10.0.0.1"]


def test_two_recorders_are_two_instances_and_the_next_hands_over_what_was_not_acknowledged(start):
    first = start()
    first.add("a", "10.0.0.1", changes.LOGIN, NOW)
    first.add("a", "10.0.0.2", changes.LOGIN, NOW)
    first.answer(first.instance)
    second = start()
    assert first.instance != second.instance
    assert keys_of(second) == ["10.0.0.1", "10.0.0.2"]
    second.acknowledge(second.instance, 2)
    assert start().is_empty()


def test_at_most_so_many_are_handed_over_at_once_and_all_of_them_in_the_end(start, monkeypatch):
    monkeypatch.setattr(handover, "MOST_EVENTS", 7)
    handed = start()
    wanted = [f"10.0.0.{number}" for number in range(40)]
    for key in wanted:
        handed.add("a", key, changes.LOGIN, NOW)
    seen, numbers = [], []
    while not handed.is_empty():
        events = handed.answer(handed.instance)["events"]
        assert len(events) <= 7
        seen += [event[2] for event in events]
        numbers += [event[0] for event in events]
        handed.acknowledge(handed.instance, numbers[-1])
    assert seen == wanted
    assert numbers == list(range(1, 41))


def test_files_of_root_s_programs_come_before_logins_and_go_when_all_of_one_is_acknowledged(start, directory):
    handed = start()
    handed.add("a", "10.0.0.1", changes.LOGIN, NOW)
    changes.write([("a", "10.0.0.7", "revoke", NOW), ("a", "10.0.0.8", "here", NOW)], directory)
    assert keys_of(handed) == ["10.0.0.1"]
    handed.look()
    handed.add("a", "10.0.0.2", changes.LOGIN, NOW)
    assert keys_of(handed) == ["10.0.0.1", "10.0.0.7", "10.0.0.8", "10.0.0.2"]
    handed.acknowledge(handed.instance, 2)
    assert len(os.listdir(directory)) == 1
    handed.acknowledge(handed.instance, 3)
    assert os.listdir(directory) == []
    assert keys_of(handed) == ["10.0.0.2"]


def test_a_revocation_does_not_wait_behind_all_logins(start, directory, monkeypatch):
    monkeypatch.setattr(handover, "MOST_EVENTS", 5)
    handed = start()
    for number in range(100):
        handed.add("a", f"10.0.0.{number}", changes.LOGIN, NOW)
    handed.answer(handed.instance)
    changes.write([("a", "10.0.0.7", "revoke", NOW)], directory)
    handed.look()
    handed.acknowledge(handed.instance, 5)
    assert events_of(handed)[0] == ("a", "10.0.0.7", "revoke", NOW)


def test_a_file_is_handed_over_again_after_a_restart_until_all_of_it_is_acknowledged(start, directory):
    changes.write([("a", "10.0.0.7", "revoke", NOW), ("a", "10.0.0.8", "revoke", NOW)], directory)
    first = start()
    first.look()
    first.answer(first.instance)
    first.acknowledge(first.instance, 1)
    second = start()
    second.look()
    assert keys_of(second) == ["10.0.0.7", "10.0.0.8"]


def test_a_file_is_read_once_however_often_it_is_seen(start, directory):
    handed = start()
    changes.write([("a", "10.0.0.7", "revoke", NOW)], directory)
    handed.look()
    handed.look()
    assert keys_of(handed) == ["10.0.0.7"]
    handed.look()
    assert keys_of(handed) == ["10.0.0.7"]


def test_more_files_than_one_answer_has_room_for_all_come(start, directory, monkeypatch):
    monkeypatch.setattr(handover, "MOST_EVENTS", 3)
    for number in range(4):
        changes.write([("a", f"10.0.{number}.{n}", "revoke", NOW) for n in range(2)], directory)
    handed = start()
    handed.look()
    seen = []
    while not handed.is_empty():
        seen += keys_of(handed)
        handed.acknowledge(handed.instance, last_of(handed))
    assert seen == [f"10.0.{number}.{n}" for number in range(4) for n in range(2)]
    assert os.listdir(directory) == []


def test_a_file_that_is_malformed_is_reported_once_and_stops_no_other(start, directory, failures):
    os.mkdir(directory)
    with open(os.path.join(directory, "0.json"), "w") as file:
        file.write("x")
    with open(os.path.join(directory, "1.json"), "w") as file:
        file.write("[]")
    changes.write([("a", "10.0.0.7", "revoke", NOW)], directory)
    handed = start()
    handed.look()
    assert keys_of(handed) == ["10.0.0.7"]
    handed.look()
    handed.answer(handed.instance)
    assert len(failures) == 1
    assert "0.json" in failures[0]
    handed.acknowledge(handed.instance, 1)
    assert os.listdir(directory) == ["0.json"]


def test_whoever_waits_is_woken_by_a_login_and_by_a_new_file(start, directory):
    handed = start()
    calls = []
    handed.arrived = lambda: calls.append(1)
    handed.look()
    assert calls == []
    handed.add("a", "10.0.0.1", changes.LOGIN, NOW)
    assert len(calls) == 1
    changes.write([("a", "10.0.0.7", "revoke", NOW)], directory)
    handed.look()
    assert len(calls) == 2
    handed.look()
    assert len(calls) == 2


def test_that_logins_did_not_fit_is_said_until_the_reader_shows_that_it_knows_and_again_the_next_time(start, monkeypatch):
    monkeypatch.setattr(outbox_module, "LARGEST_OUTBOX_BYTES", 80)
    handed = start()
    for number in range(5):
        handed.add("a", f"10.0.0.{number}", changes.LOGIN, NOW)
    assert not handed.is_empty()
    assert handed.answer(handed.instance)["lost"]
    assert handed.answer(handed.instance)["lost"]  # the answer got lost, too
    handed.acknowledge(handed.instance, 0)
    assert handed.answer(handed.instance)["lost"]
    handed.acknowledge(handed.instance, last_of(handed))
    assert not handed.answer(handed.instance)["lost"]
    assert handed.is_empty()
    handed.add("a", "10.0.0.9", changes.LOGIN, NOW)
    assert not handed.answer(handed.instance)["lost"]
    for number in range(5):
        handed.add("a", f"10.0.0.{number}", changes.LOGIN, NOW)
    assert handed.answer(handed.instance)["lost"]


def test_that_a_login_could_not_be_written_at_all_is_said_once(start, monkeypatch):
    monkeypatch.setattr(outbox_module, "LARGEST_OUTBOX_BYTES", 1)
    handed = start()
    handed.add("a", "10.0.0.1", changes.LOGIN, NOW)
    assert not handed.is_empty()
    assert handed.answer(handed.instance)["lost"]
    handed.acknowledge(handed.instance, 0)
    assert handed.is_empty()
    assert not handed.answer(handed.instance)["lost"]


def test_that_logins_were_lost_is_kept_for_the_reader_while_another_one_only_looks(start, monkeypatch):
    monkeypatch.setattr(outbox_module, "LARGEST_OUTBOX_BYTES", 1)
    handed = start()
    handed.add("a", "10.0.0.1", changes.LOGIN, NOW)
    assert handed.answer("")["lost"]
    handed.acknowledge(handed.instance, 0)
    assert handed.answer(handed.instance)["lost"]
    handed.acknowledge(handed.instance, 0)
    assert handed.is_empty()


def test_lines_that_are_none_are_forgotten_with_the_last_login(start, tmp_path):
    (tmp_path / "outbox").write_bytes(b'["a","10.0.0.1","login",5]\nx\n')
    handed = start()
    assert keys_of(handed) == ["10.0.0.1"]
    handed.acknowledge(handed.instance, 1)
    assert (tmp_path / "outbox").read_bytes() == b""
