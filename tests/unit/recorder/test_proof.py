# SPDX-License-Identifier: GPL-3.0-or-later
"""The proof that logins reach the recorder: a stand-in for Dovecot, and a recorder that is real but for its journal."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import os
import shutil
import socket
import stat
import subprocess
import threading
import time
import types
from pathlib import Path

import pytest
import yaml

from ansible_collections.vsmtp.relay.dev.support.root import needs_root
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder import (
    auth_probe,
    dovecot_instances,
    http_service,
    proof,
)
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder import recorder as recorder_module
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.dovecot_instances import Instance, Settings
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.login import LoginReader
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.port import Port
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.servers.virtual_servers import VirtualServers

ROLE = Path(__file__).parents[3] / "roles" / "pop_before_smtp"
SECRET = bytes(range(32))
OURS = "http://vsmtprelay.invalid/login"
FINE = {"server_url": OURS, "check_before_auth": "no", "check_after_auth": "yes"}
# Long enough for a busy machine; nothing waits for it to pass.
PLENTY = 60.0


class Dovecot:
    """An auth process that knows two mechanisms, and reports as it is told to."""

    def __init__(self, directory, recorder):
        self.base = directory / "run"
        self.recorder = recorder
        self.realm = self.fields = ""
        self.reports_before, self.reports_after, self.accepts_any_password = False, True, False
        self.refuses_tokens, self.answers_passwords = False, True
        self.silent_logins = 0
        self.clients = []
        self.cancelled = threading.Event()
        self._listeners = []
        for name in ("token-login/tokenlogin", "login/login"):
            path = self.base / name
            path.parent.mkdir(parents=True)
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(str(path))
            listener.listen()
            self._listeners.append(listener)
            threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        (self.base / "auth-token-secret.dat").write_bytes(SECRET)

    def close(self):
        for listener in self._listeners:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def _accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                connection, _address = listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection, connection.makefile("rw") as stream:
            assert stream.readline() == "VERSION\t1\t1\n"
            self.clients.append(int(stream.readline().split()[1]))
            stream.write("VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\tff\nDONE\n")
            stream.flush()
            for line in stream:
                words = line.rstrip("\n").split("\t")
                if words[0] == "CANCEL":
                    self.cancelled.set()
                    return
                fields = dict(word.partition("=")[::2] for word in words[3:])
                assert words[-1].startswith("resp=")
                response = base64.b64decode(words[-1][len("resp=") :])
                accepted, user = self._login(words[2], fields, response)
                if words[2] == "PLAIN" and not self.answers_passwords:
                    continue
                stream.write(f"{'OK' if accepted else 'FAIL'}\t{words[1]}\tuser={user}{self.fields}\n")
                stream.flush()

    def _login(self, mechanism, fields, response):
        if mechanism == "PLAIN":
            user = response.decode().split("\0")[1] + self.realm
            accepted = self.accepts_any_password
            if self.reports_before:
                self._report(user, mechanism, fields)
        else:
            service, process, user, session, token = response.decode().split("\0")
            user += self.realm
            right = hmac.new(user.encode(), f"{process}{session}{service}".encode() + SECRET, hashlib.sha1).hexdigest()
            accepted = token == right and not self.refuses_tokens
        if accepted and self.reports_after:
            if self.silent_logins:
                self.silent_logins -= 1
            else:
                self._report(user, mechanism, fields)
        return accepted, user

    def _report(self, user, mechanism, fields):
        report = {name: fields[name] for name in ("rip", "lip", "service", "session")}
        body = json.dumps({**report, "user": user, "domain": "", "mechanism": mechanism})
        connection = proof.RecorderConnection(self.recorder, PLENTY)
        connection.request("POST", "/login?command=allow", body)
        assert connection.getresponse().status == 200
        connection.close()


@pytest.fixture
def recorder(tmp_path):
    """Return what starts a recorder with one virtual server at a socket, and returns the path of the socket."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    path = str(tmp_path / "recorder.sock")
    ports = []

    async def serve(dovecot):
        log = types.SimpleNamespace(count=lambda *unused: None)
        servers = VirtualServers.from_list([{"name": "main", "root": str(tmp_path)}])
        recorder = recorder_module.Recorder(servers, LoginReader(), log, dovecot=dovecot)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen()
        store = types.SimpleNamespace(opened=lambda _connection: None, closed=lambda _connection: None)
        take = http_service.HttpService(recorder, log).take
        ports.append(Port(asyncio.get_running_loop(), listener, take, None, store, lambda _message: None))

    async def stop():
        for each in ports:
            each.close()
            each.abandon()

    def start(dovecot=""):
        asyncio.run_coroutine_threadsafe(serve(dovecot), loop).result(PLENTY)
        return path

    yield start
    asyncio.run_coroutine_threadsafe(stop(), loop).result(PLENTY)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(PLENTY)
    loop.close()


