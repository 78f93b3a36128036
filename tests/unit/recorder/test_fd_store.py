# SPDX-License-Identifier: GPL-3.0-or-later
"""The connections on which reports come: none is lost with the process that serves it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import types

import pytest

from ansible_collections.vsmtp.relay.dev.support.waiting import until

REQUEST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nlogin"


@pytest.fixture
def store(monkeypatch):
    """Stand in for systemd's store; return name → a duplicate of what it was given."""
    kept = {}

    def notify(state, fds=()):
        fields = dict(line.split("=", 1) for line in state.splitlines())
        if "FDSTORE" in fields:
            assert fields["FDPOLL"] == "0"
            kept[fields["FDNAME"]] = socket.socket(fileno=os.dup(fds[0]))
        elif "FDSTOREREMOVE" in fields:
            kept.pop(fields["FDNAME"]).close()

    systemd = types.ModuleType("systemd")
    systemd.daemon = types.SimpleNamespace(notify=notify, listen_fds=list)
    monkeypatch.setitem(sys.modules, "systemd", systemd)
    from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder import fd_store

    monkeypatch.setattr(fd_store, "daemon", systemd.daemon)
    return kept


class Service:
    """A port that takes reports on a UNIX socket, as the recorder has it."""

    def __init__(self, path):
        from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder import fd_store, port

        self._path = str(path)
        self.taken = []
        self.is_silent = False
        self._waiting = []
        loop = asyncio.get_running_loop()
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self._path)
        listener.listen()
        self.store = fd_store.DescriptorStore(loop)
        self.port = port.Port(loop, listener, self._take, None, self.store, lambda _message: None)

    @property
    def connections(self):
        return len(self.port._known)

    def _take(self, connection, request):
        self.taken.append(request.body)
        self._waiting.append(connection)
        if not self.is_silent:
            self.answer()

    def answer(self):
        waiting, self._waiting = self._waiting, []
        for connection in waiting:
            connection.answer(200, b"fine")

    async def connect(self):
        return await asyncio.open_unix_connection(self._path)


@pytest.fixture
def run(store, tmp_path):
    """Return what runs a scenario with a Service."""

    def run(scenario):
        async def work():
            service = Service(tmp_path / "socket")
            await scenario(service)
            service.port.close()
            service.port.abandon()

        asyncio.run(asyncio.wait_for(work(), 10))

    return run


def test_systemd_keeps_a_connection_for_as_long_as_it_is_open(run, store):
    async def scenario(service):
        _reader, writer = await service.connect()
        await until(lambda: len(store) == 1)
        writer.close()
        await until(lambda: store == {})
        assert service.connections == 0

    run(scenario)


def test_a_connection_that_is_closed_at_once_is_not_stored(run, store, monkeypatch):
    from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder import fd_store

    stored = []
    notify = fd_store.daemon.notify
    monkeypatch.setattr(fd_store.daemon, "notify", lambda state, fds=(): (stored.append(state), notify(state, fds))[1])

    async def scenario(service):
        ours, theirs = socket.socketpair()
        service.port.adopt(theirs, "report-1-1")
        store["report-1-1"] = socket.socket()
        ours.close()
        await until(lambda: store == {})
        await asyncio.sleep(2 * fd_store.STORE_SECONDS)
        assert [state for state in stored if state.startswith("FDSTORE=")] == []

    run(scenario)


def test_no_more_connections_are_stored_than_systemd_keeps_and_the_others_when_there_is_room(run, store, monkeypatch):
    from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder import fd_store

    monkeypatch.setattr(fd_store, "MOST_KEPT", 1)

    async def scenario(service):
        clients = [await service.connect() for _client in range(2)]
        await until(lambda: len(store) == 1)
        for _reader, writer in clients:
            writer.close()
        await until(lambda: service.connections == 0)
        clients.append(await service.connect())
        await until(lambda: len(store) == 1)
        clients[-1][1].close()

    run(scenario)


def test_a_report_that_a_killed_recorder_did_not_read_is_taken_by_the_next_and_answered(run, store):
    async def scenario(service):
        ours, theirs = socket.socketpair()
        ours.sendall(REQUEST)
        service.port.adopt(theirs, "report-1-1")
        store["report-1-1"] = socket.socket()
        ours.setblocking(False)
        answer = await asyncio.get_running_loop().sock_recv(ours, 1000)
        assert answer.endswith(b"fine")
        assert service.taken == [b"login"]
        ours.close()
        await until(lambda: store == {})

    run(scenario)


def test_a_report_is_taken_even_if_nobody_waits_for_the_answer_any_more(run, store):
    async def scenario(service):
        ours, theirs = socket.socketpair()
        ours.sendall(REQUEST)
        ours.close()
        store["report-1-1"] = socket.socket()
        service.port.adopt(theirs, "report-1-1")
        await until(lambda: service.taken)

    run(scenario)


def test_who_has_sent_all_it_will_is_answered_and_then_closed(run):
    async def scenario(service):
        service.is_silent = True
        reader, writer = await service.connect()
        writer.write(REQUEST)
        writer.write_eof()
        await until(lambda: service.taken)
        await asyncio.sleep(0.02)
        service.answer()
        assert (await reader.read()).endswith(b"fine")
        assert service.connections == 0

    run(scenario)


def test_who_is_dismissed_closes_and_a_report_that_was_on_its_way_is_taken(run):
    async def scenario(service):
        reader, writer = await service.connect()
        writer.write(REQUEST)
        await reader.readuntil(b"fine")
        assert service.port.dismiss() == 1
        assert await reader.read() == b""
        writer.write(REQUEST)
        await until(lambda: len(service.taken) == 2)
        with contextlib.suppress(ConnectionError):
            writer.close()
            await writer.wait_closed()
        await until(lambda: service.port.dismiss() == 0)

    run(scenario)


def test_who_waits_for_an_answer_is_not_dismissed(run):
    async def scenario(service):
        service.is_silent = True
        reader, writer = await service.connect()
        writer.write(REQUEST)
        await until(lambda: service.taken)
        assert service.port.dismiss() == 1
        service.answer()
        assert (await reader.readuntil(b"fine")).endswith(b"fine")
        assert service.port.dismiss() == 1
        assert await reader.read() == b""
        writer.close()

    run(scenario)


def test_a_connection_without_an_answer_stays_with_systemd_when_the_recorder_ends_of_its_own_accord(run, store):
    async def scenario(service):
        silent = await service.connect()
        reader, writer = await service.connect()
        writer.write(REQUEST)
        await reader.readuntil(b"fine")
        await until(lambda: len(store) == 2)
        service.port.close()
        assert service.port.dismiss() == 1
        assert await reader.read() == b""
        service.port.abandon()
        assert len(store) == 1
        assert not silent[0].at_eof()
        for each in (writer, silent[1]):
            each.close()

    run(scenario)


def test_a_connection_over_which_dovecot_was_asked_stays_open_for_a_while_after_a_kill(run, store, monkeypatch):
    from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder import fd_store

    monkeypatch.setattr(fd_store, "QUESTIONS_SECONDS", 0.05)

    async def scenario(service):
        ours, theirs = socket.socketpair()
        forget = service.store.keep_questions(theirs)
        (name,) = store
        assert name.startswith(fd_store.QUESTIONS)
        service.store.close_questions_later(theirs, name)
        assert theirs.fileno() >= 0
        await until(lambda: theirs.fileno() < 0)
        assert store == {}
        ours.close()
        del forget

    run(scenario)
