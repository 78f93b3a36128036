# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases as the native tools of Berkeley DB make and see them, and processes that stand in each other's way."""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.command import main as command

NOBODY = 65534


def pytest_addoption(parser):
    parser.addoption("--damaged-files", type=int, default=60, metavar="N", help="try N files that are damaged at random")


def pytest_configure(config):
    config.addinivalue_line("markers", "fault(*keys): tests the rows of docs/failures.md with these keys")


class NativeDatabase:
    """A hash file, or a btree, that is written with db5.3_load and read with db5.3_dump."""

    def __init__(self, path):
        self.path = str(path)

    @property
    def exists(self):
        return os.path.exists(self.path)

    @property
    def content(self):
        return Path(self.path).read_bytes()

    def fill(self, entries, *options, kind="hash"):
        """Write ``entries``: text → text or number; a NUL is written \\0."""
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        text = "".join(f"{key}\n{value}\n" for key, value in entries.items()).replace("\0", "\\00")
        command = ["db5.3_load", *options, "-T", "-t", kind, self.path]
        subprocess.run(command, input=text, text=True, check=True)
        return self

    def entries(self):
        """Return text → text, as db5.3_dump prints them, after db5.3_verify found the file sound."""
        subprocess.run(["db5.3_verify", "-q", self.path], check=True)
        dump = subprocess.run(["db5.3_dump", "-p", self.path], capture_output=True, text=True, check=True).stdout
        lines = re.search(r"HEADER=END\n(.*)DATA=END", dump, re.DOTALL).group(1).splitlines()
        return {key[1:]: value[1:] for key, value in zip(lines[::2], lines[1::2], strict=True)}

    def damage(self):
        """Write over the middle of the file."""
        content = bytearray(self.content)
        content[0:512] = b"\xa5" * 512
        Path(self.path).write_bytes(content)
        return self

    @property
    def files_beside(self):
        """The names of all files of its directory, in order."""
        return sorted(os.listdir(os.path.dirname(self.path)))

    @property
    def unnamed_files_beside(self):
        """The inodes of the files without a name that this process has open in its directory."""
        inodes = set()
        for descriptor in os.listdir("/proc/self/fd"):
            with contextlib.suppress(FileNotFoundError):
                target = os.readlink(f"/proc/self/fd/{descriptor}")
                if target.endswith(" (deleted)") and os.path.dirname(target) == os.path.dirname(self.path):
                    inodes.add(os.stat(f"/proc/self/fd/{descriptor}").st_ino)
        return inodes


@pytest.fixture
def native_database(tmp_path):
    """Return the NativeDatabase of a name below the test's own directory."""
    return lambda name: NativeDatabase(tmp_path / name)


@pytest.fixture
def relayers_db(native_database):
    """Return a database that does not exist yet, in a directory that does."""
    database = native_database("etc/relayers.db")
    os.makedirs(os.path.dirname(database.path))
    return database


@pytest.fixture
def public_directory():
    """Yield a directory that every user can enter, unlike tmp_path."""
    path = tempfile.mkdtemp(prefix="vsmtprelay-test-")
    os.chmod(path, 0o755)
    yield Path(path)
    shutil.rmtree(path)


@pytest.fixture
def open_descriptors():
    """Return the function that lists this process's open descriptors, each with what it is of."""

    def listed():
        gc.collect()  # what another test left to the collector would be closed at any moment
        found = {}
        for number in os.listdir("/proc/self/fd"):
            # The descriptor of the list itself is closed by now.
            with contextlib.suppress(FileNotFoundError):
                found[int(number)] = os.readlink(f"/proc/self/fd/{number}")
        return found

    return listed