@pytest.fixture
def dovecot(tmp_path, recorder):
    dovecot = Dovecot(tmp_path, recorder())
    yield dovecot
    dovecot.close()


@pytest.fixture
def instance(tmp_path):
    """Return what makes an instance with settings, whose programs print what Dovecot's would; 2.3 or 2.4."""

    def make(version="2.4.1-4 (7d8c0e5759)", status=0, passdbs="", **settings):
        values = {**FINE, **settings}
        old = version.startswith("2.3.")
        lines = [f"{'auth_policy_' if old else '  '}{name} = {value}" for name, value in values.items()]
        text = "\n".join([*(lines if old else ["auth_policy {", *lines, "}"]), passdbs])
        prefix = "auth_policy_" if old else "auth_policy/"
        expected = " ".join(["-c", "/etc/dovecot/dovecot.conf", *(prefix + name for name in values), "passdb"])
        scripts = {
            "sbin/dovecot": f"echo '{version}'",
            "bin/doveconf": f'test "$*" = "{expected}" || exit 9\ncat <<END\n{text}\nEND\nexit {status}',
        }
        for name, script in scripts.items():
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o755)
        return Instance(str(tmp_path / "run"), "/etc/dovecot/dovecot.conf", str(tmp_path / "sbin" / "dovecot"))

    return make


def fault_of(instance, dovecot, seconds=PLENTY):
    return proof.fault_of(instance, time.monotonic() + seconds, dovecot.recorder)


@pytest.mark.parametrize("version", ["2.3.19.1 (9b53102964)", "2.4.1-4 (7d8c0e5759)"])
def test_a_dovecot_that_reports_logins_is_proven(dovecot, instance, version):
    assert fault_of(instance(version), dovecot) == ""


def test_the_login_that_was_tried_is_taken_back_and_is_no_client_s_number_that_a_process_can_have(dovecot, instance):
    assert fault_of(instance(), dovecot) == ""
    assert dovecot.cancelled.wait(PLENTY)
    # One with a token, then one with a wrong password and another token during it.
    assert len(dovecot.clients) == 3
    assert len(set(dovecot.clients)) == 2
    assert min(dovecot.clients) > int(Path("/proc/sys/kernel/pid_max").read_text())


def test_who_asks_quietly_tries_no_wrong_password(dovecot, instance):
    assert proof.fault_of(instance(), time.monotonic() + PLENTY, dovecot.recorder, quietly=True) == ""
    assert len(dovecot.clients) == 1
    dovecot.silent_logins = 100
    fault = proof.fault_of(instance(), time.monotonic(), dovecot.recorder, quietly=True)
    assert "does not report logins, though its files say so" in fault


def test_a_query_in_the_url_is_of_no_account(dovecot, instance):
    assert fault_of(instance(server_url=f"{OURS}?base=/run/dovecot2"), dovecot) == ""


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"server_url": ""}, "does not report logins: it does not read /etc/dovecot/conf.d/95-vsmtprelay.conf"),
        (
            {"server_url": "http://127.0.0.1:4001/"},
            "does not report logins: it asks another policy server (http://127.0.0.1:4001/)",
        ),
        ({"check_before_auth": "yes"}, "reports logins before it compares the password: auth_policy_check_before_auth is yes"),
        ({"check_after_auth": "no"}, "does not report logins: auth_policy_check_after_auth is no"),
    ],
)
@pytest.mark.parametrize("version", ["2.3.19.1 (9b53102964)", "2.4.1-4 (7d8c0e5759)"])
def test_files_that_keep_logins_from_being_reported_are_named_without_trying_one(
    dovecot, instance, version, settings, expected
):
    fault = fault_of(instance(version, **settings), dovecot)
    assert fault.startswith(f"Dovecot (/etc/dovecot/dovecot.conf) {expected}")
    assert "\n" not in fault
    assert dovecot.clients == []


