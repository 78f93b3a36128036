# SPDX-License-Identifier: GPL-3.0-or-later
"""Events of root's commands and modules: in files that are whole, on the disk and only root's, one after the other."""

from __future__ import annotations

import json
import os

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import (
    MalformedError,
    UnreadableError,
    UnwritableError,
)
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing import changes

V6 = "ipv6:2001:db8:0:0:0:0:0:5"
EVENTS = [
    ("a.example", "10.0.0.1", changes.REVOKE, 1_700_000_000_123),
    ("b", V6, changes.LOGIN, 5),
    ("b", "", changes.CHECK, 6),
]


@pytest.fixture
def directory(tmp_path):
    return str(tmp_path / "outbox")


def read_all(directory):
    return [event for name in changes.names_in(directory) for event in changes.read(directory, name)]


def test_what_is_written_is_read_and_removed(directory):
    changes.write(EVENTS, directory)
    assert read_all(directory) == EVENTS
    (name,) = changes.names_in(directory)
    assert json.loads((open(os.path.join(directory, name))).read()) == [list(event) for event in EVENTS]  # noqa: SIM115
    changes.remove(directory, name)
    changes.remove(directory, name)
    assert os.listdir(directory) == []


def test_only_root_can_look_at_them(directory):
    changes.write(EVENTS, directory)
    (name,) = os.listdir(directory)
    assert os.stat(directory).st_mode & 0o777 == 0o700
    assert os.stat(os.path.join(directory, name)).st_mode & 0o777 == 0o600


def test_calls_are_read_in_the_order_in_which_they_came(directory):
    for number in range(20):
        changes.write([("a", f"10.0.0.{number}", changes.HERE, number)], directory)
    assert [at for _server, _key, _operation, at in read_all(directory)] == list(range(20))


def test_a_long_call_is_several_files(directory, monkeypatch):
    monkeypatch.setattr(changes, "MOST_EVENTS", 10)
    events = [("a", f"10.0.0.{number}", changes.REVOKE, number) for number in range(25)]
    changes.write(events, directory)
    assert len(changes.names_in(directory)) == 3
    assert read_all(directory) == events


def test_a_file_has_its_name_when_it_is_whole_and_flushed_and_so_is_the_directory(directory, monkeypatch):
    steps = []
    fsync, rename = os.fsync, os.rename

    def note_fsync(descriptor):
        steps.append(os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}"))[-5:])
        fsync(descriptor)

    def note_rename(before, after, **more):
        assert before == f".{after}"
        steps.append("rename")
        rename(before, after, **more)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "rename", note_rename)
    changes.write(EVENTS, directory)
    assert steps[-3:] == [".json", "rename", "utbox"]


def test_a_file_that_cannot_be_written_is_an_error_in_one_line_and_leaves_nothing(directory, monkeypatch):
    changes.write(EVENTS, directory)
    before = os.listdir(directory)

    def fail(*_words, **_more):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(UnwritableError, match="other hosts are not changed"):
        changes.write(EVENTS, directory)
    assert os.listdir(directory) == before


def test_an_ordinary_user_writes_nothing(public_directory, as_nobody):
    with pytest.raises(UnwritableError):
        as_nobody(lambda: changes.write(EVENTS, str(public_directory / "outbox")))


def test_without_a_directory_there_is_nothing(directory):
    assert changes.names_in(directory) == []
    changes.remove_abandoned(directory)


@pytest.mark.parametrize(
    "text",
    ["", "{", "5", '["a"]', "[[]]", '[["a","k","other",5]]', '[["a","k","login","5"]]', "[" * 100_000, '[["a","k",[],5]]'],
)
def test_what_is_no_list_of_events_is_refused(directory, text):
    os.mkdir(directory)
    with open(os.path.join(directory, "1.json"), "w") as file:
        file.write(text)
    with pytest.raises(MalformedError, match=r"1\.json"):
        changes.read(directory, "1.json")


def test_a_file_that_is_gone_cannot_be_read(directory):
    with pytest.raises(UnreadableError):
        changes.read(directory, "1.json")


def test_what_a_killed_writer_left_is_removed_when_it_is_old(directory):
    os.mkdir(directory)
    for name, seconds in ((".new.json", 0), (".old.json", 10**6)):
        path = os.path.join(directory, name)
        with open(path, "w"):
            pass
        os.utime(path, (os.stat(path).st_mtime - seconds,) * 2)
    changes.remove_abandoned(directory)
    assert os.listdir(directory) == [".new.json"]
    assert changes.names_in(directory) == []
