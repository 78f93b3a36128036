# SPDX-License-Identifier: GPL-3.0-or-later
"""A recorder for tests of the sharer: its endpoints on a Unix socket, with dictionaries in place of databases."""

from __future__ import annotations

import http.server
import json
import os
import socketserver
import threading
import time
import uuid
from urllib.parse import parse_qs, urlsplit

MOST_EVENTS = 500
PAGE = 2000
PERMANENT = 253402214400


class FakeRecorder:
    """Serves at ``path``; ``databases`` is server → key → epoch seconds."""

    def __init__(self, path: str, servers: tuple[str, ...] = ("customers",)) -> None:
        self.path = path
        self.databases: dict[str, dict[str, int]] = {server: {} for server in servers}
        self.lock = threading.Condition()
        self.instance = uuid.uuid4().hex
        self.boot = "boot-1"
        self.is_lost = False
        self.events: list[list[object]] = []
        self.next = 1
        self.failing: set[str] = set()
        self.requests: list[tuple[str, str]] = []
        # When an address came and went: (server, key, "login" or "revoked", monotonic seconds).
        self.changes: list[tuple[str, str, str, float]] = []
        self.clock = time.time
        self._server: _Server | None = None

    def start(self) -> None:
        """Begin to serve."""
        if os.path.exists(self.path):
            os.unlink(self.path)
        self._server = _Server(self.path, _Handler)
        self._server.recorder = self
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self) -> None:
        """End as a killed recorder does: connections break."""
        if self._server is not None:
            server, self._server = self._server, None
            server.shutdown()
            server.server_close()
            for each in server.connections.copy():
                server.shutdown_request(each)

    def restart(self) -> None:
        """Start again as another process: events that were not acknowledged are handed out again, with other numbers."""
        self.stop()
        with self.lock:
            self.instance, self.next = uuid.uuid4().hex, 1
            for event in self.events:
                event[0] = self.next
                self.next += 1
        self.start()

    def add(self, server: str, key: str, op: str, ms: int) -> None:
        """Hand out an event."""
        with self.lock:
            self.events.append([self.next, server, key, op, ms])
            self.next += 1
            self.lock.notify_all()

    def login(self, key: str, server: str = "customers", ms: int | None = None) -> int:
        """Record a login now, and hand it out; return its ms."""
        ms = int(self.clock() * 1000) if ms is None else ms
        with self.lock:
            before = self.databases[server].get(key, 0)
            self.databases[server][key] = max(before, ms // 1000)
        self.add(server, key, "login", ms)
        return ms

    def renew(self, key: str, server: str = "customers") -> None:
        """Stamp the entry now, if there is one, and hand that out: the session of its client is open."""
        now = int(self.clock())
        with self.lock:
            if key not in self.databases[server]:
                return
            self.databases[server][key] = now
        self.add(server, key, "renew", now * 1000)

    def revoke(self, key: str, server: str = "customers", op: str = "revoke", ms: int | None = None) -> int:
        """Do as ``vsmtprelay delete``: remove the entry and hand out a revocation; return its ms."""
        ms = int(self.clock() * 1000) if ms is None else ms
        with self.lock:
            self.databases[server].pop(key, None)
        self.add(server, key, op, ms)
        return ms

    def outbox(self, instance: str, after: int, wait_ms: int) -> dict[str, object]:
        """Answer as the recorder does."""
        with self.lock:
            if instance == self.instance:
                self.events = [event for event in self.events if event[0] > after]  # type: ignore[operator]
            self.lock.wait_for(lambda: self.events or self._server is None, wait_ms / 1000)
            lost, self.is_lost = self.is_lost, False
            return {"instance": self.instance, "boot": self.boot, "lost": lost, "events": self.events[:MOST_EVENTS]}

    def change(self, servers: dict[str, dict[str, dict[str, int]]]) -> dict[str, object]:
        """Answer as the recorder does."""
        written, failed, refused, now = [], {}, {}, int(self.clock())
        with self.lock:
            for server, changes in servers.items():
                if server not in self.databases:
                    refused["unknown server"] = 1
                    failed[server] = "unknown server"
                    continue
                if server in self.failing:
                    failed[server] = "locked"
                    continue
                entries = self.databases[server]
                for key, seconds in changes["logins"].items():
                    if entries.get(key, 0) < min(seconds, now):
                        if key not in entries:
                            self.changes.append((server, key, "login", time.monotonic()))
                        entries[key] = min(seconds, now)
                for key, seconds in changes["revoked"].items():
                    if key in entries and entries[key] <= seconds:
                        del entries[key]
                        self.changes.append((server, key, "revoked", time.monotonic()))
                written.append(server)
        return {"written": written, "failed": failed, "refused": refused}

    def entries(self, server: str, page: int) -> dict[str, object] | None:
        """Answer as the recorder does; None is an unknown server."""
        with self.lock:
            if server not in self.databases:
                return None
            found = sorted(self.databases[server].items())
        pages = max(-(-len(found) // PAGE), 1)
        return {"page": page, "pages": pages, "entries": found[page * PAGE : (page + 1) * PAGE]}


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    recorder: FakeRecorder

    def __init__(self, *arguments: object) -> None:
        self.connections: set[object] = set()
        super().__init__(*arguments)  # type: ignore[arg-type]

    def process_request(self, request, client_address):
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        self.connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, _request, _client_address):
        """Say nothing about a connection that broke."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def address_string(self):
        return "sharer"

    def log_message(self, *_unused):
        pass

    def do_GET(self):
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        recorder = self.server.recorder
        recorder.requests.append(("GET", url.path))
        if url.path == "/shared/outbox":
            self._answer(recorder.outbox(query["instance"], int(query["after"]), int(query["wait"])))
        elif url.path == "/shared/entries":
            self._answer(recorder.entries(query["server"], int(query["page"])))
        else:
            self._answer(None)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert len(body) <= 64 << 10
        self.server.recorder.requests.append(("POST", self.path))
        self._answer(self.server.recorder.change(json.loads(body)["servers"]))

    def _answer(self, members):
        body = json.dumps(members or {}).encode()
        self.send_response(404 if members is None else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