OLD_STATIC = "passdb {{\n  args = {0}\n  default_fields = \n  deny = {1}\n  driver = {2}\n}}"
NEW_STATIC = "passdb {0} {{\n  fields {{\n    {1}\n  }}\n}}"


@pytest.mark.parametrize(
    ("version", "passdbs", "is_fault"),
    [
        ("2.3.19.1 (9b53102964)", OLD_STATIC.format("nopassword=y", "no", "static"), True),
        ("2.3.19.1 (9b53102964)", OLD_STATIC.format("nopassword=y proxy=y host=192.0.2.9", "no", "static"), False),
        ("2.3.19.1 (9b53102964)", OLD_STATIC.format("nopassword=y", "yes", "static"), False),
        ("2.3.19.1 (9b53102964)", OLD_STATIC.format("nopassword=y nologin", "no", "static"), False),
        ("2.3.19.1 (9b53102964)", OLD_STATIC.format("password=secret", "no", "static"), False),
        ("2.3.19.1 (9b53102964)", OLD_STATIC.format("/etc/nopassword", "no", "passwd-file"), False),
        ("2.4.1-4 (7d8c0e5759)", "passdb pam {\n}\n" + NEW_STATIC.format("static", "nopassword = yes"), True),
        ("2.4.1-4 (7d8c0e5759)", NEW_STATIC.format("all", "nopassword = yes\n  }\n  driver = static\n  x {"), True),
        ("2.4.1-4 (7d8c0e5759)", NEW_STATIC.format("static", "nopassword = yes\n    proxy = y"), False),
        (
            "2.4.1-4 (7d8c0e5759)",
            NEW_STATIC.format("static", "a = b\n  }\n}\npassdb other {\n  x {\n  nopassword = yes"),
            False,
        ),
    ],
)
def test_a_static_passdb_that_needs_no_password_is_named_unless_it_leads_away(dovecot, instance, version, passdbs, is_fault):
    fault = fault_of(instance(version, passdbs=passdbs), dovecot)
    assert ("accepts any password for any name" in fault) == is_fault
    assert bool(fault) == is_fault


def test_a_doveconf_that_fails_is_named(dovecot, instance):
    fault = fault_of(instance(status=89), dovecot)
    assert fault.startswith("Dovecot (/etc/dovecot/dovecot.conf) has settings that cannot be read: doveconf -c ")


def test_a_dovecot_that_does_not_do_what_its_files_say_has_to_be_reloaded(dovecot, instance):
    dovecot.reports_after = False
    fault = fault_of(instance(), dovecot, seconds=0)
    assert "does not report logins, though its files say so" in fault
    assert "run doveadm -c /etc/dovecot/dovecot.conf reload" in fault


def test_a_dovecot_that_has_yet_to_read_its_files_is_waited_for(dovecot, instance):
    dovecot.silent_logins = 2
    assert fault_of(instance(), dovecot) == ""
    assert dovecot.silent_logins == 0


def test_a_dovecot_that_reports_a_wrong_password_is_named(dovecot, instance):
    dovecot.reports_before = True
    fault = fault_of(instance(), dovecot, seconds=0)
    assert fault.startswith("Dovecot (/etc/dovecot/dovecot.conf) reports logins before it compares the password")


def test_a_dovecot_that_reports_a_wrong_password_is_named_without_its_answer(dovecot, instance, monkeypatch):
    dovecot.reports_before, dovecot.answers_passwords = True, False
    monkeypatch.setattr(proof, "REFUSAL_SECONDS", 0.5)
    assert "reports logins before it compares the password" in fault_of(instance(), dovecot, seconds=0)


