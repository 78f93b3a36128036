# SPDX-License-Identifier: GPL-3.0-or-later
"""The connections on which reports come: none is lost with the process that serves it."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import types

import pytest
from aiohttp import web

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
    """A server that takes reports, as the recorder has it, on a UNIX socket."""

    def __init__(self, path):
        self._path = str(path)
        self.taken = []
        self.busy = set()
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def start(self):
        from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.fd_store import ServedConnections

        self.server = web.Server(self._take)
        await asyncio.get_running_loop().create_unix_server(self.server, self._path)
        self.served = ServedConnections([self.server], self.busy.__contains__)

    async def _take(self, request):
        self.busy.add(request.protocol)
        self.taken.append(await request.read())
        await self.may_answer.wait()
        self.busy.discard(request.protocol)
        return web.Response(text="fine")

    async def connect(self):
        return await asyncio.open_unix_connection(self._path)


@pytest.fixture
def run(store, tmp_path):
    """Return what runs a scenario with a Service that has started."""

    def run(scenario):
        async def work():
            service = Service(tmp_path / "socket")
            await service.start()
            await scenario(service)
            await service.server.shutdown()

        asyncio.run(asyncio.wait_for(work(), 10))

    return run


def test_systemd_keeps_a_connection_for_as_long_as_it_is_open(run, store):
    async def scenario(service):
        _reader, writer = await service.connect()
        await until(lambda: service.server.connections)
        service.served.store_fds()
        service.served.store_fds()
        assert len(store) == 1
        writer.close()
        await until(lambda: not service.server.connections)
        service.served.store_fds()
        assert store == {}

    run(scenario)


def test_a_new_connection_is_stored_without_waiting_for_the_next_round(run, store):
    async def scenario(service):
        listener = await asyncio.get_running_loop().create_server(service.served.serving(service.server), "127.0.0.1", 0)
        _reader, writer = await asyncio.open_connection(*listener.sockets[0].getsockname())
        await until(lambda: len(store) == 1)
        writer.close()
        listener.close()

    run(scenario)


def test_a_report_that_a_killed_recorder_did_not_read_is_taken_by_the_next_and_answered(run, store):
    async def scenario(service):
        ours, theirs = socket.socketpair()
        ours.sendall(REQUEST)
        await service.served.adopt(theirs, "report-1-1", service.server)
        ours.setblocking(False)
        answer = await asyncio.get_running_loop().sock_recv(ours, 1000)
        assert answer.endswith(b"fine")
        assert service.taken == [b"login"]
        store["report-1-1"] = socket.socket()
        ours.close()
        await until(lambda: not service.server.connections)
        service.served.store_fds()
        assert store == {}

    run(scenario)


def test_a_report_is_taken_even_if_nobody_waits_for_the_answer_any_more(run):
    async def scenario(service):
        ours, theirs = socket.socketpair()
        ours.sendall(REQUEST)
        ours.close()
        await service.served.adopt(theirs, "report-1-1", service.server)
        await until(lambda: service.taken)

    run(scenario)


def test_who_is_dismissed_closes_and_a_report_that_was_on_its_way_is_taken(run):
    async def scenario(service):
        reader, writer = await service.connect()
        await until(lambda: service.server.connections)
        assert service.served.dismiss() == 1
        assert await reader.read() == b""
        writer.write(REQUEST)
        await until(lambda: service.taken)
        writer.close()
        await until(lambda: service.served.dismiss() == 0)

    run(scenario)


def test_who_waits_for_an_answer_is_not_dismissed(run):
    async def scenario(service):
        service.may_answer.clear()
        reader, writer = await service.connect()
        writer.write(REQUEST)
        await until(lambda: service.taken)
        assert service.served.dismiss() == 1
        service.may_answer.set()
        assert (await reader.readuntil(b"fine")).endswith(b"fine")
        assert service.served.dismiss() == 1
        assert await reader.read() == b""
        writer.close()

    run(scenario)


def test_all_are_forgotten_when_the_recorder_ends_of_its_own_accord(run, store):
    async def scenario(service):
        _reader, writer = await service.connect()
        await until(lambda: service.server.connections)
        service.served.store_fds()
        service.served.drop()
        assert store == {}
        writer.close()

    run(scenario)
