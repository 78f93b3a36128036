# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks: towards makemap in all its versions, and among our own writers."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import stat
import time
from pathlib import Path

import pytest

from ansible_collections.vsmtp.relay.dev.support.root import needs_root
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database import edits
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database import relayers_db as database
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database.locks import Deadline, QuiescentFile, WriterLock
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import BusyError, LockedError


def flock(path):
    """Lock as makemap 8.17 does."""
    file = open(path, "rb")  # noqa: SIM115
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


def record_lock(path):
    """Lock as makemap 8.15 does."""
    file = open(path, "r+b")  # noqa: SIM115
    fcntl.lockf(file, fcntl.LOCK_EX)
    return file


def open_for_writing(path):
    """Be in the state of makemap 8.15 after libdb disarmed its lock."""
    return open(path, "r+b")


def shared_flock(path):
    """Lock as a sendmail does that opens the map."""
    file = open(path, "rb")  # noqa: SIM115
    fcntl.flock(file, fcntl.LOCK_SH)
    return file


def quiet(path, exclusive, seconds=0.0):
    with QuiescentFile(path, exclusive, Deadline(seconds)):
        return True


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("lock", [flock, record_lock, open_for_writing])
def test_a_file_that_another_process_may_be_writing_is_busy_until_it_lets_go(relayers_db, holder, lock, exclusive):
    relayers_db.fill({})
    with holder(lambda: lock(relayers_db.path)), pytest.raises(BusyError) as failure:
        quiet(relayers_db.path, exclusive)
    assert relayers_db.path in str(failure.value)
    assert quiet(relayers_db.path, exclusive)


def test_a_sendmail_that_opens_the_map_keeps_only_the_replacement_waiting(relayers_db, holder):
    relayers_db.fill({})
    with holder(lambda: shared_flock(relayers_db.path)):
        assert quiet(relayers_db.path, exclusive=False)
        with pytest.raises(BusyError):
            quiet(relayers_db.path, exclusive=True)


@pytest.mark.parametrize("exclusive", [False, True])
def test_a_sendmail_that_has_the_map_open_keeps_nobody_waiting(relayers_db, holder, exclusive):
    relayers_db.fill({})
    with holder(lambda: open(relayers_db.path, "rb")):
        assert quiet(relayers_db.path, exclusive)


@pytest.mark.parametrize("lock", [flock, record_lock, open_for_writing])
def test_a_change_waits_for_makemap_and_then_goes_on(relayers_db, holder, child, lock, eventually):
    relayers_db.fill({"10.0.0.9": 7})
    makemap = holder(lambda: lock(relayers_db.path))
    writer = child(lambda: database.change(relayers_db.path, edits.put({"10.0.0.1": 5}), lock_seconds=20).count)
    # It waits: its copy of the file is opened and closed again and again, and nothing is there beside the database.
    eventually(lambda: os.path.exists(f"/proc/{writer.pid}/wchan"))
    assert os.waitid(os.P_PID, writer.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    makemap.release()
    assert writer.result() == 1
    assert relayers_db.entries() == {"10.0.0.9": "7", "10.0.0.1": "5"}


def test_a_program_that_opens_the_file_while_we_hold_it_does_not_end_our_process(relayers_db, child):
    relayers_db.fill({})

    def hold_and_be_disturbed():
        blocked = False
        with QuiescentFile(relayers_db.path, True, Deadline(0)) as quiet_file:
            try:
                os.close(os.open(relayers_db.path, os.O_RDWR | os.O_NONBLOCK))
            except BlockingIOError:
                blocked = True
            quiet_file.release()
        return blocked

    assert child(hold_and_be_disturbed).result() is True


def test_what_is_released_can_be_written_by_others(relayers_db, child):
    relayers_db.fill({})

    def write():
        with open(relayers_db.path, "r+b", opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK)) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True

    with QuiescentFile(relayers_db.path, True, Deadline(0)) as quiet_file:
        with pytest.raises(BlockingIOError):
            child(write).result()
        quiet_file.release()
        assert child(write).result()


