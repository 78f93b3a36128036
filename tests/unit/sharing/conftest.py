# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that share their logins: each a whole sharer in this process, with a recorder of dictionaries, over real engines."""

from __future__ import annotations

import json
import shutil
import threading
import time
from pathlib import Path

import pytest

from ansible_collections.vsmtp.relay.dev.support import engines as engine_module
from ansible_collections.vsmtp.relay.dev.support.fake_recorder import FakeRecorder
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing import access, configuration, receiver
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.clock import Clock
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.configuration import (
    Configuration,
    Engine,
    SharedServer,
)
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.sharer import Sharer

HOSTS = ("mail1", "mail2", "mail3")
MINUTES = 60


def secret_of(host):
    return (host.encode().hex() + "0" * 64)[:64]


class SetClock(Clock):
    """A clock that is ``ahead`` ms of the right time; ``passed`` ms go by at once."""

    def __init__(self, ahead=0):
        self.ahead = ahead
        self.passed = 0
        super().__init__()

    def shown(self):
        return super().shown() + self.ahead + self.passed

    def steady(self):
        return super().steady() + self.passed


class Host:
    """A host: its recorder, and its sharer, which can be started anew."""

    def __init__(self, name, directory, engines, ahead=0, hosts=HOSTS, servers=("customers",), **switches):
        self.name = name
        self.directory = directory
        self.clock = SetClock(ahead)
        for each in ("state", "runtime"):
            (directory / each).mkdir(parents=True)
        self.recorder = FakeRecorder(str(directory / "recorder"), servers)
        self.recorder.clock = lambda: self.clock.shown() / 1000
        shared = {server: {"hosts": list(hosts), "minutes": MINUTES} for server in servers}
        members = {
            "host": name,
            "engines": [{"host": "localhost", "port": engine.port} for engine in engines],
            "ca": str(directory / "ca.pem"),
            "servers": shared,
            "publishes": True,
            "receives": True,
            **switches,
        }
        (directory / "ca.pem").write_text("".join(Path(engine.ca).read_text() for engine in engines))
        (directory / "share.json").write_text(json.dumps(members))
        self.sharer = None
        self._stopped = threading.Event()

    def start(self):
        if self.recorder._server is None:
            self.recorder.start()
        self.start_sharer()
        return self

    def start_sharer(self):
        configured = configuration.load(str(self.directory / "share.json"))
        paths = (str(self.directory / "state"), self.recorder.path, str(self.directory / "runtime"))
        self.sharer = Sharer(configured, secret_of(self.name), *paths, clock=self.clock)
        self.sharer.start()
        self._stopped = threading.Event()
        threading.Thread(target=self._care, args=(self.sharer, self._stopped), daemon=True).start()

    def _care(self, sharer, stopped):
        while not stopped.wait(0.2):
            sharer.care()

    def stop_sharer(self):
        if self.sharer is not None:
            self._stopped.set()
            time.sleep(0.25)
            self.sharer.stop()
            self.sharer = None

    def lose_store(self):
        self.stop_sharer()
        shutil.rmtree(self.directory / "state")
        (self.directory / "state").mkdir()

    def stop(self):
        self.stop_sharer()
        self.recorder.stop()

    def login(self, key, **more):
        return self.recorder.login(key, **more)

    def revoke(self, key, **more):
        return self.recorder.revoke(key, **more)

    @property
    def open(self):
        """The addresses in its database."""
        with self.recorder.lock:
            return set(self.recorder.databases["customers"])

    @property
    def status(self):
        return self.sharer.status.members(self.sharer.store, self.sharer.clocks, self.clock.shown())


@pytest.fixture(autouse=True)
def _holds_end_by_what_is_read(monkeypatch):
    """Have a receiver that holds what opens without need be seen: no test waits until it lets go after a time."""
    monkeypatch.setattr(receiver, "LONGEST_HOLD_MS", 600_000)


@pytest.fixture
def engine(tmp_path):
    """Return what starts an engine for some hosts."""
    if shutil.which(engine_module.PROGRAM) is None:
        pytest.skip("redis-tools is not installed")
    pytest.importorskip("redis")
    started = []

    def start(hosts=HOSTS, maxmemory="0"):
        lines = [access.DEFAULT_USER]
        lines += [line for host in hosts for line in access.acl_lines(host, secret_of(host))]
        started.append(engine_module.Engine(tmp_path / f"engine{len(started) + 1}", lines, maxmemory))
        started[-1].start()
        return started[-1]

    yield start
    for each in started:
        each.kill()


@pytest.fixture
def host(tmp_path):
    """Return what makes and starts a host."""
    made = []

    def make(name, *engines, **more):
        made.append(Host(name, tmp_path / name, engines, **more))
        return made[-1].start()

    yield make
    for each in made:
        each.stop()


@pytest.fixture
def admin():
    """Return what sends commands to an engine as nobody of the fleet could."""
    from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.engine import Connection

    def connect(engine, user=engine_module.ADMIN, secret=engine_module.ADMIN):
        return Connection(Engine("localhost", engine.port), user, secret, engine.ca)

    return connect


@pytest.fixture
def configured():
    """Return a configuration without files."""
    servers = (
        SharedServer("customers", frozenset(HOSTS), MINUTES * 60_000),
        SharedServer("other", frozenset({"mail1", "mail3"}), MINUTES * 60_000),
    )
    return Configuration("mail1", (Engine("engine1", 6380),), "/ca.pem", servers, True, True)
