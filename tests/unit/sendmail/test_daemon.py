# SPDX-License-Identifier: GPL-3.0-or-later
"""The running sendmail daemon: found by its PidFile, and reloaded with SIGHUP. A shell of that name stands in for it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import UnreadableError
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sendmail import daemon as daemon_module
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sendmail.daemon import Daemon
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sendmail.reload import reload

from .daemons import DEAF, IN_THE_FOREGROUND, PARTICULAR, RESTARTING, STARTING, configuration, make_newer


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("O PidFile=/run/sendmail/mta/sendmail.pid\n", "/run/sendmail/mta/sendmail.pid"),
        ("O Timeout=1\nO  PidFile=/a.pid\nO PidFile=/b.pid\n", "/b.pid"),
        ("O PidFile=/a.pid\r\n", "/a.pid"),
        ("O PidFile=/a.pid\n#PidFile=PidFile=\n", "/a.pid"),
        ("O PidFile=/a.pid\0.pid\n", "/a.pid"),
        ("#O PidFile=/a.pid\n", "/var/run/sendmail.pid"),
        ("", "/var/run/sendmail.pid"),
    ],
)
def test_the_pid_file_is_that_of_the_configuration_or_sendmails_own(tmp_path, text, path):
    (tmp_path / "sendmail.cf").write_bytes(text.encode())
    assert Daemon(str(tmp_path / "sendmail.cf")).pid_file == path


def test_a_configuration_that_is_not_utf_8_is_read(tmp_path):
    (tmp_path / "sendmail.cf").write_bytes(b"# \xe4\xf6\xfc\nO PidFile=/a.pid\n")
    assert Daemon(str(tmp_path / "sendmail.cf")).pid_file == "/a.pid"


def test_a_missing_configuration_is_unreadable(tmp_path):
    with pytest.raises(UnreadableError, match="no such file"):
        Daemon(str(tmp_path / "sendmail.cf"))


@pytest.mark.parametrize("content", [None, "", "\n", "x\n", "-1\n", "999999999\n", "0\n"])
def test_without_a_process_none_is_running_and_none_is_behind(tmp_path, content):
    path = tmp_path / "pid"
    if content is not None:
        path.write_text(content)
    daemon = Daemon(configuration(tmp_path, path))
    assert daemon.process_id() is None
    assert not daemon.is_behind()
    assert reload([daemon]) == ([], [])


def test_a_process_id_that_is_somebody_elses_by_now_is_left_alone(tmp_path):
    daemon = Daemon(configuration(tmp_path, tmp_path / "pid"))
    (tmp_path / "pid").write_text(f"{os.getpid()}\nsendmail -bd -C{daemon.path}\n")
    assert daemon.process_id() is None
    assert reload([daemon]) == ([], [])


def test_a_daemon_that_is_reloaded_is_back_under_another_process_id(start):
    daemon = start(RESTARTING)
    before = daemon.process_id()
    assert before
    assert reload([daemon]) == ([daemon.path], [])
    assert daemon.process_id() not in (None, before)


def test_a_daemon_in_the_foreground_is_back_under_its_old_process_id(start):
    daemon = start(IN_THE_FOREGROUND)
    before, written = daemon.process_id(), os.stat(daemon.pid_file).st_mtime_ns
    assert reload([daemon]) == ([daemon.path], [])
    assert daemon.process_id() == before
    assert os.stat(daemon.pid_file).st_mtime_ns > written


def test_a_daemon_that_just_starts_gets_the_signal_when_it_no_longer_dies_of_it(start):
    daemon = start(STARTING, shell="dash")
    before = daemon.process_id()
    assert reload([daemon]) == ([daemon.path], [])
    assert daemon.process_id() == before


def test_a_daemon_that_never_catches_the_signal_is_not_waited_for_without_an_end(start, monkeypatch):
    monkeypatch.setattr(daemon_module, "RESTART_SECONDS", 0.2)
    daemon = start(STARTING.replace("trap", ": "), shell="dash")
    _done, (failure,) = reload([daemon])
    assert "did not come back within 0.2 seconds" in failure


def test_a_daemon_is_behind_from_the_change_of_its_file_until_it_was_reloaded(start):
    daemon = start(RESTARTING)
    make_newer(daemon.pid_file, daemon.path)
    assert not daemon.is_behind()
    make_newer(daemon.path, daemon.pid_file)
    assert daemon.is_behind()
    reload([daemon])
    make_newer(daemon.pid_file, daemon.path)
    assert not daemon.is_behind()


def test_a_file_put_there_with_an_old_date_is_a_change(start):
    daemon = start(RESTARTING)
    make_newer(daemon.path, daemon.pid_file)
    os.utime(daemon.path, (1, 1))
    assert daemon.is_behind()


def test_a_daemon_of_another_file_that_names_the_same_pid_file_is_left_alone(start, tmp_path):
    daemon = start(RESTARTING, served=str(tmp_path / "other.cf"))
    assert daemon.process_id() is None
    assert not daemon.is_behind()
    # So that it ends.
    (tmp_path / "sendmail.pid").unlink()


def test_a_daemon_that_does_not_come_back_is_told(start, monkeypatch):
    monkeypatch.setattr(daemon_module, "RESTART_SECONDS", 0.2)
    daemon = start(DEAF)
    done, (failure,) = reload([daemon])
    assert done == []
    assert "did not come back" in failure
    assert daemon.path in failure
    assert "start it by hand" in failure


@pytest.fixture
def without_systemd(monkeypatch):
    # Whoever runs these tests can be a service himself.
    monkeypatch.setattr(daemon_module.processes, "control_group_of", lambda process_id: "/")
    monkeypatch.setattr(daemon_module, "RESTART_SECONDS", 0.5)


@pytest.mark.parametrize("script", [PARTICULAR, DEAF.replace("sendmail -bd", "$1 $0 $*")])
def test_a_daemon_that_does_not_come_back_is_started_with_the_old_file(start, without_systemd, script):
    daemon = start(script)
    before, text = daemon.process_id(), Path(daemon.path).read_text()
    Path(daemon.path).write_text(f"{text}impossible\n")

    def restore(path):
        Path(path).write_text(text)
        return True

    done, (failure,) = reload([daemon], restore)
    assert done == []
    assert daemon.process_id() not in (None, before)
    assert f"{daemon.path}: the sendmail daemon {before} did not come back" in failure
    assert "the old file is in place again, and it runs with that" in failure


def test_a_daemon_that_does_not_start_with_the_old_file_either_is_told(start, without_systemd):
    daemon = start(PARTICULAR)
    Path(daemon.path).write_text("impossible\n")
    _done, (failure,) = reload([daemon], lambda path: True)
    assert daemon.process_id() is None
    assert "start it by hand" in failure


@pytest.mark.parametrize(
    ("lines", "unit"),
    [
        ("0::/system.slice/sendmail.service\n", "sendmail.service"),
        ("12:pids:/x\n1:name=systemd:/system.slice/system-sendmail.slice/sendmail@a.service\n", "sendmail@a.service"),
        ("0::/system.slice/cron.service\n", ""),
        ("0::/user.slice/user-0.slice/session-1.scope\n", ""),
        ("0::/user.slice/user-5.slice/user@5.service/app.slice/sendmail.service\n", ""),
        ("", ""),
    ],
)
def test_only_a_unit_of_sendmail_is_restarted_for_it(tmp_path, monkeypatch, lines, unit):
    daemon = Daemon(configuration(tmp_path, tmp_path / "pid"))
    monkeypatch.setattr(daemon_module.processes.text_file, "read", lambda path: lines.encode())
    assert daemon._unit(1) == unit


def test_a_process_that_is_another_program_by_now_is_not_signalled(tmp_path):
    daemon = Daemon(configuration(tmp_path, tmp_path / "pid"))
    assert not daemon._send(os.getpid(), signal.SIGKILL)
    assert not daemon._send(999999999, signal.SIGKILL)


def test_without_descriptors_of_processes_it_is_signalled_by_its_process_id(start, monkeypatch):
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    daemon = start(RESTARTING)
    assert reload([daemon]) == ([daemon.path], [])
