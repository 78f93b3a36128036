# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules of an engine and of the secrets that it takes."""

from __future__ import annotations

import grp
import hashlib
import os
import socket
import threading

import pytest

from ansible_collections.vsmtp.relay.dev.support.root import needs_root
from ansible_collections.vsmtp.relay.plugins.module_utils._module import share_engine_info
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.programs import Ended

GROUP = grp.getgrgid(os.getegid()).gr_name
ONE, TWO = "1" * 64, "2" * 64


def test_a_secret_is_made_once_and_only_its_hash_is_returned(run, tmp_path):
    path = tmp_path / "secret"
    assert run("share_secret", check=True, path=str(path)) == {"changed": True, "sha256": None}
    result = run("share_secret", path=str(path))
    secret = path.read_text().strip()
    assert result == {"changed": True, "sha256": hashlib.sha256(secret.encode()).hexdigest()}
    assert path.stat().st_mode & 0o7777 == 0o600
    assert run("share_secret", path=str(path)) == {**result, "changed": False}
    path.write_text("mine\n")
    assert "holds no secret" in run("share_secret", path=str(path))["msg"]


class Server:
    """A server that takes a command after the other and gives each the next answer."""

    def __init__(self, path, answers):
        self.commands = []
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(path)
        self._listener.listen()
        threading.Thread(target=self._serve, args=(answers,), daemon=True).start()

    def _serve(self, answers):
        connection, _address = self._listener.accept()
        with connection, self._listener:
            for answer in answers:
                self.commands.append(connection.recv(4096))
                connection.sendall(answer)


@pytest.fixture
def users(run, tmp_path):
    """Return what runs share_engine_users for hosts, and returns the result."""

    def ensure(hosts, check=False, **options):
        paths = {name: str(tmp_path / name) for name in ("path", "socket", "admin", "memory")}
        return run("share_engine_users", check=check, hosts=hosts, group=GROUP, **paths, **options)

    return ensure


@needs_root
def test_users_are_written_before_the_server_runs(users, tmp_path):
    announced = users({"mail1": ONE}, check=True)
    assert (announced["changed"], announced["changed_hosts"], announced["loaded"]) == (True, ["mail1"], False)
    assert list(tmp_path.iterdir()) == []
    result = users({"mail1": ONE})
    assert (result["changed_hosts"], result["loaded"]) == (["mail1"], False)
    assert ONE not in repr(result)
    assert f"mail1-pub on #{ONE} ~" in (tmp_path / "path").read_text()
    assert (tmp_path / "path").stat().st_mode & 0o7777 == 0o640
    assert (tmp_path / "admin").read_text().strip() not in (tmp_path / "path").read_text()
    assert not users({"mail1": ONE})["changed"]


@needs_root
def test_a_server_that_runs_loads_them_and_no_argument_has_the_secret(users, tmp_path):
    users({"mail1": ONE})
    server = Server(str(tmp_path / "socket"), [b"+OK\r\n", b"+OK\r\n"])
    result = users({"mail1": TWO, "mail2": ONE}, keep_old=True)
    assert (result["changed_hosts"], result["loaded"]) == (["mail1", "mail2"], True)
    assert result["diff"][0]["after"] == "mail1\nmail2\n"
    secret = (tmp_path / "admin").read_text().strip()
    assert server.commands[0] == f"*3\r\n$4\r\nAUTH\r\n$16\r\nvsmtprelay-admin\r\n$64\r\n{secret}\r\n".encode()
    assert server.commands[1] == b"*2\r\n$3\r\nACL\r\n$4\r\nLOAD\r\n"
    assert f"#{TWO} #{ONE}" in (tmp_path / "path").read_text()


@needs_root
@pytest.mark.parametrize(
    ("answers", "words"),
    [([b"-WRONGPASS x\r\n"], "answers -WRONGPASS x"), ([b"+OK\r\n", b"-ERR y\r\n"], "answers -ERR y"), ([], "restart it")],
)
def test_a_server_that_does_not_load_them_is_asked_again_by_the_next_run(users, tmp_path, answers, words):
    Server(str(tmp_path / "socket"), answers)
    assert words in users({"mail1": ONE})["msg"]
    os.unlink(tmp_path / "socket")
    Server(str(tmp_path / "socket"), [b"+OK\r\n", b"+OK\r\n"])
    assert users({"mail1": ONE})["loaded"]
    assert not users({"mail1": ONE})["changed"]


POLICY = (
    "valkey-server:\n  Installed: (none)\n  Candidate: {}\n  Version table:\n"
    "redis-server:\n  Installed: (none)\n  Candidate: 5:7\n"
)


@pytest.mark.parametrize(
    ("policy", "installed", "before", "expected"),
    [
        (POLICY.format("8.1"), [], None, ("valkey-server", ["valkey-server", "openssl"], True)),
        (POLICY.format("(none)"), [], None, ("redis-server", ["redis-server", "openssl"], True)),
        (POLICY.format("8.1"), ["openssl"], None, ("valkey-server", ["valkey-server"], True)),
        (POLICY.format("8.1"), ["valkey-server"], None, ("valkey-server", ["openssl"], False)),
        (POLICY.format("8.1"), ["valkey-server", "openssl"], None, ("valkey-server", [], False)),
        (POLICY.format("8.1"), ["valkey-server", "openssl"], "apt\n", ("valkey-server", [], True)),
        (POLICY.format("8.1"), ["valkey-server", "openssl"], "apt\nvalkey-server\n", ("valkey-server", [], False)),
        ("", [], None, ("redis-server", ["redis-server", "openssl"], True)),
    ],
)
def test_the_package_is_that_of_the_release_and_fresh_if_the_role_installs_it(
    run, tmp_path, monkeypatch, policy, installed, before, expected
):
    def answer(command, _seconds):
        shown = policy if command[0] == "apt-cache" else "installed" if command[-1] in installed else ""
        return Ended(0, shown.encode(), b"")

    monkeypatch.setattr(share_engine_info.programs, "run", answer)
    monkeypatch.setattr(share_engine_info, "configuration_of", lambda package: str(tmp_path / package))
    if before is not None:
        (tmp_path / "packages.before").write_text(before)
    result = run("share_engine_info", role={}, memory=str(tmp_path))
    assert (result["package"], result["missing_packages"], result["fresh"]) == expected
    assert result["service"] == f"{expected[0]}@vsmtprelay.service"
    assert result["server"] == expected[0].partition("-")[0]


def test_an_engine_keeps_its_package(run, tmp_path, monkeypatch):
    monkeypatch.setattr(share_engine_info.programs, "run", lambda *unused: Ended(0, b"installed", b""))
    monkeypatch.setattr(share_engine_info, "configuration_of", lambda package: str(tmp_path / package))
    (tmp_path / "redis-server").touch()
    assert run("share_engine_info", role={"port": 0}, memory=str(tmp_path))["package"] == "redis-server"


def test_the_configuration_is_that_of_an_instance():
    assert share_engine_info.configuration_of("redis-server") == "/etc/redis/redis-vsmtprelay.conf"
    assert share_engine_info.configuration_of("valkey-server", "/x") == "/x/valkey/valkey-vsmtprelay.conf"
