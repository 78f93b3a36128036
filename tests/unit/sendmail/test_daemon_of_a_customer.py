# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon of a virtual server in the tree of its owner, who can log in to the host and write everything there."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay import programs
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import UnreadableError, UnwritableError
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sendmail import daemon as daemon_module
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sendmail.daemon import Daemon
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sendmail.reload import reload

from .daemons import DEAF, IN_THE_FOREGROUND, RESTARTING, configuration, make_newer

OWNER, ANOTHER = 12345, 12346


UNIT = "sendmail@a.service"


GROUP = f"/system.slice/system-sendmail.slice/{UNIT}"


BY_HAND = "seems to serve it, but it runs neither as the owner of that tree nor in a systemd unit that names this file"


class OwnedServer:
    """The tree of a virtual server, which belongs to OWNER, and what runs a program of root's called sendmail with it."""

    def __init__(self, directory, eventually):
        self._eventually = eventually
        self.programs, self.tree = directory / "programs", directory / "server"
        self.programs.mkdir(mode=0o755)
        self.tree.mkdir()
        self._program, self._fifo = self.programs / "sendmail", self.tree / "fifo"
        shutil.copy(shutil.which("bash"), self._program)
        os.mkfifo(self._fifo)
        self._fifo.chmod(0o666)
        self.pid_file = self.tree / "sendmail.pid"
        self.path = configuration(self.tree, self.pid_file)
        for path in (self.tree, self._fifo, self.path):
            os.chown(path, OWNER, OWNER)
        self._processes = []

    def start(self, script, uid, pid_file=None):
        """Start the program as the user ``uid``; return its process, once it has written ``pid_file``."""
        (self.programs / "script").write_text(script)
        pid_file = pid_file or self.pid_file
        command = [self._program, self.programs / "script", self._program, pid_file, self._fifo, self.path]
        process = subprocess.Popen(command, user=uid)
        self._processes.append((process, pid_file))
        self._eventually(pid_file.exists)
        return process

    def start_elsewhere(self, uid):
        """Start a program that has its PidFile elsewhere, and ends under its process id on SIGHUP; return its process."""
        directory = self.programs / "elsewhere"
        directory.mkdir()
        os.chown(directory, uid, uid)
        return self.start(RESTARTING, uid, directory / "sendmail.pid")

    def note(self, process_id, command):
        """Have the PidFile be what the text of a queued mail can be: a file of root's that says anything."""
        self.pid_file.write_text(f"{process_id}\n{command}\n")

    def end(self):
        ids = [line for _process, path in self._processes if path.is_file() for line in path.read_text().splitlines()[:1]]
        for process, path in self._processes:
            path.unlink(missing_ok=True)
            process.wait(10)
        self._eventually(lambda: not any("sendmail" in daemon_module.processes.program_of(int(line)) for line in ids))


@pytest.fixture
def owned(public_directory, eventually):
    if os.geteuid() != 0:
        pytest.skip("only root has to be careful")
    server = OwnedServer(public_directory, eventually)
    yield server
    server.end()


@pytest.fixture
def trap(owned):
    """A program that leaves a trace when it is run, which is a file beside it."""
    path = owned.programs / "trap"
    path.write_text(f"#!/bin/sh\ntouch {path}.ran\n")
    path.chmod(0o755)
    yield path
    time.sleep(0.05)
    assert not os.path.exists(f"{path}.ran")


def assert_is_left_alone(process, owned, reason):
    daemon = Daemon(owned.path)
    assert daemon.process_id() is None
    make_newer(owned.path, owned.pid_file)
    done, failures = reload([daemon], lambda path: True)
    assert done == []
    assert all(reason in failure and "restart it by hand" in failure for failure in failures)
    assert len(failures) == (1 if reason else 0)
    assert process.poll() is None
    assert f"{process.pid}\n" in owned.pid_file.read_text()


