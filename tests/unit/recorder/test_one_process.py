# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorder as systemd runs it: sockets are handed over, it says when it is ready, and it ends when it is told to.

The sockets, the HTTP and the database are real ones; only systemd's library is stood in for.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import sys
import threading
import time
import types

import pytest

REPORT = {"rip": "198.51.100.7", "lip": "192.0.2.1", "service": "pop3", "user": "me", "domain": ""}


def ask(connection, key=""):
    """Report a login over a connected socket; return the status of the answer, and what it says."""
    client = http.client.HTTPConnection("recorder.invalid")
    client.sock = connection
    client.request("POST", "/login?command=allow", json.dumps(REPORT), {"X-API-Key": key} if key else {})
    answer = client.getresponse()
    return answer.status, answer.read()


class Systemd:
    """What systemd does for the service: hands sockets over, and is told how it goes."""

    def __init__(self):
        self.handed_over = []
        self.told = []
        self._ready = threading.Event()

    def hand_over(self, each):
        # The service closes what it is given.
        self.handed_over.append(os.dup(each.fileno()))

    def notify(self, state, fds=()):
        del fds
        self.told.append(state)
        if state == "READY=1":
            self._ready.set()

    def wait_until_ready(self):
        assert self._ready.wait(20), "it never said that it was ready"


@pytest.fixture
def systemd():
    return Systemd()


@pytest.fixture
def main(monkeypatch, systemd):
    """Return the command's main()."""
    library = types.ModuleType("systemd")
    library.journal = types.SimpleNamespace(sendv=lambda *_fields: None)
    library.daemon = types.SimpleNamespace(notify=systemd.notify, listen_fds=lambda: systemd.handed_over)
    monkeypatch.setitem(sys.modules, "systemd", library)
    from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder import fd_store, journal, recorder
    from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder import main as recorder_main

    for module in (recorder_main, journal, fd_store):
        monkeypatch.setattr(module, "daemon", library.daemon)
    monkeypatch.setattr(journal, "journal", library.journal)
    # A busy machine may need longer than a client should wait.
    monkeypatch.setattr(recorder, "ANSWER_SECONDS", 20.0)
    interval = sys.getswitchinterval()
    yield recorder_main.main
    sys.setswitchinterval(interval)


@pytest.fixture
def serve(main, systemd, tmp_path):
    """Return what runs the service until ``work``, in a thread beside it, is done; with the options given."""
    (tmp_path / "etc").mkdir()
    # name, root, database, sendmail.cf, addresses, domains
    fields = ("main", tmp_path, tmp_path / "etc/relayers.db", tmp_path / "etc/sendmail.cf", "", "")
    (tmp_path / "table").write_text("\t".join(map(str, fields)) + "\n")

    def run(work, *options):
        done = []

        def beside_it():
            # Before that, nobody would catch the signal.
            systemd.wait_until_ready()
            try:
                done.append(work())
            finally:
                os.kill(os.getpid(), signal.SIGTERM)

        thread = threading.Thread(target=beside_it)
        thread.start()
        status = main(["--table", str(tmp_path / "table"), "--spool", str(tmp_path / "spool"), *options])
        thread.join()
        assert status == 0
        return done[0]

    return run


@pytest.fixture
def unix_socket(systemd, tmp_path):
    """Hand over a listening UNIX socket; return its path."""
    path = str(tmp_path / "recorder.sock")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        systemd.hand_over(listening)
    return path


