# SPDX-License-Identifier: GPL-3.0-or-later
"""The command vsmtprelay-share: its options, its status, its check of an engine, and the service itself."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import types
from pathlib import Path

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing import access, libraries, sharer, status_text
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.main import main
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.store import Damaged, Store

from .conftest import HOSTS, secret_of

CODE = """import sys
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.main import main
sys.exit(main(sys.argv[1:]))
"""


class Service:
    """The sharer of a host as a process of its own."""

    def __init__(self, host):
        self.host = host
        self.process = None
        (host.directory / "secret").write_text(secret_of(host.name))

    @property
    def arguments(self):
        directory = self.host.directory
        return [
            *("--config", str(directory / "share.json"), "--secret-file", str(directory / "secret")),
            *("--state", str(directory / "state"), "--recorder", self.host.recorder.path),
            *("--runtime", str(directory / "runtime")),
        ]

    def start(self, **environment):
        path = os.pathsep.join(each for each in sys.path if each)
        with open(self.host.directory / "log", "a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", CODE, *self.arguments], stderr=log, env={**os.environ, "PYTHONPATH": path, **environment}
            )

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(20)


@pytest.fixture
def service(host, engine):
    """Return an engine, a host in this process, and the service of another one."""
    one = engine()
    first, second = host("mail1", one), host("mail2", one)
    second.stop_sharer()
    result = Service(second)
    yield one, first, result
    if result.process is not None and result.process.poll() is None:
        result.end(signal.SIGKILL)


def test_nothing_is_lost_or_invented_when_it_is_killed_again_and_again(service, eventually):
    _one, first, second = service
    here, there = set(), set()
    for turn in range(5):
        second.start()
        end = time.monotonic() + 1 + turn / 10
        while time.monotonic() < end:
            first.login(key := f"10.1.{turn}.{len(here) % 250}")
            here.add(key)
            second.host.login(key := f"10.2.{turn}.{len(there) % 250}")
            there.add(key)
            time.sleep(0.01)
        second.end(signal.SIGKILL)
    second.start()
    eventually(lambda: first.open == second.host.open == here | there, 20)


def test_it_ends_at_once_and_writes_its_status_meanwhile(service, eventually, capsys):
    _one, first, second = service
    second.start()
    first.login("10.0.0.1")
    eventually(lambda: second.host.open == {"10.0.0.1"})

    def is_fine():
        try:
            return main([*second.arguments, "--status"]) == 0
        finally:
            is_fine.text = capsys.readouterr().out

    eventually(is_fine)
    assert f"localhost:{_one.port}: connected since" in is_fine.text
    eventually(lambda: main([*second.arguments, "--status"]) == 0 and "addresses opened by mail1: 1" in capsys.readouterr().out)
    assert main([*second.arguments, "--status", "--json"]) == 0
    members = json.loads(capsys.readouterr().out)
    assert members["host"] == "mail2"
    assert members["engines"][0]["lag_ms"] < 5000
    began = time.monotonic()
    assert second.end() == 0
    assert time.monotonic() - began < 3


def test_a_damaged_store_ends_the_service(service, monkeypatch, capsys):
    second = service[2]
    from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing import main as module

    class Broken(sharer.Sharer):
        def start(self):
            self.fault = "the store is damaged"

    monkeypatch.setattr(module, "Sharer", Broken)
    monkeypatch.setattr(module.signal, "signal", lambda *_unused: None)
    assert main(second.arguments) == 70
    assert capsys.readouterr().err == "vsmtprelay-share: the store is damaged\n"


def test_the_lines_for_the_engine_are_printed(service, capsys):
    assert main([*service[2].arguments, "--acl"]) == 0
    assert capsys.readouterr().out.splitlines() == access.acl_lines("mail2", secret_of("mail2"))


def test_a_secret_is_created(tmp_path):
    assert main(["--create-secret", str(tmp_path / "secret")]) == 0
    assert access.load_secret(str(tmp_path / "secret"))


def test_without_configuration_it_says_in_one_line_what_to_do(tmp_path, capsys):
    assert main(["--config", str(tmp_path / "share.json")]) == 66
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(("library", "package"), [("PlainConnection", "python3-redis"), ("daemon", "python3-systemd")])
def test_a_missing_library_is_named_by_its_package(service, monkeypatch, capsys, library, package):
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere")
    monkeypatch.setattr(libraries, library, None)
    assert main(service[2].arguments) == 69
    assert capsys.readouterr().err == f"vsmtprelay-share: install {package} from the distribution\n"


def test_systemd_is_notified(service, monkeypatch):
    from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing import main as module

    notified = []
    monkeypatch.setattr(libraries, "daemon", types.SimpleNamespace(notify=notified.append))
    monkeypatch.setattr(module.signal, "signal", lambda _number, handler: handler(0, None) if len(notified) > 2 else None)

    class Stopping(sharer.Sharer):
        turns = 0

        def care(self):
            self.turns += 1
            if self.turns == 2:
                self.fault = "enough"
            return super().care()

    monkeypatch.setattr(module, "Sharer", Stopping)
    monkeypatch.setattr(module, "CARE_SECONDS", 0.05)
    main(service[2].arguments)
    assert notified[0] == "READY=1"
    assert "WATCHDOG=1" in notified
    assert any(each.startswith("STATUS=") and "engines" in each for each in notified)
    assert notified[-1] == "STOPPING=1"


def pullers():
    """Return how many sharers run in this process."""
    return [thread.name for thread in threading.enumerate()].count("read the outbox")


@pytest.mark.parametrize("method", ["clamp", "count_todo"])
@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            sqlite3.OperationalError("disk is full"),
            (73, "the store cannot be used: disk is full; check the directory and the disk"),
        ),
        (Damaged("store.db: is damaged; a new one is made"), (70, "store.db: is damaged; a new one is made")),
    ],
)
def test_a_store_that_fails_at_the_start_or_later_ends_it_with_one_line(service, monkeypatch, capsys, method, error, expected):
    second = service[2]

    def fail(*_unused):
        raise error

    monkeypatch.setattr(Store, method, fail)
    monkeypatch.setattr(signal, "signal", lambda _number, _handler: None)
    monkeypatch.setattr(sys, "setswitchinterval", lambda _seconds: None)
    before = pullers()
    assert main(second.arguments) == expected[0]
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("vsmtprelay-share: ")]
    assert len(said) == 1
    assert said[0].endswith(expected[1])
    assert pullers() == before


def check(second, capsys):
    status = main([*second.arguments, "--check"])
    return status, capsys.readouterr().out


def test_an_engine_that_permits_what_is_needed_and_no_more_is_fine(service, capsys):
    assert check(service[2], capsys) == (0, "")


def test_what_an_engine_lacks_is_said_in_one_line(service, admin, capsys, monkeypatch):
    one, _first, second = service
    with admin(one) as connection:
        for command, expected in (
            (("mail2-pub", "-zadd"), "ZADD as mail2-pub is refused"),
            (("mail2-pub", "+zadd", "+get", "allkeys"), "PEXPIRE vsmtprelay:1:-:logins as mail2-pub is not refused"),
            (("mail2-sub", "+pexpire"), "PEXPIRE vsmtprelay:1:-:logins as mail2-sub is not refused"),
            (("mail2-pub", "off"), "give the engine the user mail2-pub with this host's secret"),
            (("default", "on", "nopass", "+@all", "~*"), "takes commands without a password"),
        ):
            connection.ask("ACL", "SETUSER", *command)
            status, text = check(second, capsys)
            assert status == status_text.BROKEN
            assert expected in text
            assert text.startswith(f"localhost:{one.port}: ")
            assert text.count("\n") == 1


def test_an_engine_with_another_name_or_issuer_is_refused(service, engine, capsys):
    one, _first, second = service
    path = second.host.directory / "share.json"
    members = json.loads(path.read_text())
    path.write_text(json.dumps({**members, "engines": [{"host": "127.0.0.1", "port": one.port}]}))
    status, text = check(second, capsys)
    assert status == status_text.BROKEN
    assert "check the name and the issuer of its certificate" in text
    path.write_text(json.dumps({**members, "ca": engine().ca}))
    status, text = check(second, capsys)
    assert status == status_text.BROKEN
    assert "check the name and the issuer of its certificate" in text
    path.write_text(json.dumps({**members, "ca": str(path.with_name("missing.pem"))}))
    status, text = check(second, capsys)
    assert status == status_text.BROKEN
    assert "missing.pem" in text


def test_one_engine_of_two_that_is_away_needs_attention(service, engine, capsys):
    one, _first, second = service
    two = engine()
    directory = second.host.directory
    members = json.loads((directory / "share.json").read_text())
    members["engines"].append({"host": "localhost", "port": two.port})
    (directory / "share.json").write_text(json.dumps(members))
    (directory / "ca.pem").write_text("".join(Path(each.ca).read_text() for each in (one, two)))
    assert check(second, capsys) == (0, "")
    one.kill()
    status, text = check(second, capsys)
    assert status == status_text.ATTENTION
    assert text.startswith(f"localhost:{one.port}: ")
    assert text.count("\n") == 1
    two.kill()
    status, text = check(second, capsys)
    assert status == status_text.BROKEN
    assert text.count("\n") == 2


def test_an_engine_that_is_away_is_named(service, capsys):
    one, _first, second = service
    one.kill()
    status, text = check(second, capsys)
    assert status == status_text.BROKEN
    assert text.count("\n") == 1


FINE = {
    "version": "0",
    "host": "mail1",
    "written": 1000,
    "engines": [
        {
            "engine": "engine1:6380",
            "connected": True,
            "since": 900,
            "error": None,
            "offset_ms": -600_000,
            "last_published": None,
            "unsent": 3,
            "lag_ms": 7,
            "refused": {},
        }
    ],
    "addresses": {"mail2": 5},
    "todo": 2,
    "failed_servers": {},
    "recorder": {"reachable": True, "error": None},
    "alone_since": None,
}
ENGINE = FINE["engines"][0]


@pytest.mark.parametrize(
    ("changes", "verdict", "line"),
    [
        ({}, 0, "to be written to the databases: 2"),
        ({"written": 900}, 2, "this is 100 seconds old"),
        ({"alone_since": 950}, 2, "goes on alone since "),
        ({"recorder": {"reachable": False, "error": "away"}}, 2, "recorder: away"),
        ({"engines": [{**ENGINE, "connected": False, "error": "away; look"}]}, 1, "  away; look"),
        (
            {"engines": [{**ENGINE, "refused": {"mail3": {"future": 2, "limit": 1}}}]},
            1,
            "refused from mail3: future 2, limit 1",
        ),
        ({"engines": [{**ENGINE, "last_published": 990, "lag_ms": None, "offset_ms": None}]}, 0, ", published "),
        ({"failed_servers": {"a": "locked"}}, 1, "a: its database is not written: locked"),
    ],
    ids=str,
)
def test_the_status_for_people_and_for_monitoring(changes, verdict, line):
    members = {**FINE, **changes}
    assert status_text.verdict(members, 1000) == verdict
    assert any(line in each for each in status_text.lines(members, 1000))


@pytest.mark.parametrize(("content", "status"), [(None, 66), ("{}", 65), ("[", 65), ('{"engines": 5}', 65)])
def test_a_status_that_is_none(tmp_path, capsys, content, status):
    if content is not None:
        (tmp_path / "status.json").write_text(content)
    assert main(["--runtime", str(tmp_path), "--status"]) == status
    assert "systemctl status vsmtprelay-share" in capsys.readouterr().err


def test_all_hosts_of_the_tests_have_secrets():
    assert len({secret_of(name) for name in HOSTS}) == len(HOSTS)
