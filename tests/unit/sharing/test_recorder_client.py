# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorder as the sharer reaches it, and the two that talk to it about databases."""

from __future__ import annotations

import socket
import threading

import pytest

from ansible_collections.vsmtp.relay.dev.support.fake_recorder import FakeRecorder
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing import applier
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.merge import LOGIN, REVOKED
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.recorder_client import (
    NoEntries,
    RecorderClient,
    RecorderError,
)
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.requests import LARGEST_CHANGES, MOST_KEYS
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.store import Task


@pytest.fixture
def recorder(tmp_path):
    started = FakeRecorder(str(tmp_path / "socket"), ("customers", "other"))
    started.start()
    yield started
    started.stop()


@pytest.fixture
def client(recorder):
    made = RecorderClient(recorder.path)
    yield made
    made.close()


def test_events_come_until_they_are_acknowledged(recorder, client):
    recorder.login("10.0.0.1", ms=1000)
    first = client.outbox("", 0, 0)
    assert (first.boot, first.is_lost, first.events) == ("boot-1", False, [(1, "customers", "10.0.0.1", "login", 1000)])
    assert client.outbox("other", 1, 0).events == first.events
    assert client.outbox(first.instance, 1, 0).events == []


def test_changes_are_written(recorder, client):
    recorder.failing.add("other")
    result = client.change({server: {LOGIN: {"10.0.0.1": 5}, REVOKED: {}} for server in ("customers", "other", "elsewhere")})
    assert result.written == ["customers"]
    assert set(result.failed) == {"other", "elsewhere"}
    assert recorder.databases["customers"] == {"10.0.0.1": 5}


def test_entries_come_page_by_page(recorder, client):
    recorder.databases["customers"] = {f"10.0.{number >> 8}.{number & 255}": number for number in range(2001)}
    pages, first = client.entries("customers", 0)
    assert (pages, len(first), len(client.entries("customers", 1)[1])) == (2, 2000, 1)
    with pytest.raises(NoEntries, match="404"):
        client.entries("elsewhere", 0)


def test_a_recorder_that_was_started_again_is_no_error(recorder, client):
    client.outbox("", 0, 0)
    recorder.restart()
    assert client.outbox("", 0, 0).instance == recorder.instance


def test_a_recorder_that_is_away_is_named_with_the_remedy(tmp_path):
    with pytest.raises(RecorderError, match="see systemctl status vsmtprelay-recorder"):
        RecorderClient(str(tmp_path / "missing")).outbox("", 0, 0)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 500 Broken\r\nContent-Length: 16\r\n\r\n" + b'{"error": "x y"}',
        b"nonsense\r\n\r\n",
    ],
)
def test_an_answer_that_is_none(tmp_path, answer):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "socket"))
    listener.listen()

    def serve():
        for _each in range(3):
            connection, _address = listener.accept()
            connection.recv(10_000)
            connection.sendall(answer)
            connection.close()

    threading.Thread(target=serve, daemon=True).start()
    client = RecorderClient(str(tmp_path / "socket"))
    for ask in (lambda: client.outbox("", 0, 0), lambda: client.change({}), lambda: client.entries("a", 0)):
        with pytest.raises(RecorderError):
            ask()
    listener.close()


def test_a_request_is_never_larger_than_the_recorder_takes():
    key = "ipv6:" + ":".join(["ffff"] * 8)
    todo = {
        f"server{number}": [Task(key + str(each), each, (LOGIN, 1_700_000_000)) for each in range(4500)] for number in range(2)
    }
    import json

    servers, tasks = applier.request_of(todo)
    assert len(json.dumps({"servers": servers})) <= LARGEST_CHANGES
    done = sum(map(len, tasks.values()))
    assert MOST_KEYS < done == sum(len(each[LOGIN]) for each in servers.values())


def test_what_need_not_be_written_is_done():
    servers, tasks = applier.request_of({"customers": [Task("10.0.0.1", 1, None)]})
    assert (servers, len(tasks["customers"])) == ({}, 1)


def test_a_database_that_cannot_be_written_holds_up_no_other(engine, host, eventually):
    one = engine()
    first, second = (host(name, one, servers=("customers", "other")) for name in ("mail1", "mail2"))
    second.recorder.failing.add("customers")
    first.login("10.0.0.1")
    first.login("10.0.0.2", server="other")
    eventually(lambda: second.recorder.databases["other"])
    first.login("10.0.0.3", server="other")
    eventually(lambda: len(second.recorder.databases["other"]) == 2)
    assert second.status["failed_servers"] == {"customers": "locked"}
    second.recorder.failing.clear()
    eventually(lambda: second.open == {"10.0.0.1"})
    eventually(lambda: second.status["failed_servers"] == {})


def test_a_server_that_the_recorder_does_not_know_is_reported(engine, host, eventually):
    one = engine()
    first, second = (host(name, one, servers=("customers", "other")) for name in ("mail1", "mail2"))
    with second.recorder.lock:
        del second.recorder.databases["other"]
    first.login("10.0.0.2", server="other")
    first.login("10.0.0.1")
    eventually(lambda: second.open == {"10.0.0.1"})
    eventually(lambda: second.status["failed_servers"] == {"other": "unknown server"})