@pytest.mark.parametrize("uid", [0, ANOTHER])
def test_a_daemon_that_nothing_proves_is_not_signalled_and_a_command_in_the_pid_file_is_not_run(owned, trap, uid):
    # On SIGHUP it would end.
    process = owned.start_elsewhere(uid)
    owned.note(process.pid, f"{trap} -C{owned.path}")
    make_newer(owned.path, owned.pid_file)
    assert Daemon(owned.path).is_behind()  # so that reload() reports it
    assert_is_left_alone(process, owned, BY_HAND)


@pytest.mark.parametrize("theirs", ["path", "pid_file"])
def test_a_file_of_the_owner_s_in_a_directory_of_root_s_is_believed_no_more(owned, trap, theirs):
    process = owned.start_elsewhere(0)
    owned.pid_file = owned.programs / "sendmail.pid"
    owned.path = configuration(owned.programs, owned.pid_file)
    owned.note(process.pid, f"{trap} -C{owned.path}")
    os.chown(getattr(owned, theirs), OWNER, OWNER)
    assert_is_left_alone(process, owned, BY_HAND)


def test_a_daemon_that_does_not_claim_to_serve_the_file_is_none(owned, trap):
    process = owned.start_elsewhere(0)
    owned.note(process.pid, f"{trap} -C/etc/mail/other.cf")
    assert_is_left_alone(process, owned, "")
    assert not Daemon(owned.path).is_behind()


def test_a_daemon_that_runs_as_the_owner_is_reloaded(owned):
    process = owned.start(RESTARTING, OWNER)
    daemon = Daemon(owned.path)
    assert daemon.process_id() == process.pid
    make_newer(daemon.path, daemon.pid_file)
    assert daemon.is_behind()
    assert reload([daemon]) == ([daemon.path], [])
    assert daemon.process_id() not in (None, process.pid)


def test_a_program_that_the_owner_could_have_written_is_not_sendmail(owned):
    process = owned.start(RESTARTING, OWNER)
    os.chown(owned.programs / "sendmail", OWNER, OWNER)
    assert_is_left_alone(process, owned, "its program does not belong to root alone")


def test_their_daemon_that_does_not_come_back_is_not_started_with_the_command_in_the_pid_file(owned, trap, monkeypatch):
    monkeypatch.setattr(daemon_module, "RESTART_SECONDS", 0.2)
    process = owned.start(DEAF, OWNER)
    owned.note(process.pid, f"{trap} -C{owned.path}")
    _done, (failure,) = reload([Daemon(owned.path)], lambda path: True)
    assert "root does not run the command in it" in failure
    assert "start it by hand" in failure
    assert process.poll() is None


def test_a_pid_file_in_their_tree_that_a_file_of_root_s_names_is_believed_no_more(owned, trap):
    owned.path = configuration(owned.programs, owned.pid_file)
    process = owned.start_elsewhere(0)
    owned.note(process.pid, f"{trap} -C{owned.path}")
    assert_is_left_alone(process, owned, BY_HAND)


def exec_start(options):
    """Return the property ExecStart of a unit that starts sendmail with ``options``, as systemctl shows it."""
    program = "/usr/sbin/sendmail"
    return f"{{ path={program} ; argv[]={program} {options} ; ignore_errors=no ; start_time=[n/a] ; code=(null) ; status=0/0 }}"


@pytest.fixture
def unit(owned, monkeypatch):
    """The properties of a unit that names the file, which systemctl shows; the programs it starts are in its control group."""
    properties = {
        "ControlGroup": GROUP,
        "DropInPaths": "",
        "ExecStart": exec_start(f"-bD -q10m -C {owned.path}"),
        "FragmentPath": "/etc/systemd/system/sendmail@.service",
    }

    def run(command, seconds):
        assert command[:2] == ["systemctl", "show"]
        assert command[-2:] == ["--", UNIT]
        return programs.Ended(0, "".join(f"{name}={value}\n" for name, value in properties.items()).encode(), b"")

    monkeypatch.setattr(daemon_module.programs, "run", run)
    monkeypatch.setattr(
        daemon_module.processes,
        "control_group_of",
        lambda process_id: GROUP if process_id != os.getpid() else "/system.slice/x.service",
    )
    return properties


