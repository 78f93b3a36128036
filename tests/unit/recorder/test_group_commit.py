# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins on their way to a database: written together, at once or as soon as that is possible, and none is lost."""

from __future__ import annotations

import asyncio
import functools
import os
import resource
from concurrent.futures import ThreadPoolExecutor

import pytest

from ansible_collections.vsmtp.relay.dev.support.waiting import until
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database import relayers_db as database
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database.prepared import PreparedFiles
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database.published import Published
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder import group_commit
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.group_commit import GroupCommit
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.large_write import LargeWrites
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.login_entry import LoginEntry
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.spool import Spool
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.writers import Writers

NOW = 1_700_000_000
# While a database cannot be written, nothing is to be told for so long.
SOME_SECONDS = 0.3


@pytest.fixture
def failures():
    return []


class Commit:
    """A GroupCommit, for tests that wait."""

    def __init__(self, path, failures):
        loop = asyncio.get_running_loop()
        published = Published()
        threads = ThreadPoolExecutor(4)
        self.created = []
        prepared = PreparedFiles(published).of(path)
        self._commit = GroupCommit(loop, prepared, threads, LargeWrites(loop, published), failures.append, self.created.extend)
        self.add = self._commit.add
        self.receive = self._commit.receive
        self.close = self._commit.close

    async def record(self, key, timestamp=NOW):
        """Record a login, and wait until it is on the disk."""
        written = asyncio.Event()
        assert self.add(key, timestamp, written.set)
        await written.wait()

    async def take(self, logins=(), revoked=()):
        """Write what other hosts say; return the reason of each part, empty if it is on the disk."""
        reasons = []
        self.receive(dict(logins), dict(revoked), reasons.append)
        await until(lambda: len(reasons) == bool(logins) + bool(revoked))
        return reasons


@pytest.fixture
def run(relayers_db, failures, monkeypatch):
    """Return what runs a coroutine function with a Commit."""
    monkeypatch.setattr(group_commit, "WRITE_RETRY_SECONDS", 0.05)
    monkeypatch.setattr(group_commit, "RECORDER_LOCK_SECONDS", 0.3)

    def run(work):
        async def whole():
            commit = Commit(relayers_db.path, failures)
            async with asyncio.timeout(60):
                await work(commit)
            commit.close()

        asyncio.run(whole())

    return run


@pytest.fixture
def unhurried(monkeypatch):
    """Let the disk of a busy machine not count as a slow one."""
    monkeypatch.setattr(group_commit, "SLOW_SECONDS", 20.0)


def test_a_login_is_in_the_database_when_that_is_told(run, relayers_db, failures):
    async def work(commit):
        await commit.record("10.0.0.1")
        assert relayers_db.entries() == {"10.0.0.1": str(NOW)}

    run(work)
    assert failures == []


def test_logins_that_come_together_are_written_together(run, relayers_db):
    seen = set()

    async def log_in(commit, number):
        await commit.record(f"10.0.{number >> 8}.{number & 255}", NOW + number)
        seen.add(os.stat(relayers_db.path).st_ino)

    async def work(commit):
        await commit.record("10.1.0.1")
        await asyncio.gather(*(log_in(commit, number) for number in range(500)))

    run(work)
    entries = {f"10.0.{n >> 8}.{n & 255}": str(NOW + n) for n in range(500)}
    assert relayers_db.entries() == {"10.1.0.1": str(NOW), **entries}
    assert len(seen) == 1


def test_logins_that_come_while_a_thread_writes_are_written_together_after_it(run, relayers_db, unhurried):
    async def work(commit):
        first = asyncio.ensure_future(commit.record("10.0.0.1"))
        await asyncio.sleep(0.0001)
        await asyncio.gather(first, *(commit.record(f"10.0.1.{number}") for number in range(200)))

    run(work)
    assert len(relayers_db.entries()) == 201


def test_of_two_logins_of_one_client_the_later_counts(run, relayers_db):
    async def work(commit):
        await asyncio.gather(commit.record("10.0.0.1", NOW + 5), commit.record("10.0.0.1", NOW))

    run(work)
    assert relayers_db.entries() == {"10.0.0.1": str(NOW + 5)}


