# SPDX-License-Identifier: GPL-3.0-or-later
"""A recorder with a socket that asks for the key, and clients of it. Only systemd's library is stood in for."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import sys
import types

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.login import LoginReader
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.servers.virtual_servers import VirtualServers

KEY = "k" * 40


REPORT = {"rip": "198.51.100.7", "lip": "192.0.2.1", "service": "pop3", "user": "me", "domain": "a.example"}


LET_IN = (200, 0)


LOGIN = "/login?command=allow"


@pytest.fixture
def journal(monkeypatch):
    """Stand in for systemd's library; return the list of what was sent to the journal, each line as a dictionary."""
    sent = []

    def sendv(*fields):
        sent.append(dict(field.split("=", 1) for field in fields))

    systemd = types.ModuleType("systemd")
    systemd.journal = types.SimpleNamespace(sendv=sendv)
    systemd.daemon = types.SimpleNamespace(notify=lambda _state, fds=(): True, listen_fds=list)
    monkeypatch.setitem(sys.modules, "systemd", systemd)
    from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder import fd_store
    from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder import journal as journal_module

    monkeypatch.setattr(journal_module, "journal", systemd.journal)
    for module in (journal_module, fd_store):
        monkeypatch.setattr(module, "daemon", systemd.daemon)
    return sent


@pytest.fixture
def recorder_module(journal):
    from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder import recorder

    return recorder


@pytest.fixture
def servers(tmp_path):
    """Two virtual servers, a.example and b, told apart by domain and address."""
    for name in ("a", "b"):
        (tmp_path / name / "etc").mkdir(parents=True)
    return VirtualServers.from_list(
        [
            {"name": "a", "root": str(tmp_path / "a"), "domains": ["a.example"]},
            {"name": "b", "root": str(tmp_path / "b"), "addresses": ["192.0.2.2"]},
        ]
    )


class Answer:
    """An answer: the whole of it, its status, and its body."""

    def __init__(self, whole):
        head, _blank, body = whole.partition(b"\r\n\r\n")
        self.whole = whole
        self.head = head.decode()
        self.status = int(head.split()[1])
        self.body = json.loads(body)


class Service:
    """A recorder whose socket asks for the key, and clients of it."""

    def __init__(self, recorder, log):
        from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.fd_store import DescriptorStore
        from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.http_service import HttpService
        from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.port import Port

        self.recorder = recorder
        self.log = log
        loop = asyncio.get_running_loop()
        listener = socket.create_server(("127.0.0.1", 0))
        self.address = listener.getsockname()
        take = HttpService(recorder, log).take
        self.port = Port(loop, listener, take, KEY.encode(), DescriptorStore(loop), lambda text: log.count("refused", text))
        self._clients = []

    async def connect(self):
        """Return the streams of a new client."""
        self._clients.append(await asyncio.open_connection(*self.address))
        return self._clients[-1]

    async def ask(self, body=b"", key=KEY, path=LOGIN, method="POST", client=None, password=None):
        """Send one request; return the answer."""
        reader, writer = client or await self.connect()
        shown = [] if key is None else [f"X-API-Key: {key}"]
        if password is not None:
            shown.append(f"Authorization: Basic {base64.b64encode(f'vsmtprelay:{password}'.encode()).decode()}")
        lines = [f"{method} {path} HTTP/1.1", "Host: x", *shown, f"Content-Length: {len(body)}"]
        writer.write("".join(f"{line}\r\n" for line in [*lines, ""]).encode() + body)
        head = await reader.readuntil(b"\r\n\r\n")
        return Answer(head + await reader.readexactly(int(head.partition(b"Content-Length: ")[2].split()[0])))

    async def close(self):
        self.port.close()
        self.port.abandon()
        for _reader, writer in self._clients:
            writer.close()
        await self.recorder.finish()
        await asyncio.sleep(0)  # what is noted after the answer
        self.log.flush()


@pytest.fixture
def serve(recorder_module, servers, journal):
    """Return what runs a coroutine function with a Service; ``serve.counters`` are those of the last run."""
    from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.journal import RecorderLog

    def run(work, **options):
        async def whole():
            log = RecorderLog()
            run.counters = log.counters
            recorder = recorder_module.Recorder(servers, LoginReader(["203.0.113.0/24"]), log, **options)
            service = Service(recorder, log)
            try:
                async with asyncio.timeout(60):
                    return await work(service)
            finally:
                await service.close()

        return asyncio.run(whole())

    return run


@pytest.fixture
def unhurried(monkeypatch, recorder_module):
    """Let a login wait for its database as long as a busy machine needs."""
    monkeypatch.setattr(recorder_module, "ANSWER_SECONDS", 20.0)


@pytest.fixture
def post(serve, unhurried):
    """Return what posts reports, one after the other, and returns status and JSON of the last answer."""

    def post(*bodies, options=None, **more):
        async def talk(service):
            for body in bodies:
                answer = await service.ask(body, **more)
            return answer.status, answer.body["status"] if answer.status == 200 else None

        return serve(talk, **(options or {}))

    return post


def report(**members):
    return json.dumps({**REPORT, **members}).encode()


class Answers:
    """Stands in for AuthMaster: what it is asked, and what comes out."""

    base_directory = "/run/dovecot"

    def __init__(self):
        self.error = None
        self.asked = []
        self.bases = []
        self.is_silent = False
        self._waiting = []

    def ask(self, login, then):
        self.asked.append(login.user)
        self._waiting.append((login, then))
        if not self.is_silent:
            asyncio.get_running_loop().call_soon(self.answer)

    def answer(self):
        waiting, self._waiting = self._waiting, []
        for login, then in waiting:
            then(login.user if self.error is None else self.error)

    def is_asking(self):
        return bool(self._waiting)

    def close(self):
        pass


@pytest.fixture
def answers(recorder_module, monkeypatch):
    answers = Answers()

    def master(base, has_userdb, keep):
        del has_userdb, keep
        answers.bases.append(base)
        answers.base_directory = base
        return answers

    monkeypatch.setattr(recorder_module, "AuthMaster", master)
    return answers


ASKED = {"options": {"dovecot": "/run/dovecot"}}