@pytest.fixture
def without_leases(monkeypatch):
    """Have the kernel refuse leases, as it does on file systems that have none, and to who does not own the file."""
    control = fcntl.fcntl

    def refuse(descriptor, command, *arguments):
        if command == fcntl.F_SETLEASE:
            raise OSError(errno.EINVAL, "Invalid argument")
        return control(descriptor, command, *arguments)

    monkeypatch.setattr(fcntl, "fcntl", refuse)


def test_where_there_are_no_leases_the_locks_have_to_do(relayers_db, without_leases, holder):
    relayers_db.fill({})
    with QuiescentFile(relayers_db.path, True, Deadline(0)) as quiet_file:
        quiet_file.release()
    with holder(lambda: flock(relayers_db.path)), pytest.raises(BusyError):
        quiet(relayers_db.path, exclusive=False)


def test_who_is_interrupted_while_he_locks_leaves_nothing_open(relayers_db, monkeypatch, open_descriptors):
    relayers_db.fill({})

    def interrupt(_descriptor, _operation):
        raise KeyboardInterrupt

    before = open_descriptors()
    monkeypatch.setattr(fcntl, "flock", interrupt)
    with pytest.raises(KeyboardInterrupt):
        quiet(relayers_db.path, exclusive=True)
    with pytest.raises(KeyboardInterrupt):
        WriterLock(relayers_db.path, Deadline(0))
    assert open_descriptors() == before


def test_patience_ends_after_its_time_and_names_who_holds_what():
    deadline = Deadline(0.1)
    start = time.monotonic()

    def wait_for_ever():
        while True:
            deadline.wait("/etc/x", "somebody")

    with pytest.raises(BusyError, match=r"/etc/x: somebody for more than 0\.1 seconds.*fuser -v /etc/x"):
        wait_for_ever()
    assert 0.1 <= time.monotonic() - start < 1


def test_there_is_one_writer_at_a_time(relayers_db, child):
    def write():
        with WriterLock(relayers_db.path, Deadline(0)):
            return True

    busy = pytest.raises(BusyError, match="another vsmtprelay or recorder is changing it")
    with WriterLock(relayers_db.path, Deadline(0)), busy:
        child(write).result()
    assert child(write).result()


def test_writers_of_different_databases_do_not_meet(relayers_db, native_database):
    with (
        WriterLock(relayers_db.path, Deadline(0)) as one,
        WriterLock(native_database("etc/other.db").path, Deadline(0)) as other,
    ):
        assert one.path != other.path


def test_the_temporary_file_is_private_and_gone_afterwards(relayers_db):
    with WriterLock(relayers_db.path, Deadline(0)) as writer:
        assert stat.S_IMODE(os.stat(writer.path).st_mode) == 0o600
    assert relayers_db.files_beside == []


def test_what_a_killed_writer_left_is_taken_over(relayers_db, holder):
    def half_done():
        writer = WriterLock(relayers_db.path, Deadline(0))
        os.write(writer.descriptor, b"half")
        return writer

    writer = holder(half_done)
    os.kill(writer._pid, signal.SIGKILL)
    writer.release()
    assert len(relayers_db.files_beside) == 1
    with WriterLock(relayers_db.path, Deadline(5)) as successor:
        assert os.fstat(successor.descriptor).st_size == 0
    assert relayers_db.files_beside == []


def left_given_away(path):
    path.write_bytes(b"x")
    os.chown(path, 1234, 5678)


def left_linked(path):
    path.write_bytes(b"x")
    os.link(path, path.with_name("the database"))


@pytest.mark.parametrize(
    "leave",
    [pytest.param(left_given_away, marks=needs_root), left_linked, os.mkfifo],
)
def test_what_is_not_ours_alone_is_replaced_and_not_written_to(tmp_path, leave):
    left = tmp_path / ".relayers.db.vsmtprelay"
    leave(left)
    inode = os.lstat(left).st_ino
    with WriterLock(str(tmp_path / "relayers.db"), Deadline(1)) as writer:
        assert os.fstat(writer.descriptor).st_ino != inode or not stat.S_ISFIFO(os.fstat(writer.descriptor).st_mode)
        assert os.fstat(writer.descriptor).st_uid == os.geteuid()
    if leave is left_linked:
        assert (tmp_path / "the database").read_bytes() == b"x"


