# SPDX-License-Identifier: GPL-3.0-or-later
"""The running sendmail daemon: found by its PidFile, and reloaded with SIGHUP. A shell of that name stands in for it."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay import sendmail_daemon
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import BusyError, UnreadableError

# As restart_daemon() in sendmail does: on SIGHUP the program starts itself anew, under another process id.
RESTARTING = """
umask 022
echo $$ > "$2.new"; echo "sendmail -bd" >> "$2.new"; mv "$2.new" "$2"
trap '"$1" "$0" "$@" & exit' HUP
while [ -e "$2" ]; do read -t 0.05 <> "$3"; done
"""
DEAF = 'trap "" HUP; echo $$ > "$2.new"; mv "$2.new" "$2"; while [ -e "$2" ]; do read -t 0.05 <> "$3"; done'


@pytest.fixture
def daemon(tmp_path, eventually):
    """Return what starts a program called sendmail and returns the path of its PidFile."""
    program, pid_file, fifo = tmp_path / "sendmail", tmp_path / "sendmail.pid", tmp_path / "fifo"
    shutil.copy(shutil.which("bash"), program)
    os.mkfifo(fifo)
    processes = []

    def start(script):
        (tmp_path / "script").write_text(script)
        processes.append(subprocess.Popen([program, tmp_path / "script", program, pid_file, fifo]))
        eventually(pid_file.exists)
        return str(pid_file)

    yield start
    last = sendmail_daemon.running(str(pid_file))
    pid_file.unlink(missing_ok=True)
    for process in processes:
        process.wait(10)
    if last:
        eventually(lambda: not os.path.exists(f"/proc/{last}/exe"))


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("O PidFile=/run/sendmail/mta/sendmail.pid\n", "/run/sendmail/mta/sendmail.pid"),
        ("O Timeout=1\nO  PidFile=/a.pid\nO PidFile=/b.pid\n", "/b.pid"),
        ("#O PidFile=/a.pid\n", "/var/run/sendmail.pid"),
        ("", "/var/run/sendmail.pid"),
    ],
)
def test_the_pid_file_is_that_of_the_configuration_or_sendmails_own(tmp_path, text, path):
    (tmp_path / "sendmail.cf").write_text(text)
    assert sendmail_daemon.pid_file_of(str(tmp_path / "sendmail.cf")) == path


def test_a_configuration_that_is_not_utf_8_is_read(tmp_path):
    (tmp_path / "sendmail.cf").write_bytes(b"# \xe4\xf6\xfc\nO PidFile=/a.pid\n")
    assert sendmail_daemon.pid_file_of(str(tmp_path / "sendmail.cf")) == "/a.pid"


def test_a_missing_configuration_is_unreadable(tmp_path):
    with pytest.raises(UnreadableError, match="no such file"):
        sendmail_daemon.pid_file_of(str(tmp_path / "sendmail.cf"))


@pytest.mark.parametrize("content", [None, "", "\n", "x\n", "-1\n", "999999999\n", "0\n"])
def test_without_a_process_none_is_running(tmp_path, content):
    path = tmp_path / "pid"
    if content is not None:
        path.write_text(content)
    assert sendmail_daemon.running(str(path)) is None
    assert sendmail_daemon.reload(str(path)) is False


def test_a_process_id_that_is_somebody_elses_by_now_is_left_alone(tmp_path):
    (tmp_path / "pid").write_text(f"{os.getpid()}\nsendmail -bd\n")
    assert sendmail_daemon.running(str(tmp_path / "pid")) is None
    assert sendmail_daemon.reload(str(tmp_path / "pid")) is False


def test_a_daemon_that_is_reloaded_is_back_under_another_process_id(daemon):
    pid_file = daemon(RESTARTING)
    before = sendmail_daemon.running(pid_file)
    assert before
    assert sendmail_daemon.reload(pid_file) is True
    assert sendmail_daemon.running(pid_file) not in (None, before)


def test_a_daemon_that_does_not_come_back_is_told(daemon, monkeypatch):
    monkeypatch.setattr(sendmail_daemon, "RESTART_SECONDS", 0.2)
    with pytest.raises(BusyError, match="did not come back"):
        sendmail_daemon.reload(daemon(DEAF))
