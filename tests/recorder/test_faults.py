# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever happens to the recorder or its database in the middle of logins: all of them succeed, and all are recorded."""

from __future__ import annotations

import contextlib
import statistics
import time

import pytest

from .conftest import DATABASE

RATE = 100
SERVICE = "vsmtprelay-recorder.service"
# Holds a lock on the file that is its argument, until its input ends.
HOLD = """
import fcntl, sys
file = open(sys.argv[1], "r+b")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def main_pid(host):
    return host.run(["systemctl", "show", "--property=MainPID", "--value", SERVICE]).stdout.strip()


def kill(host, seconds):
    """Kill it again and again: as soon as there is one."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pid = main_pid(host)
        if pid != "0":
            host.run(["kill", "-KILL", pid], check=False)
        time.sleep(0.3)


def restart(host, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        host.run(["systemctl", "restart", SERVICE])
        time.sleep(0.3)


def stop(host, seconds):
    """Stop it again and again; its socket has it started by the next login."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        host.run(["systemctl", "stop", SERVICE])
        time.sleep(0.3)


def hang(host, seconds):
    pid = main_pid(host)
    host.run(["kill", "-STOP", pid])
    time.sleep(seconds)
    host.run(["kill", "-CONT", pid])


def fill_the_disk(host, seconds):
    host.run(["sh", "-c", "cat /dev/zero > /srv/relay/filler"], check=False)
    time.sleep(seconds)
    host.run(["rm", "/srv/relay/filler"])


def make_read_only(host, seconds):
    host.run(["mount", "-o", "remount,ro", "/srv/relay"])
    time.sleep(seconds)
    host.run(["mount", "-o", "remount,rw", "/srv/relay"])


@contextlib.contextmanager
def locked(host):
    with host.popen(["python3", "-c", HOLD, DATABASE]) as holder:
        assert holder.stdout.readline() == "held\n"
        yield
        holder.stdin.close()


def lock(host, seconds):
    with locked(host):
        time.sleep(seconds)


def lock_and_kill(host, seconds):
    """What the killed one has taken cannot have been written."""
    with locked(host):
        time.sleep(seconds / 2)
        host.run(["kill", "-KILL", main_pid(host)])
        time.sleep(seconds / 2)


FAULTS = [stop, kill, restart, hang, fill_the_disk, make_read_only, lock, lock_and_kill]


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.__name__.replace("_", " ") for fault in FAULTS])
def test_every_login_succeeds_and_is_recorded_when_the_fault_is_over(host, load, full, fault):
    outage = 10 if full else 3
    count = int((outage + 2) * RATE)
    logins = load(host.address4, f"--count={count}", f"--rate={RATE}", "--threads=60")
    time.sleep(1)
    fault(host, outage)
    results = logins.result()
    expected = {result["address"] for result in results if result["ok"]}
    missing = wait_for(host, expected)
    listed = entries(host)
    seconds = sorted(result["seconds"] for result in results)
    print(
        f"{host.release}: {fault.__name__}: {count} logins, {count - len(expected)} failed, {len(missing)} not recorded, "
        f"{len(listed - expected)} recorded without a login, p50 {statistics.median(seconds) * 1000:.0f} ms, "
        f"p99 {seconds[int(0.99 * count)] * 1000:.0f} ms, most {seconds[-1] * 1000:.0f} ms"
    )
    assert [result for result in results if not result["ok"]] == []
    assert listed <= expected
    assert missing == set()


def entries(host):
    return {line.split()[0] for line in host.run(["vsmtprelay", "dump"]).stdout.splitlines()[1::2]}


def wait_for(host, expected):
    """Return those of ``expected`` that are not listed after a time in which they should have been."""
    deadline = time.monotonic() + 15
    while (missing := expected - entries(host)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return missing