def test_an_entry_in_the_future_stays(run, relayers_db):
    relayers_db.fill({"10.0.0.1": 1924991999})
    run(lambda commit: commit.record("10.0.0.1"))
    assert relayers_db.entries() == {"10.0.0.1": "1924991999"}


def test_the_keys_that_were_missing_are_told_however_they_are_written(run, relayers_db, unhurried):
    relayers_db.fill({"10.0.0.1": NOW - 5})

    async def work(commit):
        for key in ("10.0.0.1", "10.0.0.2", "10.0.0.1", "10.0.0.3"):
            await commit.record(key)
        assert commit.created == ["10.0.0.2", "10.0.0.3"]

    run(work)


def test_a_login_that_meets_a_makemap_is_written_later_and_told_of_then(run, relayers_db, holder, failures):
    relayers_db.fill({})
    makemap = holder(lambda: open(relayers_db.path, "r+b"))  # noqa: SIM115

    async def work(commit):
        written = []
        for key in ("10.0.0.1", "10.0.0.2"):
            commit.add(key, NOW, functools.partial(written.append, key))
        await until(lambda: failures)
        assert written == []
        makemap.release()
        await until(lambda: len(written) == 2)

    run(work)
    assert relayers_db.entries() == {"10.0.0.1": str(NOW), "10.0.0.2": str(NOW)}
    assert relayers_db.path in failures[0]


def test_a_login_for_a_damaged_database_is_kept_until_it_is_mended(run, relayers_db, failures):
    relayers_db.fill({}).damage()

    async def work(commit):
        written = []
        commit.add("10.0.0.1", NOW, lambda: written.append(1))
        await until(lambda: failures)
        commit.add("10.0.0.2", NOW, lambda: written.append(2))
        os.unlink(relayers_db.path)
        await until(lambda: len(written) == 2)

    run(work)
    assert relayers_db.entries() == {"10.0.0.1": str(NOW), "10.0.0.2": str(NOW)}


def test_more_logins_than_memory_is_to_hold_are_dropped_and_that_is_told(run, relayers_db, failures, monkeypatch):
    monkeypatch.setattr(group_commit, "MOST_PENDING", 1)
    relayers_db.fill({}).damage()

    async def work(commit):
        written = []
        assert commit.add("10.0.0.1", NOW, lambda: written.append(1))
        before = len(failures)
        assert not commit.add("10.0.0.2", NOW, lambda: written.append(2))
        assert commit.add("10.0.0.1", NOW + 1, lambda: written.append(3))
        assert [message for message in failures[before:] if "10.0.0.2 is dropped" in message]
        os.unlink(relayers_db.path)
        await until(lambda: len(written) == 2)

    run(work)
    assert relayers_db.entries() == {"10.0.0.1": str(NOW + 1)}


def test_a_login_that_meets_a_shortage_of_descriptors_is_not_lost(run, relayers_db, failures):
    async def work(commit):
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        spare = os.open(os.devnull, os.O_RDONLY)
        os.close(spare)
        resource.setrlimit(resource.RLIMIT_NOFILE, (spare, limits[1]))
        written = []
        try:
            commit.add("10.0.0.1", NOW, lambda: written.append(1))
            await until(lambda: failures)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        await until(lambda: written)

    run(work)
    assert relayers_db.entries() == {"10.0.0.1": str(NOW)}


@pytest.mark.fault("hostile-owner")
def test_owners_who_hold_their_databases_locked_keep_no_other_login_waiting(native_database, holder, failures):
    locked = [native_database(f"{number}/relayers.db").fill({}).path for number in range(30)]
    free = native_database("free/relayers.db").fill({})
    held = [holder(functools.partial(open, path, "r+b")) for path in locked]

    async def log_in():
        there = Writers(asyncio.get_running_loop(), lambda _path, message: failures.append(message), Spool())
        written = []
        for path in (*locked, free.path):
            entry = LoginEntry(path, "10.0.0.1", NOW)
            there.accept(entry)
            there.write(entry, functools.partial(written.append, path))
        await until(lambda: free.path in written)
        assert written == [free.path]
        for each in held:
            each.release()
        await until(lambda: not there.are_at_work())
        there.close()

    asyncio.run(asyncio.wait_for(log_in(), 60))
    assert free.entries() == {"10.0.0.1": str(NOW)}
    assert failures == []