def test_a_symbolic_link_in_the_place_of_the_temporary_file_is_not_followed(tmp_path):
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / ".relayers.db.vsmtprelay").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic links"):
        WriterLock(str(tmp_path / "relayers.db"), Deadline(0))
    assert (tmp_path / "victim").read_bytes() == b"precious"


def test_a_user_who_can_only_read_cannot_keep_the_writers_waiting(public_directory, as_nobody, holder):
    """No lock that any local user could take on the directory or the database stops a change for good."""
    path = str(public_directory / "relayers.db")
    database.change(path, edits.put({}))
    os.chmod(path, 0o600)

    def lock_the_directory():
        os.setuid(65534)
        directory = os.open(public_directory, os.O_RDONLY)
        fcntl.flock(directory, fcntl.LOCK_EX)
        return directory

    with pytest.raises(PermissionError):
        as_nobody(lambda: os.open(f"{public_directory}/.relayers.db.vsmtprelay", os.O_RDWR | os.O_CREAT))
    with holder(lock_the_directory):
        assert database.change(path, edits.put({"10.0.0.1": 5}), lock_seconds=0)


def test_a_file_that_another_user_left_in_the_place_of_the_lock_is_waited_for(public_directory, as_nobody):
    path = str(public_directory / "relayers.db")
    os.chmod(public_directory, 0o777)
    with WriterLock(path, Deadline(0)), pytest.raises(BusyError):
        as_nobody(lambda: WriterLock(path, Deadline(0.05)))


def test_the_owner_of_a_database_takes_over_what_a_killed_root_left(public_directory, as_nobody):
    path = str(public_directory / "relayers.db")
    os.chown(public_directory, 65534, -1)
    left = WriterLock(path, Deadline(0))
    os.close(left.descriptor)  # as when the process is killed

    def write():
        with WriterLock(path, Deadline(0.05)) as writer:
            return os.fstat(writer.descriptor).st_uid

    assert as_nobody(write) == 65534
    assert os.listdir(public_directory) == []


def test_a_lease_of_another_process_is_waited_for_like_a_lock(relayers_db, child):
    relayers_db.fill({"10.0.0.1": 5})
    lock = os.path.join(os.path.dirname(relayers_db.path), ".relayers.db.vsmtprelay")
    Path(lock).touch(0o600)
    for path in (relayers_db.path, lock):
        with _leased(path, child), pytest.raises(LockedError, match=r"for more than 0\.2 seconds"):
            database.change(relayers_db.path, edits.put({"10.0.0.1": 6}), 0.2)
    assert database.change(relayers_db.path, edits.put({"10.0.0.1": 6}), 0.2).count == 1


@contextlib.contextmanager
def _leased(path, child):
    """Another process holds a write lease on the file at ``path``, and does not give way when it should (fcntl(2))."""
    reader, writer = os.pipe()

    def hold():
        signal.signal(signal.SIGIO, signal.SIG_IGN)
        descriptor = os.open(path, os.O_RDWR)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        os.write(writer, b"held")
        signal.pause()

    holder = child(hold)
    assert os.read(reader, 4) == b"held"
    try:
        yield
    finally:
        os.kill(holder.pid, signal.SIGKILL)
        os.waitpid(holder.pid, 0)
        os.close(reader)
        os.close(writer)


def test_a_directory_that_its_owner_may_write_and_not_read_is_no_obstacle(public_directory, as_nobody):
    os.chown(public_directory, 65534, 65534)
    os.chmod(public_directory, 0o311)
    path = str(public_directory / "relayers.db")
    assert as_nobody(lambda: database.change(path, edits.put({"10.0.0.1": 5})).count) == 1
    assert as_nobody(lambda: database.change(path, edits.put({"10.0.0.2": 5})).count) == 1
    assert os.listdir(public_directory) == ["relayers.db"]