@pytest.fixture
def port(systemd):
    """Hand over a listening TCP socket; return its address."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        systemd.hand_over(listening)
        return listening.getsockname()


@pytest.fixture
def key(main, tmp_path):
    """Return a secret that is in the file ``key``."""
    main(["--create-key", str(tmp_path / "key")])
    return (tmp_path / "key").read_text().rpartition(":")[2].strip()


def connected(path):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    return connection


def test_a_login_that_is_reported_over_the_unix_socket_is_in_the_database_when_it_is_answered(
    serve, unix_socket, native_database
):
    def report():
        with connected(unix_socket) as connection:
            answer = ask(connection)
            return answer, set(native_database("etc/relayers.db").entries())

    (status, body), entries = serve(report)
    assert (status, json.loads(body)["status"]) == (200, 0)
    assert entries == {"198.51.100.7"}


@pytest.fixture
def auth_master(tmp_path):
    """Listen as Dovecot's auth process does, which lets everybody in, as a user of another name; return the base directory."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "auth-master"))
    listening.listen()

    def serve():
        with listening.accept()[0] as connection, connection.makefile() as lines:
            for line in lines:
                lookup, number, *_more = line.split("\t")
                if lookup in ("PASS", "USER"):
                    connection.sendall(f"{lookup}\t{number}\tother-me\n".encode())

    threading.Thread(target=serve, daemon=True).start()
    yield str(tmp_path)
    listening.close()


@pytest.mark.parametrize(("minutes", "known"), [(60, True), (0, False), (-1, False)])
def test_the_sessions_whose_entries_are_to_be_renewed_are_kept_for_the_next_recorder(
    serve, unix_socket, auth_master, native_database, tmp_path, minutes, known
):
    def report():
        with connected(unix_socket) as connection:
            ask(connection)

    sessions = tmp_path / "sessions"
    serve(report, "--dovecot", auth_master, f"--renew={minutes}", "--sessions", str(sessions))
    ((key, stamp),) = native_database("etc/relayers.db").entries().items()
    if known:
        assert json.loads(sessions.read_text()) == [str(tmp_path / "etc/relayers.db"), key, "other-me", auth_master, int(stamp)]
    else:
        assert not sessions.exists()


def test_over_tcp_only_who_shows_the_key_reports(serve, port, key, native_database, tmp_path):
    def report():
        answers = []
        for shown in ("", "x" * len(key), key):
            with socket.create_connection(port) as connection:
                answers.append(ask(connection, shown)[0])
        return answers

    assert serve(report, "--key-file", str(tmp_path / "key")) == [403, 403, 200]
    assert set(native_database("etc/relayers.db").entries()) == {"198.51.100.7"}


def test_a_report_that_an_earlier_recorder_left_unread_is_answered_by_this_one(
    serve, systemd, unix_socket, monkeypatch, native_database
):
    ours, its = socket.socketpair(socket.AF_UNIX)
    body = json.dumps(REPORT).encode()
    ours.sendall(b"POST /login?command=allow HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    systemd.hand_over(its)
    its.close()
    monkeypatch.setenv("LISTEN_FDNAMES", "recorder:report-7")

    def read():
        ours.settimeout(20)
        with ours:
            return ours.recv(4096)

    assert serve(read).startswith(b"HTTP/1.1 200 ")
    assert set(native_database("etc/relayers.db").entries()) == {"198.51.100.7"}
    assert "FDSTOREREMOVE=1\nFDNAME=report-7" in systemd.told


def test_it_tells_systemd_that_it_is_ready_alive_and_about_to_stop_in_this_order(serve, systemd, unix_socket):
    def wait():
        with connected(unix_socket) as connection:
            ask(connection)

    serve(wait)
    told = [state for state in systemd.told if not state.startswith(("FDSTORE", "STATUS"))]
    assert told[0] == "READY=1"
    assert told[-1] == "STOPPING=1"
    assert set(told[1:-1]) == {"WATCHDOG=1"}


def test_a_connection_that_stays_open_does_not_keep_it_from_ending(serve, unix_socket):
    def leave_open():
        connection = connected(unix_socket)
        ask(connection)
        return connection

    with serve(leave_open) as connection:
        connection.settimeout(20)
        assert connection.recv(1) == b""


def test_a_spool_that_cannot_be_made_is_told_at_start(main, tmp_path, capsys):
    (tmp_path / "table").write_text("")
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit) as end:
        main(["--table", str(tmp_path / "table"), "--spool", str(tmp_path / "file" / "spool")])
    assert end.value.code == 73
    assert str(tmp_path / "file" / "spool") in capsys.readouterr().err