class Child:
    """A forked process that runs ``work`` and hands back what it returned or raised."""

    def __init__(self, work):
        reader, writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(reader)
                try:
                    outcome = (True, work())
                except Exception as error:  # to be raised again in the test
                    outcome = (False, error)
                with open(writer, "wb") as pipe:
                    pickle.dump(outcome, pipe)
            finally:
                os._exit(0)
        os.close(writer)
        self._reader = reader

    def result(self):
        """Wait for the process; return what ``work`` returned, or raise what it raised."""
        with open(self._reader, "rb") as pipe:
            pickled = pipe.read()
        status = os.waitpid(self.pid, 0)[1]
        assert pickled, f"the child ended with {status}"
        fine, value = pickle.loads(pickled)
        if fine:
            return value
        raise value


@pytest.fixture
def child():
    """Return what starts a Child."""
    return Child


@pytest.fixture
def as_nobody():
    """Return what runs a function in a process of the user nobody, and returns or raises what it did."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")

    def run(work):
        def unprivileged():
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            return work()

        return Child(unprivileged).result()

    return run


@pytest.fixture
def small_disk(tmp_path):
    """Yield a directory on a file system of 128 KiB."""
    path = tmp_path / "small"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(path)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("only root can mount a small disk")
    yield path
    subprocess.run(["umount", str(path)], check=True)


@pytest.fixture
def kill_writers(relayers_db, child):
    """Return what starts writers one after the other, kills each, and sees to it that all that they acknowledged is there.

    It is given what returns, for the number of a writer and in that writer's process, the function that writes a key and a
    timestamp.
    """
    acknowledged = Path(relayers_db.path).with_name("acknowledged")
    acknowledged.touch()

    def write_for_ever(writer, turn):
        write = writer(turn)
        with acknowledged.open("a") as log:
            for number in range(10**6):
                key = f"10.{100 + turn}.{number >> 8}.{number & 255}"
                write(key, number)
                log.write(f"{key}\n")
                log.flush()

    def run(writer):
        for turn in range(12):
            size = acknowledged.stat().st_size
            process = child(lambda turn=turn: write_for_ever(writer, turn))
            # Killed at a moment that differs from turn to turn, but not before it did something.
            while acknowledged.stat().st_size < size + 12 + 9 * turn:
                assert os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None, process.result()
            os.kill(process.pid, signal.SIGKILL)
            with pytest.raises(AssertionError, match="the child ended with 9"):
                process.result()
            assert set(acknowledged.read_text().split()) <= set(relayers_db.entries())
        acknowledged.unlink()

    return run


class Holder:
    """A process that holds something, from the moment at which it is started until it is told to let go."""

    def __init__(self, take):
        ready_reader, ready_writer = os.pipe()
        go_reader, self._go_writer = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            try:
                held = take()
                os.write(ready_writer, b".")
                os.read(go_reader, 1)
                del held
            finally:
                os._exit(0)
        os.close(ready_writer)
        os.close(go_reader)
        assert os.read(ready_reader, 1) == b".", "the holder could not take what it was to hold"
        os.close(ready_reader)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.release()

    def release(self):
        """End the process, if it still runs."""
        if self._pid:
            # Processes that were started later hold this end of the pipe as well: to close it would not be enough.
            with contextlib.suppress(BrokenPipeError):
                os.write(self._go_writer, b".")
            os.close(self._go_writer)
            os.waitpid(self._pid, 0)
            self._pid = 0


@pytest.fixture
def holder():
    """Return what starts a Holder; those that are left are ended with the test."""
    started = []

    def start(take):
        started.append(Holder(take))
        return started[-1]

    yield start
    for each in started:
        each.release()


@pytest.fixture
def eventually():
    """Return what waits until a condition holds, and fails after a time that is long even where others keep the disk busy."""

    def wait(condition, seconds=60):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "it never came to be"
            time.sleep(0.01)

    return wait


@pytest.fixture
def run(capfd, tmp_path):
    """Return what runs the command and returns its exit status, output and error output."""

    def run(*arguments, table=tmp_path / "no table"):
        status = command.main([str(argument) for argument in arguments], str(table))
        sys.stdout.flush()
        output = capfd.readouterr()
        return status, output.out, output.err

    return run
