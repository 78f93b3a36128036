# SPDX-License-Identifier: GPL-3.0-or-later
"""The file that is prepared for the next login: it becomes the database, unless anything happened since it was prepared."""

from __future__ import annotations

import errno
import os

import pytest

from ansible_collections.vsmtp.relay.dev.support.root import needs_root
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database import edits
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database import prepared as prepared_module
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database import relayers_db as database
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database.locks import Deadline, WriterLock
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database.prepared import PreparedFiles
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database.published import Published

NOW = 1_700_000_000
# What the process of these tests wrote: each database of a test is another file.
PUBLISHED = Published()
MANY = {f"10.1.{number >> 8}.{number & 255}": NOW for number in range(3000)}


def login(key, timestamp=NOW):
    return edits.record_logins({key: timestamp})


@pytest.fixture
def prepared(relayers_db):
    """Yield the next file of a database that this process wrote and that holds one login."""
    database.change(relayers_db.path, login("10.0.0.1"), published=PUBLISHED)
    file = PreparedFiles(PUBLISHED).of(relayers_db.path)
    file.prepare()
    yield file
    file.close()


def test_one_login_after_the_other_is_in_the_database_when_that_is_told(prepared, relayers_db):
    for number in range(2, 200):
        assert prepared.commit(login(f"10.0.0.{number}", NOW + number)).count == 1
        prepared.prepare()
    assert relayers_db.entries() == {"10.0.0.1": str(NOW)} | {f"10.0.0.{n}": str(NOW + n) for n in range(2, 200)}
    assert relayers_db.files_beside == ["relayers.db"]


def test_logins_that_come_together_are_written_together_also_where_the_file_grows_by_them(prepared, relayers_db):
    size = os.stat(relayers_db.path).st_size
    assert prepared.commit(edits.record_logins(MANY)).count == len(MANY)
    assert os.stat(relayers_db.path).st_size > size
    assert relayers_db.entries() == {"10.0.0.1": str(NOW)} | {key: str(stamp) for key, stamp in MANY.items()}


def test_it_is_the_prepared_file_that_becomes_the_database(prepared, relayers_db):
    (inode,) = relayers_db.unnamed_files_beside
    prepared.commit(login("10.0.0.2"))
    assert os.stat(relayers_db.path).st_ino == inode


@needs_root
def test_owner_mode_and_extended_attributes_stay(relayers_db):
    database.change(relayers_db.path, login("10.0.0.1"), published=PUBLISHED)
    os.chown(relayers_db.path, 65534, 65533)
    os.chmod(relayers_db.path, 0o604)
    os.setxattr(relayers_db.path, "user.note", b"x")
    database.change(relayers_db.path, login("10.0.0.2"), published=PUBLISHED)
    file = PreparedFiles(PUBLISHED).of(relayers_db.path)
    file.prepare()
    assert file.commit(login("10.0.0.3"))
    status = os.stat(relayers_db.path)
    assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (65534, 65533, 0o604)
    assert os.getxattr(relayers_db.path, "user.note") == b"x"


def test_whoever_has_the_old_file_open_sees_that_it_is_not_the_one_any_more(prepared, relayers_db):
    """sendmail compares the modification time of the file that it has open, in whole seconds."""
    with open(relayers_db.path) as old:
        before = int(os.fstat(old.fileno()).st_mtime)
        prepared.commit(login("10.0.0.2"))
        assert int(os.fstat(old.fileno()).st_mtime) == before + 2


def test_a_login_of_the_same_second_writes_nothing_and_the_file_stays_prepared(prepared, relayers_db):
    before = os.stat(relayers_db.path)
    assert prepared.commit(login("10.0.0.1")).count == 0
    assert os.stat(relayers_db.path) == before
    assert prepared.commit(login("10.0.0.2")).count == 1


@pytest.mark.parametrize(
    "work",
    [
        lambda relayers_db: relayers_db.fill({"10.0.0.9": 7}),
        lambda relayers_db: os.unlink(relayers_db.path),
        lambda relayers_db: database.change(relayers_db.path, login("10.0.0.8"), published=PUBLISHED),
        lambda relayers_db: database.change(relayers_db.path, edits.delete(["10.0.0.1"]), published=PUBLISHED),
        lambda relayers_db: os.chmod(relayers_db.path, 0o600),
        lambda relayers_db: relayers_db.damage(),
    ],
    ids=[
        "makemap wrote it",
        "it was removed",
        "another login was recorded",
        "the address was taken off",
        "its mode was changed",
        "it was damaged",
    ],
)
@pytest.mark.fault("stale-prepared-file")
def test_what_happened_to_the_database_meanwhile_is_not_undone(prepared, relayers_db, work):
    work(relayers_db)
    before = relayers_db.content if relayers_db.exists else None
    assert prepared.commit(login("10.0.0.2")) is None
    assert (relayers_db.content if relayers_db.exists else None) == before
    assert set(relayers_db.files_beside) <= {"relayers.db"}


