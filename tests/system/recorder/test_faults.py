# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever happens to the recorder or its database in the middle of logins: all of them succeed, and all are recorded.

Two things are beyond us: a report that was read in the very moment of a kill -9, and what Dovecot does not report. Dovecot 2.4
opens as many connections as the role sets, each of which waits for its answer. Dovecot 2.3 opens 100, and reports 100 logins
while the recorder is away; of all others, and of those that it has reported, it sends events afterwards.
"""

from __future__ import annotations

import contextlib
import statistics
import time

import pytest

from support.releases import releases

from .conftest import DATABASE

RATE = 100
SERVICE = "vsmtprelay-recorder.service"
# The most logins that Dovecot keeps for a recorder that is away. With 2.3 these are events, in 256 MB; with 2.4 connections.
MOST_KEPT = releases({"bookworm": 80_000, "trixie": 1300})
# Until the watchdog has ended a recorder that hangs, and another has started.
WATCHDOG_SECONDS = 3
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


def once_a_second(work, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        work()
        time.sleep(1)


def kill_now(host):
    pid = main_pid(host)
    if pid != "0":
        host.run(["kill", "-KILL", pid], check=False)


def kill(host, seconds):
    once_a_second(lambda: kill_now(host), seconds)


def restart(host, seconds):
    once_a_second(lambda: host.run(["systemctl", "restart", SERVICE]), seconds)


def stop(host, seconds):
    """Stop it again and again; its socket has it started by the next login."""
    once_a_second(lambda: host.run(["systemctl", "stop", SERVICE]), seconds)


def hang(host, _seconds):
    """Let it hang for good: systemd's watchdog has to notice."""
    pid = main_pid(host)
    host.run(["kill", "-STOP", pid])
    deadline = time.monotonic() + 10
    while main_pid(host) in (pid, "0"):
        assert time.monotonic() < deadline, "nobody ended it"
        time.sleep(0.05)


def keep_away(host, seconds):
    """As when it does not come up again: an outage of the whole time."""
    program = host.path("/usr/local/sbin/vsmtprelay-recorder")
    kept = program.read_text()
    program.write_text("#!/bin/false\n")
    kill_now(host)
    time.sleep(seconds)
    program.write_text(kept)


def fill_the_disk(host, seconds):
    host.run(["sh", "-c", "cat /dev/zero > /srv/relay/filler"], check=False)
    time.sleep(seconds)
    host.run(["rm", "/srv/relay/filler"])


def make_read_only(host, seconds):
    # Refused while the recorder has the next file prepared, which is most of the time with so many logins.
    host.run(["timeout", "10", "sh", "-c", "until mount -o remount,ro /srv/relay; do :; done"])
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
        kill_now(host)
        time.sleep(seconds / 2)


FAULTS = [stop, kill, restart, hang, keep_away, fill_the_disk, make_read_only, lock, lock_and_kill]


def most_lost(host, fault, outage):
    """Return how many logins may be missing; see above."""
    if fault in (keep_away, hang):
        away = outage if fault is keep_away else WATCHDOG_SECONDS
        # Keeping it away begins with killing it.
        return max(int(RATE * (away + 1)) - MOST_KEPT[host.release], 0) + (fault is keep_away)
    return {kill: outage + 1, lock_and_kill: 1}.get(fault, 0)


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.__name__.replace("_", " ") for fault in FAULTS])
@pytest.mark.fault("unwritable-database", "locked-database")
@pytest.mark.fault("recorder-stopped", "recorder-killed", "recorder-hanging", "recorder-broken")
def test_every_login_succeeds_and_is_recorded_when_the_fault_is_over(host, load, full, fault):
    outage = 10 if full else 2
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
    assert [result["error"] for result in results if not result["ok"]] == [], said_by_dovecot(host)
    assert listed <= expected
    assert len(missing) <= most_lost(host, fault, outage)


def said_by_dovecot(host):
    """Return the last of what Dovecot said but for logins, such as that a process of it ended."""
    lines = host.run(["journalctl", "--no-pager", "--lines=5000", "--unit=dovecot.service"]).stdout.splitlines()
    return "\n".join([line for line in lines if "-login: " not in line and "(alice)" not in line][-40:])


def entries(host):
    return {line.split()[0] for line in host.run(["vsmtprelay", "dump"]).stdout.splitlines()[1::2]}


def wait_for(host, expected):
    """Return those of ``expected`` that are not listed when nothing has been added for some seconds."""
    missing, deadline = expected - entries(host), time.monotonic() + 8
    while missing and time.monotonic() < deadline:
        time.sleep(0.3)
        now = expected - entries(host)
        if now != missing:
            missing, deadline = now, time.monotonic() + 8
    return missing