def test_a_login_that_comes_alone_is_written_where_it_is_taken(run, unhurried, relayers_db, monkeypatch, failures):
    async def work(commit):
        await commit.record("10.0.0.1")
        await until(lambda: relayers_db.unnamed_files_beside)
        monkeypatch.setattr(database, "change", None)
        await commit.record("10.0.0.2")

    run(work)
    assert relayers_db.entries() == {"10.0.0.1": str(NOW), "10.0.0.2": str(NOW)}
    assert failures == []
    assert not relayers_db.unnamed_files_beside


def test_logins_that_follow_each_other_at_once_are_written_there_as_well(run, unhurried, relayers_db, monkeypatch, failures):
    async def work(commit):
        await commit.record("10.0.0.0")
        monkeypatch.setattr(database, "change", None)
        for number in range(1, 20):
            await commit.record(f"10.0.0.{number}")

    run(work)
    assert relayers_db.entries() == {f"10.0.0.{number}": str(NOW) for number in range(20)}
    assert failures == []


def test_a_database_without_logins_keeps_no_file_system_busy(run, unhurried, relayers_db, monkeypatch):
    monkeypatch.setattr(group_commit, "IDLE_SECONDS", 0.05)

    async def work(commit):
        await commit.record("10.0.0.1")
        await until(lambda: relayers_db.unnamed_files_beside)
        await until(lambda: not relayers_db.unnamed_files_beside)

    run(work)


def test_where_the_disk_is_slow_nobody_else_waits_for_it(run, relayers_db, monkeypatch):
    monkeypatch.setattr(group_commit, "SLOW_SECONDS", -1.0)

    async def work(commit):
        for number in range(3):
            await commit.record(f"10.0.0.{number}")
            await asyncio.sleep(5 * group_commit.PREPARE_SECONDS)
            assert not relayers_db.unnamed_files_beside

    run(work)
    assert len(relayers_db.entries()) == 3


def test_what_other_hosts_say_is_on_the_disk_when_that_is_told_the_revocations_too(run, relayers_db, failures):
    relayers_db.fill({"10.0.0.1": NOW, "10.0.0.2": NOW})

    async def work(commit):
        assert await commit.take({"10.0.0.3": NOW}, {"10.0.0.1": NOW, "10.0.0.2": NOW - 1}) == ["", ""]
        assert relayers_db.entries() == {"10.0.0.2": str(NOW), "10.0.0.3": str(NOW)}
        assert await commit.take(revoked={"10.0.0.3": NOW}) == [""]
        assert relayers_db.entries() == {"10.0.0.2": str(NOW)}
        await commit.record("10.0.0.4")
        assert commit.created == ["10.0.0.3", "10.0.0.4"]

    run(work)
    assert failures == []


def test_logins_of_this_host_and_of_others_are_written_together_and_the_later_counts(run, relayers_db):
    async def work(commit):
        await commit.record("10.0.0.9")
        inode = os.stat(relayers_db.path).st_ino
        written = []
        commit.add("10.0.0.1", NOW + 5, lambda: written.append(inode != os.stat(relayers_db.path).st_ino))
        commit.add("10.0.0.2", NOW, lambda: written.append(True))
        assert await commit.take({"10.0.0.1": NOW, "10.0.0.2": NOW + 5, "10.0.0.3": NOW}) == [""]
        assert written == [True, True]

    run(work)
    wanted = {"10.0.0.1": NOW + 5, "10.0.0.2": NOW + 5, "10.0.0.3": NOW, "10.0.0.9": NOW}
    assert relayers_db.entries() == {key: str(second) for key, second in wanted.items()}


def test_a_login_that_waits_while_it_is_revoked_is_not_written_after_that(run, relayers_db, holder, failures):
    relayers_db.fill({})
    makemap = holder(lambda: open(relayers_db.path, "r+b"))  # noqa: SIM115

    async def work(commit):
        written = []
        commit.add("10.0.0.1", NOW, lambda: written.append(1))
        commit.add("10.0.0.2", NOW + 1, lambda: written.append(2))
        await until(lambda: failures)
        reasons = []
        commit.receive({}, {"10.0.0.1": NOW, "10.0.0.2": NOW}, reasons.append)
        await until(lambda: reasons)
        assert relayers_db.path in reasons[0]
        makemap.release()
        # It failed, so the sharer says it again.
        assert await commit.take(revoked={"10.0.0.1": NOW, "10.0.0.2": NOW}) == [""]
        await until(lambda: len(written) == 2)

    run(work)
    assert relayers_db.entries() == {"10.0.0.2": str(NOW + 1)}


