# SPDX-License-Identifier: GPL-3.0-or-later
"""The outbox: each login is a line that outlives the recorder until it is acknowledged, and the file stays small."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing import outbox as outbox_module
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.changes import LOGIN, RENEW
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.outbox import Outbox

NOW = 1_700_000_000_123
V6 = "ipv6:2001:db8:0:0:0:0:0:5"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "outbox"


@pytest.fixture
def outbox(path):
    outbox = Outbox(str(path))
    yield outbox
    outbox.close()


def events_of(outbox, position=0, most=10**6):
    return [event for event, _position in outbox.read(position, most)[0]]


def test_a_login_is_one_line_of_json_that_only_root_can_read(outbox, path):
    assert outbox.append("a.example", V6, LOGIN, NOW)
    assert json.loads(path.read_text()) == ["a.example", V6, "login", NOW]
    assert path.stat().st_mode & 0o777 == 0o600
    assert events_of(outbox) == [("a.example", V6, LOGIN, NOW)]


def test_a_login_is_one_write(outbox, monkeypatch):
    writes = []
    write = os.write
    monkeypatch.setattr(os, "write", lambda *words: writes.append(words) or write(*words))
    outbox.append("a", "10.0.0.1", LOGIN, NOW)
    assert len(writes) == 1


def test_logins_are_read_in_their_order_from_any_position(outbox):
    wanted = [("a", f"10.0.{n >> 8}.{n & 255}", LOGIN if n % 3 else RENEW, NOW + n) for n in range(5000)]
    for login in wanted:
        outbox.append(*login)
    first, position = outbox.read(0, 3000)
    assert [login for login, _position in first] == wanted[:3000]
    assert first[-1][1] == position
    assert events_of(outbox, position) == wanted[3000:]
    assert events_of(outbox, first[9][1], 1) == wanted[10:11]


def test_what_is_acknowledged_is_not_there_for_the_next_recorder_and_the_file_is_empty(outbox, path):
    for number in range(3):
        outbox.append("a", f"10.0.0.{number}", LOGIN, NOW)
    ((_first, position), *_rest) = outbox.read(0, 10)[0]
    outbox.acknowledge(position)
    assert events_of(outbox, position) == [("a", "10.0.0.1", LOGIN, NOW), ("a", "10.0.0.2", LOGIN, NOW)]
    outbox.acknowledge(outbox.end)
    assert path.read_bytes() == b""
    outbox.append("b", "10.0.0.9", LOGIN, NOW)
    assert events_of(outbox, outbox.end - len(path.read_bytes())) == [("b", "10.0.0.9", LOGIN, NOW)]


def test_what_is_left_is_read_by_the_next_recorder(outbox, path):
    outbox.append("a", "10.0.0.1", LOGIN, NOW)
    again = Outbox(str(path))
    assert events_of(again) == [("a", "10.0.0.1", LOGIN, NOW)]
    again.close()


@pytest.mark.parametrize(
    "damage",
    [
        b'["a","10.0.0.7","login",17',
        b"\0" * 100,
        b"\xff\n",
        b"[]\n",
        b'["a","10.0.0.7","login","5"]\n',
        b'["a","10.0.0.7","revoke",5]\n',
        b"x" * 200_000,
    ],
)
def test_a_line_that_is_damaged_spoils_no_other(path, damage):
    path.write_bytes(b'["a","10.0.0.1","login",5]\n' + damage)
    outbox = Outbox(str(path))
    outbox.append("a", "10.0.0.2", LOGIN, 6)
    logins, position = outbox.read(0, 100)
    assert [login for login, _position in logins] == [("a", "10.0.0.1", LOGIN, 5), ("a", "10.0.0.2", LOGIN, 6)]
    assert position == outbox.end
    outbox.acknowledge(position)
    assert path.read_bytes() == b""
    outbox.close()


def test_it_takes_no_more_than_its_limit_and_again_when_there_is_room(outbox, path, monkeypatch):
    monkeypatch.setattr(outbox_module, "LARGEST_OUTBOX_BYTES", 130)
    taken = [outbox.append("a", "10.0.0.1", LOGIN, NOW) for _login in range(5)]
    assert taken == [True, True, True, False, False]
    assert path.stat().st_size <= 130
    outbox.acknowledge(outbox.end)
    assert outbox.append("a", "10.0.0.1", LOGIN, NOW)


def test_a_full_disk_takes_no_half_line(small_disk):
    outbox = Outbox(str(small_disk / "outbox"))
    (small_disk / "ballast").write_bytes(b"x" * (100 << 10))
    taken = 0
    while outbox.append("a", "10.0.0.1", LOGIN, NOW):
        taken += 1
    content = (small_disk / "outbox").read_bytes()
    assert content.endswith(b"\n")
    assert content.count(b"\n") == taken == len(events_of(outbox))
    (small_disk / "ballast").unlink()
    assert outbox.append("b", "10.0.0.2", LOGIN, NOW)
    assert events_of(outbox)[-1] == ("b", "10.0.0.2", LOGIN, NOW)
    outbox.close()


def test_it_stays_small_where_it_is_never_empty(outbox, path, monkeypatch):
    monkeypatch.setattr(outbox_module, "CUT_OFF_BYTES", 1000)
    seen, position, largest = [], 0, 0
    for number in range(500):
        outbox.append("a", f"10.0.{number >> 8}.{number & 255}", LOGIN, NOW)
        if number % 3 == 2:
            # The last one is always left.
            logins, position = outbox.read(position, 2)
            seen += [login for login, _position in logins]
            outbox.acknowledge(position)
        largest = max(largest, path.stat().st_size)
    rest = events_of(outbox, position)
    assert [key for _server, key, _op, _at in seen + rest] == [f"10.0.{n >> 8}.{n & 255}" for n in range(500)]
    again = Outbox(str(path))
    assert events_of(again)[-len(rest) :] == rest
    again.close()
    assert path.stat().st_mode & 0o777 == 0o600
    assert not list(path.parent.glob("*.next"))


def test_a_cut_that_fails_loses_nothing(outbox, path, monkeypatch):
    monkeypatch.setattr(outbox_module, "CUT_OFF_BYTES", 1)
    for number in range(3):
        outbox.append("a", f"10.0.0.{number}", LOGIN, NOW)
    ((_first, position), *_rest) = outbox.read(0, 10)[0]

    def fail(*_words):
        raise OSError

    with monkeypatch.context() as context:
        context.setattr(os, "rename", fail)
        outbox.acknowledge(position)
    outbox.append("a", "10.0.0.3", LOGIN, NOW)
    assert [key for _server, key, _op, _at in events_of(outbox, position)] == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    outbox.acknowledge(position)
    assert [key for _server, key, _op, _at in events_of(outbox, position)] == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    assert path.read_text().count("\n") == 3


def test_a_recorder_that_is_killed_leaves_every_login_that_it_acknowledged(path, child, eventually):
    acknowledged = Path(f"{path}.acknowledged")
    acknowledged.touch()

    def append_for_ever():
        outbox = Outbox(str(path))
        with acknowledged.open("a") as log:
            for number in range(10**6):
                outbox.append("a", f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", LOGIN, NOW)
                log.write(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}\n")
                log.flush()

    process = child(append_for_ever)
    eventually(lambda: acknowledged.stat().st_size > 5000)
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(AssertionError, match="the child ended with 9"):
        process.result()
    outbox = Outbox(str(path))
    assert set(acknowledged.read_text().split()) <= {key for _server, key, _op, _at in events_of(outbox)}
    outbox.close()