@pytest.mark.fault("stale-prepared-file")
def test_what_happens_while_it_is_written_is_not_undone(prepared, relayers_db, monkeypatch):
    flush = os.fdatasync

    def flush_and_write(descriptor):
        flush(descriptor)
        relayers_db.fill({"10.0.0.9": 7})

    monkeypatch.setattr(prepared_module.os, "fdatasync", flush_and_write)
    assert prepared.commit(login("10.0.0.2")) is None
    assert relayers_db.entries() == {"10.0.0.1": str(NOW), "10.0.0.9": "7"}
    assert relayers_db.files_beside == ["relayers.db"]


def test_a_login_goes_where_the_path_leads_now(relayers_db, native_database):
    """As for every other writer: somebody may have the link to the database lead elsewhere."""
    other = native_database("etc/other.db").fill({"10.0.0.9": 7})
    link = os.path.join(os.path.dirname(relayers_db.path), "link")
    os.symlink(relayers_db.path, link)
    database.change(link, login("10.0.0.1"), published=PUBLISHED)
    file = PreparedFiles(PUBLISHED).of(link)
    file.prepare()
    os.unlink(link)
    os.symlink(other.path, link)
    assert file.commit(login("10.0.0.2")) is None
    file.prepare()
    assert file.commit(login("10.0.0.2")) is None
    database.change(link, login("10.0.0.2"), published=PUBLISHED)
    file.prepare()
    assert file.commit(login("10.0.0.3"))
    assert set(other.entries()) == {"10.0.0.9", "10.0.0.2", "10.0.0.3"}
    assert set(relayers_db.entries()) == {"10.0.0.1"}


def test_a_login_that_comes_before_the_file_is_ready_is_in_the_database_when_that_is_told(relayers_db):
    database.change(relayers_db.path, login("10.0.0.1"), published=PUBLISHED)
    file = PreparedFiles(PUBLISHED).of(relayers_db.path)
    file.copy()
    for number in range(2, 50):
        assert not relayers_db.unnamed_files_beside
        assert file.commit(login(f"10.0.0.{number}", NOW + number)).count == 1
    file.close()
    assert relayers_db.entries() == {"10.0.0.1": str(NOW)} | {f"10.0.0.{n}": str(NOW + n) for n in range(2, 50)}
    assert relayers_db.files_beside == ["relayers.db"]


def test_the_replaced_file_is_closed_by_whoever_is_asked_to(relayers_db):
    database.change(relayers_db.path, login("10.0.0.1"), published=PUBLISHED)
    closed = []
    file = PreparedFiles(PUBLISHED, closed.append).of(relayers_db.path)
    before = os.stat(relayers_db.path).st_ino
    file.copy()
    file.commit(login("10.0.0.2"))
    file.close()
    (descriptor,) = closed
    assert os.fstat(descriptor).st_ino == before
    os.close(descriptor)


@needs_root
def test_a_directory_that_changed_hands_meanwhile_is_not_written_with_the_rights_of_before(prepared, relayers_db):
    os.chown(os.path.dirname(relayers_db.path), 65533, -1)
    assert prepared.commit(login("10.0.0.2")) is None
    assert relayers_db.entries() == {"10.0.0.1": str(NOW)}
    assert relayers_db.files_beside == ["relayers.db"]


def test_nobody_is_waited_for(prepared, relayers_db, holder):
    with holder(lambda: open(relayers_db.path, "r+b")):
        assert prepared.commit(login("10.0.0.2")) is None
    assert relayers_db.entries() == {"10.0.0.1": str(NOW)}
    assert relayers_db.files_beside == ["relayers.db"]


def test_another_writer_at_work_is_left_alone(prepared, relayers_db):
    with WriterLock(relayers_db.path, Deadline(0)) as other:
        assert prepared.commit(login("10.0.0.2")) is None
        assert os.path.exists(other.path)
    assert relayers_db.entries() == {"10.0.0.1": str(NOW)}


def test_after_it_was_not_possible_it_is_prepared_anew(prepared, relayers_db):
    relayers_db.fill({"10.0.0.9": 7})
    assert prepared.commit(login("10.0.0.2")) is None
    database.change(relayers_db.path, login("10.0.0.2"), published=PUBLISHED)
    prepared.prepare()
    assert prepared.commit(login("10.0.0.3"))
    assert relayers_db.entries() == {"10.0.0.9": "7"} | {f"10.0.0.{n}": str(NOW) for n in (1, 2, 3)}