def test_a_daemon_of_a_unit_of_root_s_that_names_the_file_is_reloaded(owned, unit):
    process = owned.start(IN_THE_FOREGROUND, 0)
    daemon = Daemon(owned.path)
    assert daemon.process_id() == process.pid
    assert reload([daemon]) == ([daemon.path], [])


def test_the_pid_file_of_a_daemon_of_root_s_is_read_though_the_owner_may_not(owned, unit):
    process = owned.start(IN_THE_FOREGROUND, 0)
    os.chmod(owned.pid_file, 0o640)
    assert Daemon(owned.path).process_id() == process.pid


@pytest.mark.parametrize("uid", [0, OWNER])
def test_a_daemon_of_such_a_unit_that_does_not_come_back_is_started_by_it(owned, unit, trap, monkeypatch, uid):
    monkeypatch.setattr(daemon_module, "RESTART_SECONDS", 0.2)
    process = owned.start(DEAF, uid)
    owned.note(process.pid, f"{trap} -C{owned.path}")
    started = []

    def start(command):
        started.append(command)
        owned.note(process.pid, f"sendmail -C {owned.path}")

    monkeypatch.setattr(daemon_module.programs, "start", start)
    _done, (failure,) = reload([Daemon(owned.path)], lambda path: True)
    assert started == [["systemctl", "restart", UNIT]]
    assert "the old file is in place again, and it runs with that" in failure


@pytest.mark.parametrize(
    "changes",
    [
        {"ExecStart": exec_start("-bD -C /etc/mail/sendmail.cf")},
        {"ExecStart": exec_start("-bD -q10m")},
        {"ExecStart": ""},
        {"ControlGroup": "/system.slice/other.service"},
        {"FragmentPath": ""},
        {"FragmentPath": "TREE/sendmail.service"},
        {"DropInPaths": "/etc/systemd/system/a.conf TREE/sendmail.cf"},
    ],
)
def test_a_unit_that_says_something_else_or_is_not_root_s_proves_nothing(owned, unit, changes):
    unit.update({name: value.replace("TREE", str(owned.tree)) for name, value in changes.items()})
    process = owned.start_elsewhere(0)
    owned.note(process.pid, f"sendmail -C{owned.path}")
    assert_is_left_alone(process, owned, BY_HAND)


def test_a_unit_of_the_owner_s_own_systemd_proves_nothing(owned, unit, monkeypatch):
    group = f"/user.slice/user-{OWNER}.slice/user@{OWNER}.service/app.slice/{UNIT}"
    monkeypatch.setattr(daemon_module.processes, "control_group_of", lambda process_id: group)
    unit["ControlGroup"] = group
    process = owned.start_elsewhere(ANOTHER)
    owned.note(process.pid, f"sendmail -C{owned.path}")
    assert_is_left_alone(process, owned, BY_HAND)


def test_a_program_that_a_daemon_started_is_not_the_daemon(owned, unit, monkeypatch):
    monkeypatch.setattr(daemon_module.processes, "control_group_of", lambda process_id: GROUP)
    process = owned.start_elsewhere(0)
    owned.note(process.pid, f"sendmail -C{owned.path}")
    assert_is_left_alone(process, owned, BY_HAND)


def test_without_systemd_a_daemon_of_root_s_is_left_alone(owned, unit, monkeypatch):
    def run(command, seconds):
        raise UnreadableError("systemctl: cannot be run")

    monkeypatch.setattr(daemon_module.programs, "run", run)
    process = owned.start_elsewhere(0)
    owned.note(process.pid, f"sendmail -C{owned.path}")
    assert_is_left_alone(process, owned, BY_HAND)


