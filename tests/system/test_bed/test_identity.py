# SPDX-License-Identifier: GPL-3.0-or-later
"""How the test bed knows a guest's systemd-nspawn again: by its id and its start, in this process and in others."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time

import pytest

from guests.nspawn import LAUNCH, SUPERVISE, Nspawn, status_in_words
from guests.process import Process
from support.places import CHECKOUT
from support.waiting import wait_until

STARTS = 50
# All but the overlay, for which it takes a guest.
LAUNCH_WITHOUT_LAYERS = LAUNCH.replace("mount -t overlay", ": mount -t overlay")
# What the shell becomes: it says so, and ends with its standard input.
PROGRAM = ["sh", "-c", "echo here; read -r line"]


class Start:
    """A shell that writes down its id, becomes another program, and ends with this object."""

    def __init__(self, directory):
        self.nspawn = Nspawn(directory, "bed-test")
        self.file = directory / "nspawn.pid"
        names = {"GUEST_PID_FILE": str(self.file), "GUEST_CGROUPS": "", "GUEST_LAYERS": str(directory)}
        self.shell = subprocess.Popen(
            ["sh", "-c", LAUNCH_WITHOUT_LAYERS, "sh", *PROGRAM],
            env={**os.environ, **names},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def has_become_the_program(self):
        """Return whether the shell has become the program; do not wait."""
        os.set_blocking(self.shell.stdout.fileno(), False)
        return bool(self.shell.stdout.read())

    def __enter__(self):
        return self

    def __exit__(self, *_unused):
        self.shell.communicate()


@pytest.fixture
def start(tmp_path):
    with Start(tmp_path) as start:
        wait_until(start.file.exists)
        wait_until(start.nspawn.process)
        yield start


def test_a_guest_runs_all_the_time_while_a_shell_becomes_its_nspawn(tmp_path):
    for number in range(STARTS):
        directory = tmp_path / str(number)
        directory.mkdir()
        with Start(directory) as start:
            wait_until(start.nspawn.process)
            while not start.has_become_the_program():
                assert start.nspawn.process() is not None
            assert start.nspawn.process().pid == start.shell.pid


def test_another_process_sees_it_too(start):
    program = (
        "import pathlib, sys; from guests.nspawn import Nspawn; print(Nspawn(pathlib.Path(sys.argv[1]), 'x').process().pid)"
    )
    command = [sys.executable, "-c", program, str(start.file.parent)]
    output = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(CHECKOUT / "dev")}, capture_output=True, check=True)
    assert int(output.stdout) == start.shell.pid


@pytest.mark.parametrize(
    "changes", [{"start": 1}, {"boot": "00000000-0000-0000-0000-000000000000"}], ids=["start", "boot of the host"]
)
def test_a_process_of_the_same_id_and_another_start_is_not_the_guest(start, changes):
    other = dataclasses.replace(start.nspawn.process(), **changes)
    start.file.write_text(f"{other.pid} {other.start} {other.boot}\n")
    assert start.nspawn.process() is None
    assert other.wait(0)
    other.send(signal.SIGKILL)
    assert start.shell.poll() is None


@pytest.mark.parametrize("text", ["{pid}\n", "", "none\n"])
def test_a_record_without_a_start_is_that_of_no_process(start, text):
    start.file.write_text(text.format(pid=start.shell.pid))
    assert start.nspawn.process() is None
    assert not start.nspawn.has_died()


def test_a_process_that_nobody_has_waited_for_has_ended_all_the_same():
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        process = Process.of(child.pid)
        assert process.is_alive()
        child.stdin.close()
        assert process.wait(10)
        assert not process.is_alive()


def test_waiting_ends_in_time_for_a_process_that_does_not(start):
    begin = time.monotonic()
    assert not start.nspawn.process().wait(0.1)
    assert 0.1 <= time.monotonic() - begin < 5


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("exit 0", "with status 0"),
        ("exit 3", "with status 3"),
        ("exit 133", "with status 133: the guest asked to be booted again"),
        ("kill -9 $$", "with status 137, which stands for SIGKILL if a signal ended it"),
        ("kill -15 $$", "with status 143, which stands for SIGTERM if a signal ended it"),
    ],
)
def test_how_it_ended_is_written_down(tmp_path, program, words):
    nspawn = Nspawn(tmp_path, "bed-test")
    environment = {**os.environ, "GUEST_STATUS_FILE": str(tmp_path / "nspawn.status")}
    subprocess.run(["sh", "-c", SUPERVISE, "sh", "sh", "-c", program], env=environment, check=True)
    assert status_in_words(nspawn.status()) == words
    assert nspawn.has_died()
    nspawn.forget()
    assert not nspawn.has_died()


def test_a_status_that_nobody_wrote_down_is_not_waited_for_long(tmp_path):
    assert status_in_words(Nspawn(tmp_path, "bed-test").status(patience=0.05)) == "with a status that nobody saw"