def test_a_file_of_somebody_else_is_never_taken(relayers_db):
    """Its pages were not looked at, and libdb would follow them into a crash."""
    relayers_db.fill({"10.0.0.9": 7})
    file = PreparedFiles(PUBLISHED).of(relayers_db.path)
    file.prepare()
    assert file.commit(login("10.0.0.2")) is None


@pytest.mark.parametrize("refusal", [errno.EOPNOTSUPP, errno.EISDIR, errno.ENOSPC, errno.EMFILE])
def test_where_there_are_no_files_without_names_nothing_is_prepared_and_nothing_left(
    relayers_db, monkeypatch, refusal, open_descriptors
):
    database.change(relayers_db.path, login("10.0.0.1"), published=PUBLISHED)
    open_file = os.open

    def refuse(path, flags, *arguments, **options):
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(refusal, os.strerror(refusal))
        return open_file(path, flags, *arguments, **options)

    monkeypatch.setattr(prepared_module.os, "open", refuse)
    before = open_descriptors()
    file = PreparedFiles(PUBLISHED).of(relayers_db.path)
    file.prepare()
    assert file.commit(login("10.0.0.2")) is None
    assert open_descriptors() == before


def test_a_write_that_meets_another_writer_leaves_nothing_open(prepared, relayers_db, open_descriptors):
    prepared.close()
    before = open_descriptors()
    for _time in range(3):
        prepared.prepare()
        assert relayers_db.unnamed_files_beside
        with WriterLock(relayers_db.path, Deadline(0)):
            assert prepared.commit(login("10.0.0.2")) is None
    assert open_descriptors() == before


def test_a_file_that_is_full_only_when_it_is_changed_is_not_put_in_place(prepared, relayers_db, monkeypatch):
    def full(*_arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(prepared_module.os, "pwrite", full)
    assert prepared.commit(login("10.0.0.2")) is None
    assert relayers_db.entries() == {"10.0.0.1": str(NOW)}


def test_large_databases_and_too_many_are_not_prepared(relayers_db, native_database, monkeypatch):
    monkeypatch.setattr(prepared_module, "MOST_PREPARED", 1)
    others = native_database("etc/others.db")
    for each in (relayers_db, others):
        database.change(each.path, login("10.0.0.1"), published=PUBLISHED)
    files = PreparedFiles(PUBLISHED)
    one, other = files.of(relayers_db.path), files.of(others.path)
    one.prepare()
    other.prepare()
    assert other.commit(login("10.0.0.2")) is None
    assert one.commit(login("10.0.0.2"))
    one.close()
    other.prepare()
    assert other.commit(login("10.0.0.2"))
    monkeypatch.setattr(prepared_module, "LARGEST_PREPARED_BYTES", 1000)
    one = PreparedFiles(PUBLISHED).of(relayers_db.path)
    one.prepare()
    assert one.commit(login("10.0.0.3")) is None


def test_what_is_not_going_to_be_prepared_is_not_even_read(relayers_db, monkeypatch):
    """The loop of the recorder would stand still while it copied a database of any size."""
    monkeypatch.setattr(prepared_module, "Snapshot", None)
    database.change(relayers_db.path, login("10.0.0.1"), published=PUBLISHED)
    for name, value in (("LARGEST_PREPARED_BYTES", 1000), ("MOST_PREPARED", 0)):
        with monkeypatch.context() as patch:
            patch.setattr(prepared_module, name, value)
            PreparedFiles(PUBLISHED).of(relayers_db.path).prepare()
    relayers_db.fill({"10.0.0.9": 7})
    PreparedFiles(PUBLISHED).of(relayers_db.path).prepare()


def test_whoever_is_killed_loses_nothing_that_was_acknowledged_and_leaves_nothing(relayers_db, kill_writers):
    database.change(relayers_db.path, login("10.0.0.1"), published=PUBLISHED)

    def writer(turn):
        # It takes only files of its own.
        database.change(relayers_db.path, login(f"10.9.9.{turn}"), published=PUBLISHED)
        file = PreparedFiles(PUBLISHED).of(relayers_db.path)

        def write(key, timestamp):
            file.prepare()
            assert file.commit(login(key, timestamp))

        return write

    kill_writers(writer)
    database.change(relayers_db.path, login("10.0.0.2"), published=PUBLISHED)
    assert relayers_db.files_beside == ["relayers.db"]
