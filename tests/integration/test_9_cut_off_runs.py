# SPDX-License-Identifier: GPL-3.0-or-later
"""A run of the role that is cut off in the middle is completed by the next one."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from support.fingerprint import fingerprint
from support.playbook import play, words_of

HOST = "mailhost"
# In the middle of these the run is cut off; the first two without --full.
TASKS = (
    "Install the packages that are missing",
    "Have sendmail reread what changed",
    "Tell the host which virtual servers it has",
    "Install the command, its library, the recorder and the nightly expiry",
    "Create the databases",
    "Put the ruleset into sendmail's configuration",
    "Create the secret that Dovecot shows to the recorder",
    "Listen for logins, and have Dovecot read what changed",
)
WITHOUT_FULL = 2
# Made anew each time, or whenever Python runs.
RANDOM = ("recorder-key.conf", "__pycache__", "relayers.db")
SSHD_SESSIONS = """
for process in /proc/[0-9]*; do
    case $(tr '\\0' ' ' < $process/cmdline) in "sshd: root@"* | "sshd-session: root@"*) echo ${process#/proc/} ;; esac
done
"""


def lines(guest):
    return {line for line in fingerprint(guest).splitlines() if not any(word in line for word in RANDOM)}


def cut_off(lab, guest, task, playbook):
    """Start the playbook, and kill it and its connections when the task has begun."""
    command, environment = words_of(lab, playbook)
    process = subprocess.Popen(
        [*lab.controller.enter(), *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **environment},
        start_new_session=True,
    )
    try:
        # The task is announced before it is sent; the host does its work while the run is killed.
        assert any(f": {task}]" in line for line in process.stdout), f"the run ended without {task}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for session in guest.run(["sh", "-c", SSHD_SESSIONS]).stdout.split():
        guest.run(["kill", "-KILL", session], check=False)


@pytest.fixture(scope="module")
def complete(lab, mail_host):
    """What the host looks like without the role, and with it, after runs that were not cut off."""
    assert play(lab, "vsmtp.relay.remove").status == 0
    without = lines(mail_host)
    assert play(lab, "vsmtp.relay.site").status == 0
    return without, lines(mail_host)


@pytest.mark.parametrize("number", range(len(TASKS)), ids=TASKS)
def test_the_next_run_completes_it(lab, mail_host, complete, full, number):
    if number >= WITHOUT_FULL and not full:
        pytest.skip("with --full only")
    assert play(lab, "vsmtp.relay.remove").status == 0
    assert lines(mail_host) == complete[0]
    cut_off(lab, mail_host, TASKS[number], "vsmtp.relay.site")
    run = play(lab, "vsmtp.relay.site")
    assert run.status == 0, run.output
    assert lines(mail_host) == complete[1]
    assert play(lab, "vsmtp.relay.site").counts[HOST]["changed"] == 0
