# SPDX-License-Identifier: GPL-3.0-or-later
"""The command that PAM runs after a right password: what it tells the recorder, and that it ends in time whatever it meets."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder import pam
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.login import LoginReader, object_of

ENVIRONMENT = {
    b"PAM_RHOST": b"::ffff:198.51.100.7",
    b"PAM_RUSER": b"",
    b"PAM_SERVICE": b"pop3",
    b"PAM_TTY": b"",
    b"PAM_USER": b"me@example.org",
    b"PAM_TYPE": b"account",
}
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 24\r\n\r\n" + b'{"status": 0, "msg": ""}'


def environment(**values):
    return {**ENVIRONMENT, **{f"PAM_{name.upper()}".encode(): value for name, value in values.items()}}


def login(**values):
    """Return the login that the recorder takes out of the report."""
    return LoginReader().login_in(object_of(json.dumps(pam.report_of(environment(**values))).encode()))


def test_the_report_tells_who_logged_in_from_where():
    assert pam.report_of(ENVIRONMENT) == {
        "rip": "::ffff:198.51.100.7",
        "service": "pop3",
        "user": "me@example.org",
        "domain": "example.org",
    }


def test_the_recorder_takes_the_login_out_of_it():
    taken = login()
    assert (taken.key, taken.local_key, taken.service, taken.domain) == ("198.51.100.7", None, "pop3", "example.org")


@pytest.mark.parametrize(
    ("user", "domain"),
    [
        (b"me", ""),
        (b"", ""),
        (b"me@", ""),
        (b"@example.org", "example.org"),
        (b"me@a.example@b.example", "b.example"),
        (b"\xff\xfe@example.org", "example.org"),
        (b"me@\xff", "\\xff"),
        (b'a","rip":"6.6.6.6', ""),
        (b"a\nrip=6.6.6.6\r\n\r\n", ""),
        ("ü\U0001f600@example.org".encode(), "example.org"),
        (b"\xed\xa0\x80", ""),
        (b"x" * 10_000, ""),
    ],
)
def test_whatever_a_user_name_holds_the_address_is_the_client_s(user, domain):
    taken = login(user=user)
    assert (taken.key, taken.domain) == ("198.51.100.7", domain)
    taken.user.encode()


@pytest.mark.parametrize(
    ("service", "protocol"),
    [
        (b"pop3", "pop3"),
        (b"pop", "pop3"),
        (b"pop3s", "pop3"),
        (b"gnu-pop3d", "pop3"),
        (b"imap", "imap"),
        (b"imap4", "imap"),
        (b"gnu-imap4d", "imap"),
        (b"smtp", "smtp"),
        (b"sshd", "sshd"),
        (b"", ""),
        (b"\xff", "\\xff"),
    ],
)
def test_the_names_that_servers_give_to_pop_and_imap_are_known_and_others_stay_what_they_are(service, protocol):
    assert pam.report_of(environment(service=service))["service"] == protocol


def test_what_pam_does_not_tell_is_empty():
    assert pam.report_of({}) == {"rip": "", "service": "", "user": "", "domain": ""}


class Recorder:
    """A recorder that takes one report over a real socket and answers ``answer``."""

    def __init__(self, path, answer):
        self._answer = answer
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(path)
        self._listener.listen()
        self.head, self.body = b"", b""
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        connection, _address = self._listener.accept()
        with connection:
            received = b""
            while b"\r\n\r\n" not in received:
                received += connection.recv(65536)
            self.head, _end, self.body = received.partition(b"\r\n\r\n")
            length = next(int(line.split()[1]) for line in self.head.split(b"\r\n") if line.startswith(b"Content-Length:"))
            while len(self.body) < length:
                self.body += connection.recv(65536)
            connection.sendall(self._answer)

    def close(self):
        self._thread.join(10)
        self._listener.close()


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "socket")


@pytest.fixture
def start_recorder(path):
    started = []

    def start(answer=ANSWER):
        started.append(Recorder(path, answer))
        return started[-1]

    yield start
    for each in started:
        each.close()


@pytest.fixture
def logged(monkeypatch):
    """Return the list of what goes to syslog."""
    lines = []
    monkeypatch.setattr(pam.syslog, "syslog", lambda _priority, message: lines.append(message))
    return lines


def test_a_login_is_reported_over_the_socket(start_recorder, path, logged):
    recorder = start_recorder()
    assert pam.main(ENVIRONMENT, path) == 0
    recorder.close()
    assert recorder.head.startswith(b"POST /login?command=allow HTTP/1.1\r\n")
    assert json.loads(recorder.body) == pam.report_of(ENVIRONMENT)
    assert logged == []


def test_a_long_user_name_arrives_whole(start_recorder, path):
    recorder = start_recorder()
    assert pam.main(environment(user=b"\xff" * 10_000), path) == 0
    recorder.close()
    assert json.loads(recorder.body)["user"] == "\\xff" * 10_000


@pytest.mark.parametrize("status", [b"400 Bad Request", b"403 Forbidden", b"500 Internal Server Error"])
def test_what_the_answer_is_does_not_matter(start_recorder, path, status):
    start_recorder(b"HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n" % status)
    assert pam.main(ENVIRONMENT, path) == 0


def test_no_alarm_is_left_behind(start_recorder, path):
    start_recorder()
    pam.main(ENVIRONMENT, path)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_without_a_socket_it_says_so_and_ends_with_1(path, logged):
    assert pam.main(ENVIRONMENT, path) == 1
    assert logged == [f"{path}: [Errno 2] No such file or directory; see systemctl status vsmtprelay-recorder.socket"]


def test_with_a_socket_that_nobody_listens_on_it_ends_with_1(path, logged):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left_behind:
        left_behind.bind(path)
    assert pam.main(ENVIRONMENT, path) == 1
    assert "Connection refused" in logged[0]


def test_with_a_recorder_that_closes_without_an_answer_it_ends_with_1(start_recorder, path, logged):
    start_recorder(b"")
    assert pam.main(ENVIRONMENT, path) == 1
    assert "closed without an answer" in logged[0]


def ignore_alarms():
    signal.signal(signal.SIGALRM, signal.SIG_IGN)


def block_alarms():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])


# What the server that PAM is part of has done to the signal, and whether the recorder's queue is full as well.
@pytest.mark.parametrize("inherited", [None, ignore_alarms, block_alarms])
@pytest.mark.parametrize("queue_is_full", [False, True])
def test_with_a_recorder_that_hangs_it_ends_in_time(path, inherited, queue_is_full):
    program = f"import sys; from {pam.__name__} import main; main({ENVIRONMENT!r}, sys.argv[1])"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as hanging, socket.socket(socket.AF_UNIX) as other:
        hanging.bind(path)
        hanging.listen(0)
        if queue_is_full:
            other.connect(path)
        start = time.monotonic()
        ended = subprocess.run(
            [sys.executable, "-c", program, path],
            check=False,
            timeout=30,
            env={"PYTHONPATH": os.pathsep.join(sys.path)},
            preexec_fn=inherited,
        )
        took = time.monotonic() - start
    assert ended.returncode == -signal.SIGALRM
    # Most of it is the start of Python on a busy machine.
    assert pam.ANSWER_SECONDS <= took < 10
