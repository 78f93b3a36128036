# SPDX-License-Identifier: GPL-3.0-or-later
"""The database as a file: replaced as a whole, seen by readers that have it open, or left as it was."""

from __future__ import annotations

import errno
import faulthandler
import functools
import os
import resource
import signal
import stat
import time
from pathlib import Path

import pytest

from ansible_collections.vsmtp.relay.dev.support.file_state import file_state
from ansible_collections.vsmtp.relay.dev.support.root import needs_root
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database import edits, publish
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database import relayers_db as database
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import (
    BusyError,
    InputOutputError,
    UnreadableError,
    UnwritableError,
)

ADD = edits.put({"10.0.0.1": 5})


def read(path):
    with database.read(path) as snapshot:
        return dict(snapshot.items())


def test_a_new_database_is_sound_and_readable_by_its_owner_and_group_only(relayers_db):
    changes = database.change(relayers_db.path, ADD)
    assert changes.created
    assert changes
    assert relayers_db.entries() == {"10.0.0.1": "5"}
    assert stat.S_IMODE(os.stat(relayers_db.path).st_mode) == 0o640
    assert relayers_db.files_beside == ["relayers.db"]


def test_a_database_is_created_also_for_an_edit_that_leaves_it_empty(relayers_db):
    assert database.change(relayers_db.path, edits.put({}))
    assert relayers_db.entries() == {}


def test_without_create_a_missing_database_is_empty_and_stays_missing(relayers_db):
    assert not database.change(relayers_db.path, edits.expire(0, 99), create=False)
    assert not relayers_db.exists


def test_a_missing_database_reads_as_empty(relayers_db):
    with database.read(relayers_db.path) as snapshot:
        assert not snapshot.exists
        assert list(snapshot.items()) == []


@needs_root
def test_a_new_database_belongs_to_the_owner_and_the_group_of_its_directory(public_directory):
    os.chown(public_directory, 1234, 5678)
    database.change(str(public_directory / "relayers.db"), ADD)
    status = os.stat(public_directory / "relayers.db")
    assert (status.st_uid, status.st_gid) == (1234, 5678)


@needs_root
def test_a_change_keeps_owner_group_mode_and_extended_attributes(relayers_db):
    relayers_db.fill({})
    os.chown(relayers_db.path, 1234, 5678)
    os.chmod(relayers_db.path, 0o604)
    os.setxattr(relayers_db.path, "user.note", b"kept")
    database.change(relayers_db.path, ADD)
    status = os.stat(relayers_db.path)
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (1234, 5678, 0o604)
    assert os.getxattr(relayers_db.path, "user.note") == b"kept"


def test_entries_that_makemap_put_there_stay(relayers_db):
    relayers_db.fill({"10.0.0.9": 7, "example.org": "RELAY"})
    database.change(relayers_db.path, ADD)
    assert relayers_db.entries() == {"10.0.0.9": "7", "example.org": "RELAY", "10.0.0.1": "5"}


def test_what_libdb_wrote_is_read_as_it_is(relayers_db):
    entries = {f"10.0.{n >> 8}.{n & 255}": 1000 + n for n in range(3000)}
    relayers_db.fill(entries)
    assert read(relayers_db.path) == {key.encode(): b"%d" % value for key, value in entries.items()}


def test_a_change_replaces_the_file_and_leaves_the_old_one_whole(relayers_db):
    before = relayers_db.fill({"10.0.0.9": 7}).content
    with open(relayers_db.path, "rb") as opened:
        inode = os.fstat(opened.fileno()).st_ino
        database.change(relayers_db.path, ADD)
        assert os.stat(relayers_db.path).st_ino != inode
        assert opened.read() == before


def test_who_has_the_old_file_open_sees_its_modification_time_grow_by_whole_seconds(relayers_db):
    relayers_db.fill({})
    with open(relayers_db.path, "rb") as opened:
        before = os.fstat(opened.fileno()).st_mtime_ns
        database.change(relayers_db.path, ADD)
        assert os.fstat(opened.fileno()).st_mtime_ns == before + 2_000_000_000