@pytest.mark.parametrize("field", ["proxy\thost=192.0.2.9", "proxy=", "proxy_maybe", "nologin"])
def test_a_dovecot_that_accepts_any_password_and_then_lets_nobody_in_is_proven(dovecot, instance, field):
    dovecot.accepts_any_password, dovecot.fields = True, f"\t{field}"
    assert fault_of(instance(), dovecot) == ""


def test_a_dovecot_that_lets_everybody_in_with_any_password_is_named(dovecot, instance):
    dovecot.accepts_any_password = True
    fault = fault_of(instance(), dovecot, seconds=0)
    assert fault.startswith("Dovecot (/etc/dovecot/dovecot.conf) accepts any password for any name")


def test_a_token_is_accepted_where_dovecot_completes_the_user_name(dovecot):
    dovecot.realm, dovecot.reports_after = "@example.com", False
    auth_probe.log_in_with_token(str(dovecot.base), "session", time.monotonic() + PLENTY)


def test_a_dovecot_that_refuses_the_token_is_named(dovecot, instance):
    dovecot.refuses_tokens = True
    fault = fault_of(instance(), dovecot, seconds=0)
    assert "does not let a login be tried: " in fault
    assert "tokenlogin: refuses 'vsmtprelay-probe'" in fault


def test_a_dovecot_without_its_sockets_is_named(dovecot, instance):
    dovecot.close()
    assert "does not let a login be tried: " in fault_of(instance(), dovecot, seconds=0)


@pytest.fixture
def answering(tmp_path):
    """Return what serves one client: it sends ``answer``, and perhaps closes after the request; returns the socket's path."""
    listener, threads = socket.socket(socket.AF_UNIX), []
    listener.bind(str(tmp_path / "socket"))
    listener.listen()

    def serve(answer, closes):
        connection, _address = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.sendall(answer)
            while connection.recv(4096) and not closes:
                pass

    def start(answer, closes=False):
        threads.append(threading.Thread(target=serve, args=(answer, closes)))
        threads[-1].start()
        return str(tmp_path / "socket")

    yield start
    listener.close()
    for thread in threads:
        thread.join(PLENTY)


@pytest.mark.parametrize(
    ("answer", "closes", "expected"),
    [
        (b"x" * 70_000, False, "more than"),
        (b"SPID", True, "socket: closed the connection without an answer"),
        (b"", False, "no answer in time"),
    ],
)
def test_an_auth_process_that_does_not_answer_as_one_does_is_named(answering, answer, closes, expected):
    path = answering(answer, closes)
    with pytest.raises(auth_probe.NoAnswer, match=expected):
        auth_probe.AuthClient(path, 0, time.monotonic() + (PLENTY if answer else 0.1))


def test_a_recorder_that_is_down_is_named_instead_of_dovecot(dovecot, instance, tmp_path):
    fault = proof.fault_of(instance(), 0.0, str(tmp_path / "missing.sock"))
    assert fault.startswith(f"the login recorder does not answer on {tmp_path}/missing.sock: ")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", "answers 500 Oops"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{", "does not answer on "),
        (b"SSH-2.0\r\n", "does not answer on "),
    ],
)
def test_a_recorder_that_answers_otherwise_is_named(answering, answer, expected):
    with pytest.raises(proof.NoRecorder, match=f"^the login recorder {expected}"):
        proof.report_of("session", answering(answer), PLENTY)


def test_a_recorder_that_cannot_ask_dovecot_is_named(tmp_path, recorder, instance):
    dovecot = Dovecot(tmp_path, recorder(dovecot=str(tmp_path / "nowhere")))
    fault = fault_of(instance(), dovecot, seconds=0)
    dovecot.close()
    assert fault.startswith("Dovecot (/etc/dovecot/dovecot.conf) cannot be asked whether it lets an account in: ")


