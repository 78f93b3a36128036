# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorder's TCP port: who shows the key is served, strangers are not, and the oldest of them goes first."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import types

import pytest

from ansible_collections.vsmtp.relay.dev.support.waiting import until
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder import port as port_module

KEY = b"k" * 40
HEAD = b"POST /login HTTP/1.1\r\nHost: x\r\nX-API-Key:%s\r\nContent-Length: 0\r\n\r\n"
GREETING = HEAD % KEY
PATIENCE = 10


class Store:
    """Stands in for the descriptor store."""

    def __init__(self):
        self.kept = set()
        self.opened = self.kept.add
        self.closed = self.kept.discard


class Port:
    """A port that answers every request with its body, and clients of it."""

    def __init__(self, key=KEY, most=None):
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self._address = self._listener.getsockname()
        self.refused = []
        self.store = Store()
        loop = asyncio.get_running_loop()
        self.port = port_module.Port(loop, self._listener, self._echo, key, self.store, self.refused.append, most)
        self._writers = []

    @staticmethod
    def _echo(connection, request):
        connection.answer(200, request.body)

    async def client(self, said=b""):
        """Return the reader and the writer of a new client that says ``said``, once it has been accepted."""
        before = self.accepted
        reader, writer = await asyncio.open_connection(*self._address)
        self._writers.append(writer)
        writer.write(said)
        await until(lambda: self.accepted > before)
        return reader, writer

    @property
    def strangers(self):
        return len(self.port._strangers)

    async def close(self):
        self.port.close()
        self.port.abandon()
        for writer in self._writers:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def is_served(reader, writer, body=b"more"):
    """Send one more request; return whether it is answered."""
    writer.write((HEAD % KEY).replace(b"Length: 0", b"Length: %d" % len(body)) + body)
    return (await reader.readuntil(body)).startswith(b"HTTP/1.1 200 ")


@pytest.fixture
def with_port(monkeypatch):
    """Return what runs a coroutine function with a Port."""

    def run(work, **options):
        async def whole():
            port = Port(**options)
            port.accepted = 0
            connection = port_module.Connection

            def count(*words):
                port.accepted += 1
                return connection(*words)

            monkeypatch.setattr(port_module, "Connection", count)
            try:
                async with asyncio.timeout(PATIENCE):
                    await work(port)
            finally:
                await port.close()

        asyncio.run(whole())

    return run


async def is_closed(reader):
    """Tell whether the other side has closed the connection, and wait for it."""
    try:
        async with asyncio.timeout(PATIENCE):
            return await reader.read() == b""
    except ConnectionResetError:
        return True


def test_who_shows_the_key_is_served_and_kept(with_port):
    async def work(port):
        reader, writer = await port.client(GREETING)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        assert await is_served(reader, writer)
        assert port.refused == []
        assert len(port.store.kept) == 1
        writer.close()
        await until(lambda: not port.store.kept)

    with_port(work)


def test_the_key_may_come_byte_by_byte_and_in_any_case_with_blanks(with_port):
    async def work(port):
        greeting = b"POST /login HTTP/1.1\r\nHost: x\r\nx-api-KEY:  %s \r\nContent-Length: 4\r\n\r\nbody" % KEY
        reader, writer = await port.client()
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for place in range(len(greeting)):
            writer.write(greeting[place : place + 1])
            await asyncio.sleep(0)
        assert (await reader.readuntil(b"body")).startswith(b"HTTP/1.1 200 ")

    with_port(work)


@pytest.mark.parametrize(
    "said",
    [
        HEAD % (b"K" * 40),
        HEAD % KEY[:-1],
        HEAD % (KEY + b"k"),
        HEAD % b"",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"X-API-Key:%s\r\n\r\n" % KEY,
        b"POST / HTTP/1.1\r\nHost: x\r\n\r\nX-API-Key:%s\r\n\r\n" % KEY,
        b"POST / HTTP/1.1\r\nHost: x\r\nX-API-Key:a\r\nX-API-Key:%s\r\n\r\n" % KEY,
        bytes(range(128, 256)) * 32,
        b"A" * 100_000,
    ],
    ids=["wrong", "short", "long", "empty", "none", "first-line", "body", "twice", "garbage", "no-end"],
)
def test_who_shows_no_key_is_told_so_and_never_reaches_the_server(with_port, said):
    async def work(port):
        reader, _writer = await port.client(said)
        with contextlib.suppress(ConnectionResetError):
            assert (await reader.read()).startswith(b"HTTP/1.1 403 ")
        await until(lambda: port.refused == ["a report without the right key"])
        assert port.strangers == 0

    with_port(work)


