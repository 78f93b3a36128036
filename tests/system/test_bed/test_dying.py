# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest that starts, ends, or does not come up: what the test bed does, and what it says."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading

import pytest

from guests import GuestsError
from guests.process import first_processes_in
from support.places import CHECKOUT
from support.waiting import wait_until

STARTS = 4
# systemd-nspawn looks for this one first.
INIT = "usr/lib/systemd/systemd"
HOST = r"root has about \d+ inotify instances of the \d+ that fs.inotify.max_user_instances allows"
MEMORY = r"processes killed for want of memory, of [a-z ,]+: (\d+|not known)"


@pytest.fixture
def another_init(guest):
    """Return what gives the guest another program as its process 1; the old one comes back after the test."""
    file = guest.directory / "upper" / INIT
    guest.kill()

    def write(text):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o755)

    yield write
    guest.kill()
    file.unlink()


def boot_until_ready(guest):
    guest.boot(fresh=False)
    guest.wait_until_ready()


def start_while_asking(guest):
    """Start the guest; return what is_running() said from the first yes on."""
    answers = []
    begun = threading.Event()
    done = threading.Event()

    def ask():
        begun.set()
        while not done.is_set():
            answer = guest.is_running()
            if answer or answers:
                answers.append(answer)

    thread = threading.Thread(target=ask)
    thread.start()
    begun.wait()
    try:
        guest.boot(fresh=False)
    finally:
        done.set()
        thread.join()
    return answers


def test_a_guest_that_starts_runs_from_then_on_and_has_a_process_1(guest):
    for _ in range(STARTS):
        guest.kill()
        answers = start_while_asking(guest)
        assert answers
        assert all(answers)
        assert guest.leader().name() == "systemd"


def test_another_process_sees_that_it_runs(guest):
    command = [sys.executable, "-m", "guests", "list"]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT / "dev")}
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert f"guest bed {guest.release} running" in output


def test_a_guest_recorded_without_a_start_is_ended_before_the_next_start(guest):
    nspawn, leader = guest.nspawn(), guest.leader()
    (guest.directory / "nspawn.pid").write_text(f"{nspawn.pid}\n")
    assert not guest.is_running()
    guest.boot(fresh=False)
    assert nspawn.wait(10)
    assert not leader.is_alive()
    assert guest.is_running()


def test_what_outlives_a_killed_nspawn_is_ended_before_the_next_start(guest):
    leader = guest.leader()
    guest.nspawn().send(signal.SIGKILL)
    wait_until(lambda: not guest.is_running())
    assert leader.is_alive()
    assert first_processes_in(guest.namespace.file) == [leader]
    guest.boot(fresh=False)
    assert not leader.is_alive()
    assert first_processes_in(guest.namespace.file) == [guest.leader()]
    guest.wait_until_ready()


def test_a_guest_that_runs_is_not_started_again(guest):
    guest.wait_until_ready()
    before = guest.nspawn()
    guest.boot()
    assert guest.nspawn() == before


def test_a_guest_that_is_not_ready_in_time_says_what_its_journal_says(guest):
    guest.wait_until_ready()
    guest.run(["systemctl", "stop", "dovecot"])
    with pytest.raises(GuestsError, match="for want of the service on port 110") as caught:
        guest.wait_until_ready(timeout=0.5)
    guest.run(["systemctl", "start", "dovecot"])
    assert "Stopped dovecot.service" in str(caught.value)
    assert "systemd-nspawn ended" not in str(caught.value)


def test_a_guest_that_dies_later_says_what_its_journal_says(guest):
    guest.wait_until_ready()
    guest.run(["systemd-cat", "--identifier=bed", "echo", "last words"])
    assert "last words" in guest.journal("--identifier=bed")
    nspawn = guest.nspawn()
    guest.leader().send(signal.SIGKILL)
    assert nspawn.wait(10)
    for ask in (lambda: guest.run(["true"]), guest.wait_until_ready):
        with pytest.raises(GuestsError, match="ended") as caught:
            ask()
        text = str(caught.value)
        assert "its systemd-nspawn ended with status 1\n" in text
        assert "terminated by signal KILL" in text
        assert re.search(r"the end of the journal:\n(.*\n)*.* bed\[\d+\]: last words\n", text)
        assert re.search(HOST, text)


def test_a_guest_whose_process_1_was_killed_is_started_again(guest):
    before = guest.nspawn()
    guest.leader().send(signal.SIGKILL)
    guest.boot(fresh=False)
    assert guest.nspawn() not in (None, before)


@pytest.mark.parametrize("word", ["poweroff", "reboot"])
def test_a_guest_that_is_shutting_down_is_started_again(guest, word):
    guest.wait_until_ready()
    before = guest.nspawn()
    guest.run(["systemctl", "--no-block", word])
    guest.boot(fresh=False)
    assert guest.nspawn() not in (None, before)


@pytest.mark.parametrize(
    ("program", "how", "words"),
    [
        ("#!/bin/sh\necho what it says\necho and complains about >&2\nexit 3\n", "with status 3", "and complains about"),
        ("#!/there/is/none\n", "with status 1", "execv.* failed: No such file or directory"),
    ],
    ids=["ends", "cannot be run"],
)
def test_a_guest_whose_process_1_ends_at_once_says_how(guest, another_init, program, how, words):
    another_init(program)
    # The first one may live until boot() has seen it.
    with pytest.raises(GuestsError) as caught:
        boot_until_ready(guest)
    text = str(caught.value)
    assert f"its systemd-nspawn ended {how}\n" in text
    assert re.search(rf"what systemd-nspawn said .*:\n{words}", text)
    assert ("what it says" in text) == ("what it says" in program)
    assert "the end of the journal: nothing" in text
    assert re.search(HOST, text)
    assert re.search(MEMORY, text)


def test_a_guest_that_was_switched_off_has_not_died(guest):
    guest.kill()
    assert not guest.launched.has_died()
    with pytest.raises(GuestsError, match=r"the guest bed is not running$"):
        guest.run(["true"])
