# SPDX-License-Identifier: GPL-3.0-or-later
"""A login that is written ahead, while it is not known yet whether it counts: nobody sees it unless it does."""

from __future__ import annotations

import errno
import os
import signal

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database import edits
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database import prepared as prepared_module
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database import relayers_db as database
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database.prepared import PreparedFiles
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database.published import Published

NOW = 1_700_000_000
PUBLISHED = Published()
FIRST, SECOND, THIRD = "10.0.0.1", "10.0.0.2", "10.0.0.3"


def login(*keys, timestamp=NOW):
    return edits.record_logins(dict.fromkeys(keys, timestamp))


@pytest.fixture
def prepared(relayers_db):
    """Yield the next file of a database that this process wrote and that holds one login."""
    database.change(relayers_db.path, login(FIRST), published=PUBLISHED)
    file = PreparedFiles(PUBLISHED).of(relayers_db.path)
    file.prepare()
    yield file
    file.close()


def test_the_database_is_unchanged_until_the_login_counts(prepared, relayers_db):
    before, status = relayers_db.content, os.stat(relayers_db.path)
    assert prepared.begin(login(SECOND))
    assert (relayers_db.content, os.stat(relayers_db.path)) == (before, status)
    assert relayers_db.files_beside == ["relayers.db"]
    changes = prepared.commit(login(SECOND))
    assert (changes.count, changes.keys_added()) == (1, [SECOND])
    assert relayers_db.entries() == {FIRST: str(NOW), SECOND: str(NOW)}


def test_nothing_is_written_or_flushed_a_second_time(prepared, relayers_db, monkeypatch):
    assert prepared.begin(login(SECOND))
    (inode,) = relayers_db.unnamed_files_beside

    def refuse(*_arguments):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(prepared_module.os, "pwrite", refuse)
    monkeypatch.setattr(prepared_module.os, "fdatasync", refuse)
    assert prepared.commit(login(SECOND))
    assert os.stat(relayers_db.path).st_ino == inode


def test_other_logins_can_join_it(prepared, relayers_db):
    assert prepared.begin(login(SECOND))
    changes = prepared.commit(login(SECOND, THIRD))
    assert (changes.count, set(changes.keys_added())) == (2, {SECOND, THIRD})
    assert relayers_db.entries() == dict.fromkeys((FIRST, SECOND, THIRD), str(NOW))


def test_what_is_taken_back_is_in_no_later_file(prepared, relayers_db):
    assert prepared.begin(login(SECOND))
    prepared.take_back()
    assert not relayers_db.unnamed_files_beside
    assert prepared.commit(login(THIRD)).keys_added() == [THIRD]
    prepared.prepare()
    assert prepared.commit(login("10.0.0.4"))
    assert set(relayers_db.entries()) == {FIRST, THIRD, "10.0.0.4"}


def test_a_later_stamp_that_is_taken_back_leaves_the_earlier_one(prepared, relayers_db):
    assert prepared.begin(login(FIRST, timestamp=NOW + 9))
    prepared.take_back()
    assert prepared.commit(login(SECOND))
    assert relayers_db.entries() == {FIRST: str(NOW), SECOND: str(NOW)}


def test_a_login_of_the_same_second_writes_nothing(prepared, relayers_db):
    before = os.stat(relayers_db.path)
    assert prepared.begin(login(FIRST))
    assert prepared.commit(login(FIRST)).count == 0
    assert os.stat(relayers_db.path) == before
    assert prepared.begin(login(SECOND))
    assert prepared.commit(login(SECOND)).count == 1


def test_what_is_begun_is_not_prepared_anew_and_not_begun_twice(prepared, relayers_db):
    assert prepared.begin(login(SECOND))
    before = relayers_db.unnamed_files_beside
    prepared.prepare()
    assert relayers_db.unnamed_files_beside == before
    assert not prepared.begin(login(THIRD))
    assert prepared.commit(login(SECOND))
    assert set(relayers_db.entries()) == {FIRST, SECOND}


def test_it_is_begun_only_where_a_file_is_ready(relayers_db):
    file = PreparedFiles(PUBLISHED).of(relayers_db.path)
    assert not file.begin(login(SECOND))
    database.change(relayers_db.path, login(FIRST), published=PUBLISHED)
    file.copy()
    assert not file.begin(login(SECOND))
    assert file.commit(login(THIRD))
    file.close()
    assert set(relayers_db.entries()) == {FIRST, THIRD}


@pytest.mark.parametrize(
    "work",
    [
        lambda relayers_db: relayers_db.fill({"10.0.0.9": 7}),
        lambda relayers_db: os.unlink(relayers_db.path),
        lambda relayers_db: database.change(relayers_db.path, login("10.0.0.8"), published=PUBLISHED),
        lambda relayers_db: database.change(relayers_db.path, edits.delete([FIRST]), published=PUBLISHED),
        lambda relayers_db: os.chmod(relayers_db.path, 0o600),
    ],
    ids=[
        "makemap wrote it",
        "it was removed",
        "another login was recorded",
        "the address was taken off",
        "its mode was changed",
    ],
)
@pytest.mark.parametrize("before", [True, False])
@pytest.mark.fault("stale-prepared-file")
def test_what_happened_to_the_database_meanwhile_is_not_undone(prepared, relayers_db, work, before):
    if before:
        work(relayers_db)
    assert prepared.begin(login(SECOND)) != before
    if not before:
        work(relayers_db)
    content = relayers_db.content if relayers_db.exists else None
    assert prepared.commit(login(SECOND)) is None
    assert (relayers_db.content if relayers_db.exists else None) == content
    prepared.prepare()
    prepared.commit(login(THIRD))
    assert not relayers_db.exists or SECOND not in relayers_db.entries()


@pytest.mark.parametrize("name", ["pwrite", "fdatasync"])
def test_a_disk_that_is_full_meanwhile_is_met_again_by_the_write_that_counts(prepared, relayers_db, monkeypatch, name):
    def full(*_arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(prepared_module.os, name, full)
        assert not prepared.begin(login(SECOND))
    assert not relayers_db.unnamed_files_beside
    assert prepared.commit(login(SECOND)) is None
    assert relayers_db.entries() == {FIRST: str(NOW)}
    prepared.prepare()
    assert prepared.commit(login(THIRD))
    assert set(relayers_db.entries()) == {FIRST, THIRD}


def test_a_process_that_is_killed_meanwhile_leaves_nothing_of_it(relayers_db, child):
    def work():
        published = Published()
        database.change(relayers_db.path, login(FIRST), published=published)
        file = PreparedFiles(published).of(relayers_db.path)
        file.prepare()
        assert file.begin(login(SECOND))
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(AssertionError, match="ended with 9"):
        child(work).result()
    assert relayers_db.entries() == {FIRST: str(NOW)}
    assert relayers_db.files_beside == ["relayers.db"]