@pytest.mark.fault("empty-secret")
def test_an_empty_key_opens_nothing(with_port):
    async def work(port):
        reader, _writer = await port.client(HEAD % b"")
        assert (await reader.read()).startswith(b"HTTP/1.1 403 ")

    with_port(work, key=b"")


def test_where_the_socket_decides_who_may_connect_nobody_is_a_stranger(with_port):
    async def work(port):
        reader, _writer = await port.client(HEAD % b"")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        assert port.strangers == 0

    with_port(work, key=None)


def test_the_oldest_stranger_goes_first_and_who_has_shown_the_key_stays(with_port, monkeypatch):
    monkeypatch.setattr(port_module, "MOST_STRANGERS", 3)

    async def work(port):
        known, writer = await port.client(GREETING)
        await known.readuntil(b"\r\n\r\n")
        strangers = [(await port.client())[0] for _stranger in range(5)]
        assert await is_closed(strangers[0])
        assert await is_closed(strangers[1])
        assert port.strangers == 3
        assert not any(each.at_eof() for each in strangers[2:])
        assert port.refused == ["a connection that did not show the key"] * 2
        assert await is_served(known, writer)

    with_port(work)


def test_a_report_is_served_however_many_strangers_come_before_and_after_it_at_once(with_port, monkeypatch):
    monkeypatch.setattr(port_module, "MOST_STRANGERS", 5)
    monkeypatch.setattr(port_module, "ACCEPTED_IN_A_ROW", 4)

    async def work(port):
        # The kernel takes them all before the event loop gets its turn.
        clients = [socket.create_connection(port._address) for _client in range(60)]
        clients[30].sendall(GREETING)
        try:
            clients[30].setblocking(False)
            answer = await asyncio.get_running_loop().sock_recv(clients[30], 1000)
            assert answer.startswith(b"HTTP/1.1 200 ")
            await until(lambda: port.accepted == 60)
            assert port.strangers == 5
        finally:
            for each in clients:
                each.close()

    with_port(work)


def test_late_strangers_are_closed_also_those_that_say_a_little_and_the_others_are_not(with_port, monkeypatch):
    now = [1000.0]
    # Only the module's own clock: the event loop needs the real one.
    monkeypatch.setattr(port_module, "time", types.SimpleNamespace(monotonic=lambda: now[0]))

    async def work(port):
        known, writer = await port.client(GREETING)
        await known.readuntil(b"\r\n\r\n")
        silent, _writer = await port.client()
        slow, _writer = await port.client(b"PO")
        now[0] += port_module.STRANGER_SECONDS - 1
        young, _writer = await port.client()
        now[0] += 2
        port.port.close_unauthenticated()
        assert await is_closed(silent)
        assert await is_closed(slow)
        assert port.strangers == 1
        assert not young.at_eof()
        assert await is_served(known, writer)

    with_port(work)


def test_strangers_who_leave_are_forgotten(with_port):
    async def work(port):
        _reader, writer = await port.client()
        writer.close()
        await until(lambda: port.strangers == 0)
        assert port.refused == []

    with_port(work)


def test_without_file_descriptors_a_stranger_has_to_go(with_port, monkeypatch):
    async def work(port):
        stranger, _writer = await port.client()

        class Exhausted:
            def accept(self):
                raise OSError(24, "Too many open files")

        listener = port.port._listener
        port.port._listener = Exhausted()
        port.port._accept()
        port.port._accept()
        port.port._listener = listener
        assert await is_closed(stranger)

    with_port(work)


def test_of_those_who_need_no_key_only_so_many_are_served_at_a_time(with_port):
    async def work(port):
        first, second = [await port.client() for _number in range(2)]
        third, _writer = await asyncio.open_connection(*port._address)
        assert await is_closed(third)
        assert port.refused == ["one connection too many"]
        assert await is_served(*first)
        second[1].close()
        await until(lambda: len(port.port._known) == 1)
        assert await is_served(*await port.client())

    with_port(work, key=None, most=2)
