# SPDX-License-Identifier: GPL-3.0-or-later
"""A run of the role that is cut off in the middle is completed by the next one."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from support.fingerprint import fingerprint
from support.playbook import play, words_of
from support.waiting import wait_until

HOST = "mailhost"
# As soon as one of these files is there, or has the ruleset, the run is cut off; at the first two without --full.
TRACES = (
    "/var/lib/vsmtprelay/packages.before",
    "/etc/mail/sendmail.cf",
    "/var/lib/vsmtprelay/packages",
    "/etc/vsmtprelay/virtual_servers",
    "/usr/local/lib/vsmtprelay/entries/addresses.py",
    "/etc/dovecot/conf.d/95-vsmtprelay.conf",
    "/etc/vsmtprelay/recorder-key.conf",
    "/etc/systemd/system/vsmtprelay-recorder.socket",
    "/var/lib/vsmtprelay/units",
)
WITHOUT_FULL = "/etc/mail/sendmail.cf"
# Made anew each time, or whenever Python runs.
RANDOM = ("recorder-key.conf", "__pycache__", "relayers.db")
# All that came with somebody who logged in, such as the modules: what dies when a host loses its power.
KILL_SESSIONS = """
for process in /proc/[0-9]*; do
    if grep -qz '^SSH_CONNECTION=' $process/environ; then kill -KILL ${process#/proc/}; fi
done 2>&-; true
"""
PATIENCE_SECONDS = 120


def lines(guest):
    return {line for line in fingerprint(guest).splitlines() if not any(word in line for word in RANDOM)}


def has(guest, trace):
    try:
        content = guest.path(trace).read_bytes()
    except FileNotFoundError:
        return False
    return b"# BEGIN vsmtp.relay" in content or not trace.endswith("sendmail.cf")


def cut_off(lab, guest, trace, playbook):
    """Start the playbook, and kill it and all that it has running on the host as soon as the trace of its work is there."""
    command, environment = words_of(lab, playbook)
    process = subprocess.Popen(
        [*lab.controller.enter(), *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **environment},
        start_new_session=True,
    )
    try:
        wait_until(lambda: has(guest, trace) or process.poll() is not None, PATIENCE_SECONDS)
        guest.run(["sh", "-c", KILL_SESSIONS])
    finally:
        assert process.poll() is None, f"the run ended before {trace} was there"
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def complete(lab, mail_host):
    """What the host looks like without the role, and with it, after runs that were not cut off."""
    assert play(lab, "vsmtp.relay.remove").status == 0
    without = lines(mail_host)
    assert play(lab, "vsmtp.relay.site").status == 0
    return without, lines(mail_host)


@pytest.mark.parametrize(
    "trace", [trace if trace == WITHOUT_FULL else pytest.param(trace, marks=pytest.mark.full) for trace in TRACES]
)
@pytest.mark.fault("interrupted-run")
def test_the_next_run_completes_it(lab, mail_host, complete, trace):
    assert play(lab, "vsmtp.relay.remove").status == 0
    assert lines(mail_host) == complete[0]
    cut_off(lab, mail_host, trace, "vsmtp.relay.site")
    run = play(lab, "vsmtp.relay.site")
    assert run.status == 0, run.output
    assert lines(mail_host) == complete[1]
    assert play(lab, "vsmtp.relay.site").counts[HOST]["changed"] == 0