@pytest.fixture
def shared_socket(systemd, tmp_path, monkeypatch):
    """Hand over a listening socket for the sharer, behind those that were handed over before; return its path."""
    path = str(tmp_path / "shared.sock")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        systemd.hand_over(listening)
    names = ["vsmtprelay-recorder.socket"] * (len(systemd.handed_over) - 1)
    monkeypatch.setenv("LISTEN_FDNAMES", ":".join([*names, "shared"]))
    return path


def get(connection, path):
    """Ask the service for the sharer; return the status of the answer, and what it says."""
    client = http.client.HTTPConnection("recorder.invalid")
    client.sock = connection
    client.request("GET", path)
    answer = client.getresponse()
    return answer.status, json.loads(answer.read())


def test_a_login_and_a_revocation_by_root_reach_the_sharer_on_its_own_socket_alone(
    serve, unix_socket, shared_socket, tmp_path, monkeypatch
):
    from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing import changes

    monkeypatch.setattr(changes, "DIRECTORY", str(tmp_path / "changes"))

    def talk():
        with connected(unix_socket) as login, connected(shared_socket) as sharer:
            ask(login)
            assert get(login, "/shared/outbox")[0] == 404
            first = get(sharer, "/shared/outbox?wait=10000")[1]
            changes.write([("main", "198.51.100.9", "revoke", 5)], "")
            second = get(sharer, f"/shared/outbox?instance={first['instance']}&after=1&wait=10000")[1]
            assert get(sharer, "/shared/entries?server=main&page=0")[0] == 200
            assert ask(sharer)[0] == 404
        return first["events"] + second["events"]

    login, revocation = serve(talk, "--share", str(tmp_path / "outbox"))
    assert login[:4] == [1, "main", "198.51.100.7", "login"]
    assert revocation == [2, "main", "198.51.100.9", "revoke", 5]


def test_a_host_that_only_relays_needs_no_socket_for_reports(serve, shared_socket, tmp_path, native_database):
    def talk():
        with connected(shared_socket) as sharer:
            client = http.client.HTTPConnection("recorder.invalid")
            client.sock = sharer
            client.request("POST", "/shared/changes", json.dumps({"servers": {"main": {"logins": {"198.51.100.7": 5}}}}))
            return json.loads(client.getresponse().read())["written"]

    assert serve(talk, "--share", str(tmp_path / "outbox")) == ["main"]
    assert native_database("etc/relayers.db").entries() == {"198.51.100.7": "5"}


def test_where_nothing_is_shared_the_sharer_s_socket_is_not_served(serve, unix_socket, shared_socket, tmp_path):
    def talk():
        with connected(unix_socket) as login, connected(shared_socket) as sharer:
            sharer.settimeout(0.3)
            with pytest.raises(TimeoutError):
                get(sharer, "/shared/outbox")
            return ask(login)[0]

    assert serve(talk) == 200
    assert not (tmp_path / "outbox").exists()


def test_a_sharer_that_waits_does_not_keep_it_from_ending(serve, unix_socket, shared_socket, tmp_path):
    def leave_waiting():
        sharer = connected(shared_socket)
        sharer.sendall(b"GET /shared/outbox?wait=10000 HTTP/1.1\r\nHost: x\r\n\r\n")
        with connected(unix_socket) as login:
            ask(login)
        return sharer

    begin = time.monotonic()
    with serve(leave_waiting, "--share", str(tmp_path / "outbox")) as sharer:
        assert time.monotonic() - begin < 1.9
        sharer.settimeout(20)
        content = b""
        while piece := sharer.recv(4096):
            content += piece
        assert content.startswith(b"HTTP/1.1 200 ")


def test_an_outbox_that_cannot_be_made_is_told_at_start(main, tmp_path, capsys):
    (tmp_path / "table").write_text("")
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit) as end:
        main(["--table", str(tmp_path / "table"), "--share", str(tmp_path / "file" / "outbox")])
    assert end.value.code == 73
    assert str(tmp_path / "file" / "outbox") in capsys.readouterr().err
