# SPDX-License-Identifier: GPL-3.0-or-later
"""A recorder with its two sockets in this process, one for reports and one for the sharer, and clients of it."""

from __future__ import annotations

import asyncio
import functools
import json
import socket
import sys

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder import (
    large_write,
    recorder,
)
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.fd_store import DescriptorStore, NoStore
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.http_service import HttpService
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.journal import RecorderLog
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.login import LoginReader
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.port import Port
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.shared_logins import SharedLogins
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.shared_service import SharedService
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.spool import Spool
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.handover import Handover
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.outbox import Outbox
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.requests import LARGEST_CHANGES

REPORT = {"rip": "198.51.100.7", "lip": "192.0.2.1", "service": "pop3", "user": "me", "domain": "a.example"}
LOGIN = "/login?command=allow"
A, B, C = "198.51.100.1", "198.51.100.2", "198.51.100.3"
V6 = "ipv6:2001:db8:1234:5678:9abc:def0:1234:5678"
PERMANENT = 253402214400
CHILD = f"""
import sys
sys.path[:0] = {sys.path!r}
from {large_write.__name__} import main
sys.exit(main(sys.argv[1]))
"""


class Answer:
    """An answer: its status and its body."""

    def __init__(self, head, body):
        self.status = int(head.split()[1])
        self.body = json.loads(body)


class Client:
    """A connection to one of the sockets."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    def send(self, path, body=None, method=None):
        content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        method = method or ("GET" if body is None else "POST")
        self.writer.write(f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content)

    async def receive(self):
        head = await self.reader.readuntil(b"\r\n\r\n")
        return Answer(head, await self.reader.readexactly(int(head.partition(b"Content-Length: ")[2].split()[0])))

    async def ask(self, path, body=None, method=None):
        self.send(path, body, method)
        return await self.receive()


class Host:
    """A recorder with its two sockets, one for reports and one for the sharer."""

    def __init__(self, servers, directory, is_sharing=True):
        loop = asyncio.get_running_loop()
        self.log = RecorderLog()
        self.directory = directory
        self.handover = Handover(Outbox(str(directory / "outbox")), str(directory / "changes"), "boot", self.log.shared)
        logins = SharedLogins(servers, self.handover.add) if is_sharing else None
        reader = LoginReader(["203.0.113.0/24"])
        self.recorder = recorder.Recorder(servers, reader, self.log, Spool(str(directory / "spool")), shared=logins)
        self.recorder.writers._large._command = [sys.executable, "-c", CHILD]
        self.shared = SharedService(servers, reader, self.recorder.writers, self.handover, self.log)
        takes = {"login": HttpService(self.recorder, self.log).take, "shared": self.shared.take}
        self.ports, self._clients = [], []
        for name, take in takes.items():
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(str(directory / name))
            listener.listen()
            store = NoStore(loop) if name == "shared" else DescriptorStore(loop)
            self.ports.append(
                Port(loop, listener, take, None, store, functools.partial(self.log.count, "refused"), None, LARGEST_CHANGES)
            )

    async def connect(self, name="shared"):
        client = Client(*await asyncio.open_unix_connection(str(self.directory / name), limit=1 << 22))
        self._clients.append(client)
        return client

    async def log_in(self, address, **members):
        client = await self.connect("login")
        answer = await client.ask(LOGIN, {**REPORT, "rip": address, **members})
        assert (answer.status, answer.body["status"]) == (200, 0)

    async def change(self, client=None, **servers):
        return (await (client or await self.connect()).ask("/shared/changes", {"servers": servers})).body

    async def close(self):
        self.shared.finish()
        for port in self.ports:
            port.close()
            port.abandon()
        for client in self._clients:
            client.writer.close()
        await self.recorder.finish()
        self.log.flush()


def outbox(after=0, instance="", wait=0):
    return f"/shared/outbox?instance={instance}&after={after}&wait={wait}"


def events_of(answer):
    return [event[1:4] for event in answer.body["events"]]