def test_a_link_in_their_tree_does_not_make_the_unit_of_another_file_theirs(owned, unit):
    process = owned.start_elsewhere(0)
    of_the_host = configuration(owned.programs, owned.pid_file)
    os.unlink(owned.path)
    os.symlink(of_the_host, owned.path)
    os.chown(owned.path, OWNER, OWNER, follow_symlinks=False)
    unit["ExecStart"] = exec_start(f"-bD -C {of_the_host}")
    owned.note(process.pid, f"sendmail -C{of_the_host}")
    assert_is_left_alone(process, owned, BY_HAND)


def test_a_pid_file_that_is_no_file_is_a_failure_of_its_sendmail_cf_alone(owned):
    os.mkfifo(owned.pid_file)
    with pytest.raises(UnreadableError, match=str(owned.pid_file)):
        Daemon(owned.path)


@pytest.mark.parametrize("target", ["/proc/kmsg", "/dev/full", "/etc/shadow/none", "/proc/sysrq-trigger"])
def test_nothing_but_a_file_of_root_s_is_read_through_a_link_in_their_tree(owned, target):
    owned.pid_file.symlink_to(target)
    assert daemon_module._file_of_root(str(owned.pid_file)) is None


def test_a_large_pid_file_is_a_failure_of_its_sendmail_cf_alone(owned):
    owned.pid_file.touch()
    os.truncate(owned.pid_file, 1 << 40)
    with pytest.raises(UnreadableError, match=str(owned.pid_file)):
        Daemon(owned.path)


def test_a_pid_file_that_is_none_any_more_is_no_daemon(owned, start):
    other = start(RESTARTING)
    process = owned.start(RESTARTING, OWNER)
    daemon = Daemon(owned.path)
    owned.pid_file.rename(owned.tree / "old.pid")
    os.mkfifo(owned.pid_file)
    assert daemon.process_id() is None
    assert not daemon.is_behind()
    assert reload([daemon, other]) == ([other.path], [])
    (owned.tree / "old.pid").rename(owned.pid_file)
    assert process.poll() is None


@pytest.mark.parametrize("content", [b"9" * 100_000, b"\xff\0\n\xff", b"1\n" + b" -C" * 100_000, b"1\n -C" + b"/a" * 100_000])
def test_a_pid_file_of_garbage_is_no_daemon(owned, content):
    owned.pid_file.write_bytes(content)
    daemon = Daemon(owned.path)
    assert daemon.process_id() is None
    assert reload([daemon]) == ([], [])


def test_garbage_in_the_place_of_the_command_line_is_no_file(owned):
    process = owned.start(RESTARTING, OWNER)
    owned.note(process.pid, f"sendmail -C {owned.path}\0 -C {'/a' * 100_000}")
    started = time.monotonic()
    assert Daemon(owned.path).process_id() is None
    assert time.monotonic() - started < 1


def test_a_pid_file_with_an_endless_name_is_a_failure(owned):
    Path(owned.path).write_text(f"O PidFile={'/a' * 100_000}\n")
    with pytest.raises(UnreadableError, match="200000 characters"):
        Daemon(owned.path)


def test_a_configuration_full_of_pid_files_is_read_at_once(owned):
    Path(owned.path).write_text("PidFile=" * 200_000)
    started = time.monotonic()
    assert Daemon(owned.path).pid_file == "/var/run/sendmail.pid"
    assert time.monotonic() - started < 1


def test_a_configuration_in_the_tree_of_two_users_has_no_owner(owned):
    (owned.tree / "etc").mkdir()
    os.chown(owned.tree / "etc", ANOTHER, ANOTHER)
    with pytest.raises(UnwritableError, match="give the whole tree to one user"):
        Daemon(configuration(owned.tree / "etc", owned.pid_file))


def test_a_configuration_that_is_removed_meanwhile_is_not_behind(owned):
    daemon = Daemon(owned.path)
    os.unlink(owned.path)
    assert not daemon.is_behind()