def test_a_change_by_makemap_within_the_same_second_grows_the_time_of_the_new_file(relayers_db):
    database.change(relayers_db.path, ADD)
    assert os.stat(relayers_db.path).st_mtime <= time.time() - 1


@pytest.mark.parametrize("check_only", [False, True])
def test_what_changes_nothing_writes_nothing(relayers_db, check_only):
    relayers_db.fill({"10.0.0.1": 5})
    before = file_state(relayers_db.path)
    assert not database.change(relayers_db.path, ADD, check_only=check_only)
    assert file_state(relayers_db.path) == before


def test_a_check_tells_the_same_and_writes_nothing(relayers_db):
    announced = database.change(relayers_db.path, ADD, check_only=True)
    assert relayers_db.files_beside == []
    done = database.change(relayers_db.path, ADD)
    assert (announced.created, announced.added) == (done.created, done.added) == (True, {b"10.0.0.1": b"5"})


def test_the_file_behind_a_symbolic_link_is_changed_and_the_link_stays(relayers_db, tmp_path):
    relayers_db.fill({})
    link = tmp_path / "link.db"
    link.symlink_to(relayers_db.path)
    database.change(str(link), ADD)
    assert link.is_symlink()
    assert relayers_db.entries() == {"10.0.0.1": "5"}


def not_a_database(path):
    path.write_bytes(b"10.0.0.1 5\n" * 2000)


def a_btree(path):
    assert os.system(f"printf 'key\\nvalue\\n' | db5.3_load -T -t btree {path}") == 0


def a_link_to_itself(path):
    path.symlink_to(path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (not_a_database, "is text, as makemap reads"),
        (a_btree, "is a Berkeley DB btree"),
        (lambda path: path.touch(), "is an empty file"),
        (lambda path: path.mkdir(), "is not a regular file"),
        (os.mkfifo, "is not a regular file"),
        (a_link_to_itself, "symbolic link"),
    ],
)
@pytest.mark.parametrize("use", [read, functools.partial(database.change, edit=ADD)])
def test_what_is_no_database_is_named_and_left_alone(tmp_path, make, message, use):
    path = tmp_path / "relayers.db"
    make(path)
    before = os.lstat(path)
    with pytest.raises(UnreadableError, match=message) as failure:
        use(str(path))
    assert str(path) in str(failure.value)
    assert "\n" not in str(failure.value)
    assert os.lstat(path).st_mtime_ns == before.st_mtime_ns
    assert os.listdir(tmp_path) == ["relayers.db"]


@pytest.mark.parametrize("size", [1, 100, 511, 512, 4096, 5000, 8192])
def test_a_database_that_was_cut_off_is_refused_and_never_replaced(relayers_db, size):
    relayers_db.fill({f"10.0.{n >> 8}.{n & 255}": n for n in range(2000)})
    os.truncate(relayers_db.path, size)
    before = relayers_db.content
    with pytest.raises(UnreadableError):
        database.change(relayers_db.path, edits.expire(0, 1000))
    assert relayers_db.content == before