def test_the_faults_of_the_main_instance_and_of_others_are_kept_apart(monkeypatch):
    main, other, second = (Instance(f"/run/{name}", f"/etc/{name}/dovecot.conf", "") for name in ("dovecot", "other", "second"))
    faults = {}
    monkeypatch.setattr(proof, "fault_of", lambda instance, *unused: faults.get(instance, ""))

    def prove(*instances):
        monkeypatch.setattr(proof, "running_instances", lambda: list(instances))
        return proof.prove()

    assert prove() == ([], [], [])
    assert prove(main, other) == ([main.configuration, other.configuration], [], [])
    faults.update({main: "main fault", other: "other fault"})
    assert prove(main, other, second) == ([second.configuration], ["main fault"], ["other fault"])
    # The only one is the one that matters.
    assert prove(other) == ([], ["other fault"], [])


@pytest.fixture
def run_as_dovecot(public_directory):
    """Return what starts a program named dovecot in a directory that a master could have, and returns its process."""
    started = []
    program = public_directory / "dovecot"
    shutil.copy(shutil.which("sleep"), program)
    os.chown(program, 0, 0)
    program.chmod(0o755)

    def start(name, noted=None, link=True, **options):
        base = public_directory / name
        base.mkdir()
        process = subprocess.Popen([program, "600"], cwd=base, **options)
        started.append(process)
        (base / "master.pid").write_text(f"{process.pid if noted is None else noted}\n")
        if link:
            (base / "dovecot.conf").symlink_to(f"/etc/{name}/dovecot.conf")
        return Instance(str(base), f"/etc/{name}/dovecot.conf", str(program))

    yield start
    for process in started:
        process.kill()
        process.wait()


def ours(instances, public_directory):
    return [instance for instance in instances if instance.base_directory.startswith(str(public_directory))]


@needs_root
def test_instances_are_found_by_their_processes(run_as_dovecot, public_directory):
    expected = [run_as_dovecot(name) for name in ("first", "second")]
    assert ours(dovecot_instances.running_instances(), public_directory) == expected
    (public_directory / "dovecot").unlink()  # an upgrade
    assert ours(dovecot_instances.running_instances(), public_directory) == expected


@needs_root
@pytest.mark.parametrize(
    "options",
    [{"user": 65534}, {"noted": 1}, {"noted": "x" * 100}, {"link": False}],
    ids=["of another user", "not the master", "not a number", "without a configuration"],
)
def test_a_process_that_is_no_master_is_none(run_as_dovecot, public_directory, options):
    run_as_dovecot("first", **options)
    assert ours(dovecot_instances.running_instances(), public_directory) == []


@needs_root
def test_a_program_that_others_can_write_is_no_dovecot(run_as_dovecot, public_directory):
    (public_directory / "dovecot").chmod(0o777)
    run_as_dovecot("first")
    assert ours(dovecot_instances.running_instances(), public_directory) == []


@needs_root
def test_a_dovecot_in_a_container_is_none_of_this_host(run_as_dovecot, public_directory, monkeypatch):
    run_as_dovecot("first")
    real = os.stat

    def elsewhere(path, *arguments, **options):
        status = real(path, *arguments, **options)
        return os.stat_result((*status[:1], 1, *status[2:])) if str(path).endswith("/root") else status

    monkeypatch.setattr(os, "stat", elsewhere)
    assert ours(dovecot_instances.running_instances(), public_directory) == []

    def ended(*_statuses):
        raise ProcessLookupError

    monkeypatch.setattr(os.path, "samestat", ended)
    assert ours(dovecot_instances.running_instances(), public_directory) == []


def test_a_doveconf_beside_the_program_is_preferred(instance, tmp_path):
    made = instance()
    assert dovecot_instances.settings_of(made) == Settings(OURS, False, True)
    assert stat.S_IMODE((tmp_path / "bin" / "doveconf").stat().st_mode) == 0o755
    (tmp_path / "bin" / "doveconf").unlink()
    assert dovecot_instances._doveconf_of(made) == "doveconf"


def test_the_proof_knows_the_files_and_urls_of_the_role():
    variables = yaml.safe_load((ROLE / "vars" / "main.yml").read_text(encoding="utf-8"))
    assert variables["pop_before_smtp__dovecot_main"] == dovecot_instances.MAIN
    assert variables["pop_before_smtp__dovecot_configuration"] == dovecot_instances.REPORTING
    assert tuple(url.partition("?")[0] for url in variables["pop_before_smtp__dovecot_urls"].values()) == proof.URLS
