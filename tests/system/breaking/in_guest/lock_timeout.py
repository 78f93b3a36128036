# SPDX-License-Identifier: GPL-3.0-or-later
"""Hold the database in every way in which others hold it; see that commands give up in time, or go on when it is let go."""

import hashlib
import json
import os
import subprocess
import time

import common

# Each runs until its input is closed, and has said that it holds what it holds.
PROGRAM = """
import fcntl, sys
sys.path.insert(0, "/usr/local/lib")
PATH = "/etc/mail/relayers.db"
{}
print("held", flush=True)
sys.stdin.read()
"""
# What holds it, and whether it keeps readers away as well.
HOLDERS = [
    ("flock", "held = open(PATH, 'rb'); fcntl.flock(held, fcntl.LOCK_EX)", True),
    ("shared flock", "held = open(PATH, 'rb'); fcntl.flock(held, fcntl.LOCK_SH)", False),
    ("fcntl lock", "held = open(PATH, 'r+b'); fcntl.lockf(held, fcntl.LOCK_EX)", True),
    ("writer in place", "held = open(PATH, 'r+b')", True),
    ("writer that only appends", "held = open(PATH, 'ab')", True),
    ("vsmtprelay", "from vsmtprelay.database.locks import *; held = WriterLock(PATH, Deadline(60))", False),
    ("makemap", None, True),
]
CHANGES = {"add": ["10.1.0.1", "5"], "delete": ["10.0.0.1"], "expire": []}
READS = {"dump": []}
TIMEOUT = 0.3
# Nobody should wait so much longer than asked for, however busy the machine is.
SLACK = 30
LISTED = {"10.0.0.1": "1000", "10.0.0.2": "4000000000"}
counts = {"holders": 0, "gave up": 0, "not kept waiting": 0, "succeeded when let go": 0, "faults": []}


class Holder:
    """A process that holds the database."""

    def __init__(self, code):
        command = ["python3", "-c", PROGRAM.format(code)] if code else ["makemap", "-o", "hash", common.DATABASE]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if code:
            assert self.process.stdout.readline() == b"held\n"
        else:
            while not (self._has_it_open() and self._waits()):
                assert self.process.poll() is None
                time.sleep(0.01)

    def _has_it_open(self):
        directory = f"/proc/{self.process.pid}/fd"
        return any(os.path.realpath(f"{directory}/{name}") == common.DATABASE for name in os.listdir(directory))

    def _waits(self):
        """Return whether the process sleeps: makemap, when it has set the file up and waits for its input."""
        with open(f"/proc/{self.process.pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "S"

    def release(self):
        self.process.communicate()


def call(words, timeout):
    return subprocess.Popen(
        ["vsmtprelay", f"--lock-timeout={timeout}", f"--database={common.DATABASE}", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def state():
    status = os.stat(common.DATABASE)
    with open(common.DATABASE, "rb") as file:
        content = hashlib.sha256(file.read()).hexdigest()
    return status.st_ino, status.st_mtime_ns, status.st_ctime_ns, content, common.leftovers()


def begin():
    text = "".join(f"{key}\t{value}\n" for key, value in LISTED.items())
    subprocess.run(["makemap", "hash", common.DATABASE], input=text.encode(), check=True)


def give_up(holder, commands):
    """All of ``commands`` wait at once, and each gives up."""
    before = state()
    start = time.monotonic()
    calls = {name: call([name, *arguments], TIMEOUT) for name, arguments in commands.items()}
    for name, process in calls.items():
        output, errors = process.communicate(timeout=120)
        seconds = time.monotonic() - start
        message = errors.decode()
        if process.returncode != 75 or output:
            yield f"{holder}: {name}: exit {process.returncode}, {output[:80]} {message[-300:]!r}"
        elif len(message.splitlines()) != 1 or not message.startswith(f"vsmtprelay: {common.DATABASE}: "):
            yield f"{holder}: {name}: not one line that names the file: {message!r}"
        elif not TIMEOUT <= seconds < TIMEOUT + SLACK:
            yield f"{holder}: {name}: gave up after {seconds} seconds"
        counts["gave up"] += 1
    if state() != before:
        yield f"{holder}: the database changed"


def pass_by(holder):
    for name, arguments in READS.items():
        process = call([name, *arguments], TIMEOUT)
        errors = process.communicate(timeout=120)[1]
        if process.returncode != 0 or errors:
            yield f"{holder}: {name}: exit {process.returncode}, {errors[-300:]}"
        counts["not kept waiting"] += 1


def go_on(name, holder, commands):
    """All of ``commands`` wait at once, and each succeeds when the database is let go."""
    calls = {command: call([command, *arguments], 300) for command, arguments in commands.items()}
    time.sleep(TIMEOUT)
    early = [command for command, process in calls.items() if process.poll() is not None]
    if early:
        yield f"{name}: {early} did not wait"
    holder.release()
    for command, process in calls.items():
        errors = process.communicate(timeout=300)[1]
        if process.returncode != 0 or errors:
            yield f"{name}: {command}: when let go: exit {process.returncode}, {errors[-300:]}"
        counts["succeeded when let go"] += 1
    if common.dump() != {"10.0.0.2": "4000000000", "10.1.0.1": "4000000001"} or common.leftovers():
        yield f"{name}: not the entries that should be there: {common.dump()}, {common.leftovers()}"


for name, code, keeps_readers_away in HOLDERS:
    begin()
    holder = Holder(code)
    counts["faults"] += give_up(name, {**CHANGES, **READS} if keeps_readers_away else CHANGES)
    if not keeps_readers_away:
        counts["faults"] += pass_by(name)
    # Whichever of these comes first, the end is the same.
    waiting = {"add": ["10.1.0.1", "4000000001"], "delete": ["10.0.0.1"]}
    counts["faults"] += go_on(name, holder, {**waiting, **READS} if keeps_readers_away else waiting)
    counts["holders"] += 1
print(json.dumps(counts))
