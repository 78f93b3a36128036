# SPDX-License-Identifier: GPL-3.0-or-later
"""What the recorder tells: no more lines and states than people and systemd can do with, whatever strangers do."""

from __future__ import annotations

import contextlib
import socket
import sys
import types

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.login import Login
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.servers.virtual_servers import VirtualServer

SERVER = VirtualServer("a")


class Loop:
    """An event loop as far as the log needs one: what is to be called later is called when the test says so."""

    def __init__(self):
        self.calls = []

    def call_later(self, seconds, work):
        self.calls.append((seconds, work))

    def let_time_pass(self):
        calls, self.calls = self.calls, []
        for _seconds, work in calls:
            work()


@pytest.fixture
def told():
    """What was told: lines for the journal, states of the unit."""
    return types.SimpleNamespace(lines=[], states=[])


@pytest.fixture
def loop():
    return Loop()


@pytest.fixture
def log(monkeypatch, told, loop):
    systemd = types.ModuleType("systemd")

    def sendv(*fields):
        told.lines.append(dict(field.split("=", 1) for field in fields))

    systemd.journal = types.SimpleNamespace(sendv=sendv)
    systemd.daemon = types.SimpleNamespace(notify=told.states.append)
    monkeypatch.setitem(sys.modules, "systemd", systemd)
    from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder import journal

    monkeypatch.setattr(journal, "journal", systemd.journal)
    monkeypatch.setattr(journal, "daemon", systemd.daemon)
    monkeypatch.setattr(journal.asyncio, "get_running_loop", lambda: loop)
    return journal.RecorderLog()


def login(user="me"):
    return Login("198.51.100.7", "pop3", user, "")


def messages(told):
    return [line["MESSAGE"] for line in told.lines]


def test_the_first_refusal_is_told_at_once_and_those_of_the_same_second_as_a_number(log, told, loop):
    for number in range(1000):
        log.count("refused", f"refusal {number}")
    loop.let_time_pass()
    loop.let_time_pass()
    assert messages(told) == ["refusal 0", "999 more reports refused"]
    assert log.counters["refused"] == 1000


def test_a_refusal_in_the_next_second_is_told_again_and_no_number_without_need(log, told, loop):
    log.count("refused", "first")
    loop.let_time_pass()
    log.count("refused", "second")
    loop.let_time_pass()
    assert messages(told) == ["first", "second"]


def test_refusals_keep_no_login_from_being_told(log, told, loop):
    log.count("refused", "first")
    log.count("refused", "second")
    log.recorded(login(), SERVER)
    log.count("failed", "disk full")
    log.flush()
    assert messages(told) == ["first", "recorded 198.51.100.7 user='me' service=pop3 server=a", "disk full"]


def test_the_state_of_the_unit_is_told_once_a_second(log, told, loop):
    for _login in range(1000):
        log.recorded(login(), SERVER)
    assert told.states == []
    loop.let_time_pass()
    assert told.states == ["STATUS=recorded 1000, delayed 0, ignored 0, refused 0, failed 0"]
    loop.let_time_pass()
    assert len(told.states) == 1


def test_each_kind_of_line_has_the_priority_that_it_deserves(log, told):
    for what in ("recorded", "delayed", "ignored", "refused", "failed"):
        log.count(what, what)
    log.flush()
    assert {line["MESSAGE"]: line["PRIORITY"] for line in told.lines} == {
        "recorded": "6",
        "delayed": "4",
        "ignored": "6",
        "refused": "5",
        "failed": "3",
    }
    assert {line["SYSLOG_IDENTIFIER"] for line in told.lines} == {"vsmtprelay-recorder"}


def test_a_line_about_renewals_is_not_counted(log, told):
    log.renewal("renewed again")
    log.renewal("not renewed", is_fault=True)
    log.flush()
    assert [(line["MESSAGE"], line["PRIORITY"]) for line in told.lines] == [("renewed again", "6"), ("not renewed", "3")]
    assert set(log.counters.values()) == {0}


@pytest.mark.parametrize("user", ["x" * 10_000, "a\nPRIORITY=0", "a\0b", "\ud800", "\u2028", "rip=6.6.6.6", "'\"`$(id)"])
def test_the_line_of_a_login_stays_one_short_line(log, told, user):
    log.recorded(login(user), SERVER)
    log.flush()
    (line,) = told.lines
    assert len(line["MESSAGE"]) <= 1000
    assert line["MESSAGE"].isprintable()
    assert len(line["RELAY_USER"]) <= 200
    assert line["RELAY_ADDRESS"] == "198.51.100.7"


def test_a_message_that_quotes_a_whole_report_is_cut(log, told):
    log.count("ignored", "no virtual server for " + "x" * 60_000)
    log.flush()
    assert len(told.lines[0]["MESSAGE"]) == 1000


def test_lines_are_sent_together_in_their_order(log, told, loop):
    log.recorded(login("first"), SERVER)
    log.count("failed", "disk full")
    assert told.lines == []
    loop.let_time_pass()
    assert [message.split()[0] for message in messages(told)] == ["recorded", "disk"]


@pytest.fixture
def journald(monkeypatch, tmp_path, log):
    """Listen in journald's place; what is sent by sendv() does not arrive there."""
    path = str(tmp_path / "journal")
    monkeypatch.setattr(sys.modules[type(log).__module__], "JOURNAL", path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(path)
        listening.setblocking(False)
        yield listening


def fill(journald):
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender,
        contextlib.suppress(BlockingIOError),
    ):
        while True:
            sender.sendto(b"x", journald.getsockname())


def empty(journald):
    with contextlib.suppress(BlockingIOError):
        while True:
            journald.recv(10)


def test_a_journald_that_hangs_keeps_nobody_waiting_and_gets_the_lines_later(log, told, loop, journald):
    log.recorded(login("first"), SERVER)
    loop.let_time_pass()
    assert len(told.lines) == 1
    fill(journald)
    log.recorded(login("second"), SERVER)
    loop.let_time_pass()
    loop.let_time_pass()
    assert len(told.lines) == 1
    empty(journald)
    loop.let_time_pass()
    assert [line["RELAY_USER"] for line in told.lines] == ["first", "second"]


def test_lines_that_nobody_takes_do_not_fill_the_memory_and_their_number_is_told(log, told, loop, journald, monkeypatch):
    monkeypatch.setattr(sys.modules[type(log).__module__], "MOST_LINES", 2)
    fill(journald)
    for user in ("first", "second", "third", "fourth"):
        log.recorded(login(user), SERVER)
    loop.let_time_pass()
    empty(journald)
    for _time in range(3):
        loop.let_time_pass()
    assert [line.get("RELAY_USER") for line in told.lines] == ["first", "second", None]
    assert messages(told)[-1] == "2 lines are missing here, since the journal took none for some time"