def test_a_database_with_a_damaged_page_is_refused_without_harm_to_the_process(relayers_db, child):
    entries = {f"10.1.{n // 250}.{n % 250}": 1000 + n for n in range(600)}
    relayers_db.fill(entries)
    sound = relayers_db.content

    def change():
        faulthandler.disable()
        signal.alarm(5)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        try:
            database.change(relayers_db.path, edits.expire(0, 1300))
        except UnreadableError:
            return "refused"
        return "changed"

    for page in range(1, len(sound) // 4096):
        damaged = bytearray(sound)
        # The upper byte of the offset at which the page's data begin (db_page.h).
        damaged[page * 4096 + 21] = 69
        Path(relayers_db.path).write_bytes(damaged)
        assert child(change).result() == "refused"


@pytest.mark.fault("hostile-owner")
def test_a_file_that_its_owner_made_larger_than_memory_is_refused_before_it_is_copied(relayers_db, child):
    database.change(relayers_db.path, edits.put({"10.0.0.1": 1}))
    os.truncate(relayers_db.path, 1 << 40)

    def change():
        # Should it be copied after all, not for ever.
        resource.setrlimit(resource.RLIMIT_FSIZE, (300 << 20, 300 << 20))
        database.change(relayers_db.path, edits.expire(0, 100))

    with pytest.raises(UnreadableError, match="256 MiB"):
        child(change).result()


def test_a_path_through_a_file_is_unreadable(relayers_db):
    relayers_db.fill({})
    with pytest.raises(UnreadableError, match="a part of the path is a file"):
        read(relayers_db.path + "/relayers.db")


def test_a_missing_directory_is_named_with_the_remedy(tmp_path):
    with pytest.raises(UnwritableError, match="create the directory first") as failure:
        database.change(str(tmp_path / "missing" / "relayers.db"), ADD)
    assert failure.value.exit_status == 73


def test_who_may_not_read_it_is_told_so(public_directory, native_database, as_nobody):
    path = native_database(public_directory / "relayers.db").fill({"10.0.0.1": 5}).path
    os.chmod(path, 0o600)
    with pytest.raises(UnreadableError, match="Permission denied"):
        as_nobody(lambda: read(path))


def test_who_may_read_it_but_not_write_it_is_told_so_and_nothing_changes(public_directory, native_database, as_nobody):
    relayers_db = native_database(public_directory / "relayers.db").fill({"10.0.0.9": 7})
    os.chmod(relayers_db.path, 0o666)
    before = file_state(relayers_db.path)
    assert as_nobody(lambda: read(relayers_db.path)) == {b"10.0.0.9": b"7"}
    with pytest.raises(UnwritableError, match="run this as root or as the owner"):
        as_nobody(lambda: database.change(relayers_db.path, ADD))
    assert file_state(relayers_db.path) == before
    assert os.listdir(public_directory) == ["relayers.db"]


def test_who_could_not_keep_the_owner_changes_nothing(public_directory, native_database, as_nobody):
    relayers_db = native_database(public_directory / "relayers.db").fill({"10.0.0.9": 7})
    os.chmod(relayers_db.path, 0o666)
    os.chmod(public_directory, 0o777)
    with pytest.raises(UnwritableError):
        as_nobody(lambda: database.change(relayers_db.path, ADD))
    assert relayers_db.entries() == {"10.0.0.9": "7"}
    assert os.stat(relayers_db.path).st_uid == 0
    assert os.listdir(public_directory) == ["relayers.db"]


def test_the_owner_of_a_virtual_server_needs_no_root(public_directory, native_database, as_nobody):
    os.chown(public_directory, 65534, 65534)
    path = str(public_directory / "relayers.db")
    as_nobody(lambda: bool(database.change(path, ADD)))
    as_nobody(lambda: bool(database.change(path, edits.put({"10.0.0.2": 6}))))
    assert native_database(path).entries() == {"10.0.0.1": "5", "10.0.0.2": "6"}


def test_a_full_disk_is_an_input_output_error_and_nothing_changes(small_disk, native_database):
    relayers_db = native_database(small_disk / "relayers.db")
    relayers_db.fill({f"10.0.{n >> 8}.{n & 255}": n for n in range(2000)})
    before = relayers_db.content
    with pytest.raises(InputOutputError, match="free some space") as failure:
        database.change(relayers_db.path, edits.put({"10.0.0.0": 99}))
    assert failure.value.exit_status == 74
    assert relayers_db.content == before
    assert relayers_db.files_beside == ["relayers.db"]
    assert len(read(relayers_db.path)) == 2000


def test_two_processes_that_add_at_once_lose_nothing(relayers_db, child):
    def add(who):
        for n in range(60):
            database.change(relayers_db.path, edits.put({f"10.0.{who}.{n}": n}))

    children = [child(functools.partial(add, who)) for who in range(3)]
    for each in children:
        each.result()
    assert relayers_db.entries() == {f"10.0.{who}.{n}": str(n) for who in range(3) for n in range(60)}
    assert relayers_db.files_beside == ["relayers.db"]


def test_readers_see_every_state_as_a_whole_while_it_is_written(relayers_db, child):
    def move_about():
        for n in range(80):
            database.change(relayers_db.path, edits.ensure({f"10.0.0.{n}": 1, f"10.0.1.{n}": 1}, 1, purge=True))

    database.change(relayers_db.path, edits.put({"10.0.0.0": 1, "10.0.1.0": 1}))
    mover = child(move_about)
    seen = 0
    while os.waitid(os.P_PID, mover.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        keys = {key.decode() for key in read(relayers_db.path)}
        assert len(keys) == 2
        assert {key.replace("10.0.0.", "10.0.1.") for key in keys} & keys
        seen += 1
    mover.result()
    assert seen > 3


def test_writers_that_are_killed_lose_nothing_that_they_acknowledged(relayers_db, kill_writers):
    kill_writers(lambda _turn: lambda key, number: database.change(relayers_db.path, edits.put({key: number})))
    database.change(relayers_db.path, ADD)
    assert relayers_db.files_beside == ["relayers.db"]


def test_a_change_that_came_between_is_not_lost(relayers_db):
    """Somebody else's write between our copy and our rename makes us start again from what is there then."""
    relayers_db.fill({"10.0.0.9": 7})
    runs = []

    def edit(entries):
        if not runs:
            relayers_db.fill({"10.0.0.8": 8})  # as makemap does, in place
        runs.append(1)
        return ADD(entries)

    database.change(relayers_db.path, edit)
    assert len(runs) == 2
    assert relayers_db.entries() == {"10.0.0.9": "7", "10.0.0.8": "8", "10.0.0.1": "5"}


def test_a_database_that_comes_into_being_meanwhile_is_not_replaced(relayers_db):
    runs = []

    def edit(entries):
        if not runs:
            relayers_db.fill({"10.0.0.8": 8})
        runs.append(1)
        return ADD(entries)

    changes = database.change(relayers_db.path, edit)
    assert relayers_db.entries() == {"10.0.0.8": "8", "10.0.0.1": "5"}
    assert not changes.created


def test_a_database_that_is_removed_meanwhile_is_created_anew(relayers_db):
    relayers_db.fill({"10.0.0.9": 7})
    runs = []

    def edit(entries):
        if not runs:
            os.unlink(relayers_db.path)
        runs.append(1)
        return ADD(entries)

    assert database.change(relayers_db.path, edit).created
    assert relayers_db.entries() == {"10.0.0.1": "5"}


@pytest.fixture
def before_the_new_file_takes_its_place(monkeypatch):
    """Return what has something done once, after the new file was written and before it takes the place of the old one."""

    def arrange(work):
        give_attributes = publish.give_attributes
        waiting = [work]

        def interrupted(*arguments):
            give_attributes(*arguments)
            if waiting:
                waiting.pop()()

        monkeypatch.setattr(publish, "give_attributes", interrupted)

    return arrange


def test_what_makemap_wrote_at_the_last_moment_is_not_lost(relayers_db, before_the_new_file_takes_its_place):
    relayers_db.fill({"10.0.0.9": 7})
    before_the_new_file_takes_its_place(lambda: relayers_db.fill({"10.0.0.8": 8}))
    database.change(relayers_db.path, ADD)
    assert relayers_db.entries() == {"10.0.0.9": "7", "10.0.0.8": "8", "10.0.0.1": "5"}


def test_a_database_that_makemap_created_at_the_last_moment_is_not_replaced(relayers_db, before_the_new_file_takes_its_place):
    before_the_new_file_takes_its_place(lambda: relayers_db.fill({"10.0.0.8": 8}))
    assert not database.change(relayers_db.path, ADD).created
    assert relayers_db.entries() == {"10.0.0.8": "8", "10.0.0.1": "5"}


def test_a_database_that_was_removed_at_the_last_moment_is_created_anew(relayers_db, before_the_new_file_takes_its_place):
    relayers_db.fill({"10.0.0.9": 7})
    before_the_new_file_takes_its_place(lambda: os.unlink(relayers_db.path))
    assert database.change(relayers_db.path, ADD).created
    assert relayers_db.entries() == {"10.0.0.1": "5"}


def test_a_change_that_somebody_else_has_made_meanwhile_is_not_made_again(relayers_db, before_the_new_file_takes_its_place):
    relayers_db.fill({"10.0.0.9": 7})
    before_the_new_file_takes_its_place(lambda: relayers_db.fill({"10.0.0.1": 5}))
    assert not database.change(relayers_db.path, ADD)
    assert relayers_db.entries() == {"10.0.0.9": "7", "10.0.0.1": "5"}
    assert relayers_db.files_beside == ["relayers.db"]


def test_where_the_new_file_cannot_take_its_place_the_old_one_stays_as_it_was(relayers_db, monkeypatch):
    relayers_db.fill({"10.0.0.9": 7})
    before = os.stat(relayers_db.path).st_mtime_ns

    def refuse(_source, _destination, **_directories):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(InputOutputError):
        database.change(relayers_db.path, ADD)
    assert os.stat(relayers_db.path).st_mtime_ns == before
    assert relayers_db.entries() == {"10.0.0.9": "7"}
    assert relayers_db.files_beside == ["relayers.db"]


def test_a_database_that_is_written_all_the_time_is_busy_and_unchanged(relayers_db, holder):
    relayers_db.fill({"10.0.0.9": 7})
    with holder(lambda: open(relayers_db.path, "r+b")):
        start = time.monotonic()
        with pytest.raises(BusyError, match="nothing was changed") as failure:
            database.change(relayers_db.path, ADD, lock_seconds=0.2)
        assert 0.2 <= time.monotonic() - start < 2
        assert failure.value.exit_status == 75
        with pytest.raises(BusyError):
            database.read(relayers_db.path, lock_seconds=0)
    assert relayers_db.entries() == {"10.0.0.9": "7"}
    assert relayers_db.files_beside == ["relayers.db"]


def test_nothing_stays_open(relayers_db, open_descriptors):
    database.change(relayers_db.path, ADD)
    before = open_descriptors()
    for n in range(5):
        database.change(relayers_db.path, edits.put({"10.0.0.1": n}))
        read(relayers_db.path)
        database.change(relayers_db.path, ADD, check_only=True)
    relayers_db.damage()
    with pytest.raises(UnreadableError):
        database.change(relayers_db.path, ADD)
    assert open_descriptors() == before


def test_a_directory_that_is_swapped_during_a_change_leads_the_new_file_nowhere_else(relayers_db, tmp_path):
    relayers_db.fill({"10.0.0.1": 1})
    etc, trap = os.path.dirname(relayers_db.path), tmp_path / "trap"
    trap.mkdir()
    (trap / "relayers.db").write_bytes(b"precious")
    rename = os.rename

    def swap(source, destination, **directories):
        rename(etc, f"{etc}-moved")
        os.symlink(trap, etc)
        rename(source, destination, **directories)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "rename", swap)
        assert database.change(relayers_db.path, ADD).count
    assert (trap / "relayers.db").read_bytes() == b"precious"
    assert os.listdir(trap) == ["relayers.db"]
    assert sorted(os.listdir(f"{etc}-moved")) == ["relayers.db"]


def test_an_error_behind_a_link_names_the_path_that_was_given(relayers_db, tmp_path):
    real = tmp_path / "elsewhere"
    real.write_bytes(b"text")
    os.symlink(real, relayers_db.path)
    for work in (lambda: database.change(relayers_db.path, ADD), lambda: list(database.read(relayers_db.path).items())):
        with pytest.raises(UnreadableError) as raised:
            work()
        if str(real) not in str(raised.value):
            assert relayers_db.path in str(raised.value)
    with pytest.raises(UnreadableError, match=f"^{relayers_db.path}: {real}: "):
        database.change(relayers_db.path, ADD)