def test_a_login_that_is_being_written_when_it_is_revoked_does_not_outlive_that(run, relayers_db, unhurried):
    async def work(commit):
        written, reasons = [], []
        # Nothing is prepared, so a thread writes it.
        commit.add("10.0.0.1", NOW, lambda: written.append(1))
        await asyncio.sleep(0)
        commit.receive({"10.0.0.2": NOW}, {"10.0.0.1": NOW, "10.0.0.2": NOW}, reasons.append)
        await until(lambda: len(reasons) == 2)
        assert written == [1]
        assert reasons == ["", ""]

    run(work)
    assert relayers_db.entries() == {}


def test_what_other_hosts_say_is_not_kept_where_it_cannot_be_written(run, relayers_db, holder, failures):
    relayers_db.fill({})
    makemap = holder(lambda: open(relayers_db.path, "r+b"))  # noqa: SIM115

    async def work(commit):
        (reason,) = await commit.take({"10.0.0.1": NOW})
        assert relayers_db.path in reason
        makemap.release()
        await commit.record("10.0.0.2")

    run(work)
    assert relayers_db.entries() == {"10.0.0.2": str(NOW)}
    assert failures == []


def test_a_revocation_that_fails_keeps_no_login_from_being_written(run, relayers_db, monkeypatch):
    monkeypatch.setattr(group_commit, "REVOKE_LOCK_SECONDS", 0.1)
    relayers_db.fill({}).damage()

    async def work(commit):
        written = []
        reasons = []
        commit.receive({}, {"10.0.0.1": NOW}, reasons.append)
        commit.add("10.0.0.2", NOW, lambda: written.append(1))
        await until(lambda: reasons)
        assert "repair" in reasons[0]
        os.unlink(relayers_db.path)
        await until(lambda: written)

    run(work)
    assert relayers_db.entries() == {"10.0.0.2": str(NOW)}


def test_many_logins_of_other_hosts_are_written_in_a_thread_and_the_next_of_this_host_is_not(
    run, relayers_db, unhurried, monkeypatch
):
    threads = []

    async def work(commit):
        await commit.record("10.0.0.1")
        record = LargeWrites.record
        monkeypatch.setattr(LargeWrites, "record", lambda self, *words: threads.append(len(words[2])) or record(self, *words))
        few = {f"10.0.1.{number}": NOW for number in range(group_commit.MOST_RECEIVED_HERE)}
        assert await commit.take(few) == [""]
        assert threads == []
        assert await commit.take({**few, "10.0.2.1": NOW}) == [""]
        assert threads == [len(few) + 1]
        await commit.record("10.0.0.2")
        assert len(threads) == 1

    run(work)
    assert len(relayers_db.entries()) == group_commit.MOST_RECEIVED_HERE + 3


def test_after_a_revocation_the_next_login_finds_a_prepared_file(run, relayers_db, unhurried, monkeypatch, failures):
    async def work(commit):
        await commit.record("10.0.0.1")
        assert await commit.take(revoked={"10.0.0.1": NOW}) == [""]
        await until(lambda: relayers_db.unnamed_files_beside)
        monkeypatch.setattr(database, "change", None)
        await commit.record("10.0.0.2")

    run(work)
    assert relayers_db.entries() == {"10.0.0.2": str(NOW)}
    assert failures == []


def test_more_than_memory_is_to_hold_is_not_taken_from_other_hosts(run, relayers_db, monkeypatch):
    monkeypatch.setattr(group_commit, "MOST_PENDING", 2)

    async def work(commit):
        three = {f"10.0.0.{number}": NOW for number in range(3)}
        assert [reason != "" for reason in await commit.take(three, three)] == [True, True]
        assert await commit.take({"10.0.0.1": NOW}) == [""]

    run(work)
    assert relayers_db.entries() == {"10.0.0.1": str(NOW)}
