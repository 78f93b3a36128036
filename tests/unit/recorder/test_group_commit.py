# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins on their way to a database: written together, at once or as soon as that is possible, and none is lost."""

from __future__ import annotations

import asyncio
import functools
import os
import resource
import time

import pytest

from ansible_collections.vsmtp.relay.dev.support.waiting import until
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder import group_commit
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.group_commit import (
    ANSWER_SECONDS,
    GroupCommit,
)
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.login_entry import LoginEntry
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.spool import Spool
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.writers import Writers

NOW = 1_700_000_000


@pytest.fixture
def failures():
    return []


@pytest.fixture
def commit(relayers_db, failures, monkeypatch):
    monkeypatch.setattr(group_commit, "WRITE_RETRY_SECONDS", 0.05)
    monkeypatch.setattr(group_commit, "RECORDER_LOCK_SECONDS", 0.3)
    return GroupCommit(relayers_db.path, failures.append)


@pytest.fixture
def unhurried(monkeypatch):
    """Let a login wait for its database as long as a busy machine needs, which does not make the disk a slow one."""
    monkeypatch.setattr(group_commit, "ANSWER_SECONDS", 20.0)
    monkeypatch.setattr(group_commit, "SLOW_SECONDS", 20.0)


async def is_written(commit, key, timestamp):
    """Record a login, and tell whether it is on the disk when that returns."""
    return (await commit.add(key, timestamp)).done()


def test_a_login_is_in_the_database_when_that_is_told(commit, unhurried, relayers_db, failures):
    assert asyncio.run(is_written(commit, "10.0.0.1", NOW))
    assert relayers_db.entries() == {"10.0.0.1": str(NOW)}
    assert failures == []


def test_logins_that_come_together_are_written_together(commit, unhurried, relayers_db):
    seen = set()

    async def log_in(number):
        assert await is_written(commit, f"10.0.{number >> 8}.{number & 255}", NOW + number)
        seen.add(os.stat(relayers_db.path).st_ino)

    async def all_at_once():
        await asyncio.gather(*(log_in(number) for number in range(500)))

    asyncio.run(all_at_once())
    assert relayers_db.entries() == {f"10.0.{n >> 8}.{n & 255}": str(NOW + n) for n in range(500)}
    assert len(seen) < 5


def test_of_two_logins_of_one_client_the_later_counts(commit, unhurried, relayers_db):
    async def twice():
        assert all(await asyncio.gather(is_written(commit, "10.0.0.1", NOW + 5), is_written(commit, "10.0.0.1", NOW)))

    asyncio.run(twice())
    assert relayers_db.entries() == {"10.0.0.1": str(NOW + 5)}


def test_an_entry_in_the_future_stays(commit, unhurried, relayers_db):
    relayers_db.fill({"10.0.0.1": 1924991999})
    assert asyncio.run(is_written(commit, "10.0.0.1", NOW))
    assert relayers_db.entries() == {"10.0.0.1": "1924991999"}


def test_a_login_that_meets_a_makemap_is_not_kept_waiting_and_written_later(commit, relayers_db, holder, failures):
    relayers_db.fill({})
    makemap = holder(lambda: open(relayers_db.path, "r+b"))  # noqa: SIM115

    async def log_in():
        start = time.monotonic()
        assert not await is_written(commit, "10.0.0.1", NOW)
        assert time.monotonic() - start < ANSWER_SECONDS + 0.5
        assert not await is_written(commit, "10.0.0.2", NOW)
        while not failures:
            await asyncio.sleep(0.01)
        makemap.release()
        await commit.finish()

    asyncio.run(log_in())
    assert relayers_db.entries() == {"10.0.0.1": str(NOW), "10.0.0.2": str(NOW)}
    assert relayers_db.path in failures[0]


def test_a_login_for_a_damaged_database_is_kept_until_it_is_mended(commit, relayers_db, failures):
    relayers_db.fill({}).damage()

    async def log_in():
        assert not await is_written(commit, "10.0.0.1", NOW)
        assert failures
        os.unlink(relayers_db.path)
        await commit.finish()

    asyncio.run(log_in())
    assert relayers_db.entries() == {"10.0.0.1": str(NOW)}


def test_more_logins_than_memory_is_to_hold_are_dropped_and_that_is_told(commit, relayers_db, failures, monkeypatch):
    monkeypatch.setattr(group_commit, "MOST_PENDING", 1)
    relayers_db.fill({}).damage()

    async def log_in():
        assert not await is_written(commit, "10.0.0.1", NOW)
        before = len(failures)
        assert not await is_written(commit, "10.0.0.2", NOW)
        assert not await is_written(commit, "10.0.0.1", NOW + 1)
        assert [message for message in failures[before:] if "10.0.0.2 is dropped" in message]
        os.unlink(relayers_db.path)
        await commit.finish()

    asyncio.run(log_in())
    assert relayers_db.entries() == {"10.0.0.1": str(NOW + 1)}


def test_a_login_that_meets_a_shortage_of_descriptors_is_not_lost(commit, relayers_db, failures):
    async def log_in():
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        await asyncio.get_running_loop().run_in_executor(None, bool)  # the thread is there
        spare = os.open(os.devnull, os.O_RDONLY)
        os.close(spare)
        resource.setrlimit(resource.RLIMIT_NOFILE, (spare, limits[1]))
        try:
            assert not await is_written(commit, "10.0.0.1", NOW)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        await commit.finish()

    asyncio.run(log_in())
    assert relayers_db.entries() == {"10.0.0.1": str(NOW)}
    assert failures


def test_with_nothing_to_write_there_is_nothing_to_wait_for(commit):
    asyncio.run(asyncio.wait_for(commit.finish(), 1))


def test_a_login_that_was_delayed_is_told_of_when_it_is_written_and_not_before(commit, relayers_db, failures):
    relayers_db.fill({}).damage()

    async def talk():
        first = await commit.add("10.0.0.1", NOW)
        second = await commit.add("10.0.0.2", NOW)
        assert not first.done()
        os.unlink(relayers_db.path)
        await asyncio.wait((first, second))
        assert relayers_db.entries() == {"10.0.0.1": str(NOW), "10.0.0.2": str(NOW)}

    asyncio.run(talk())
    assert failures


@pytest.mark.fault("hostile-owner")
def test_owners_who_hold_their_databases_locked_keep_no_other_login_waiting(native_database, holder, failures):
    locked = [native_database(f"{number}/relayers.db").fill({}).path for number in range(30)]
    free = native_database("free/relayers.db").fill({})
    held = [holder(functools.partial(open, path, "r+b")) for path in locked]

    async def log_in():
        there = Writers(failures.append, Spool())
        waiting = [asyncio.ensure_future(there.write(LoginEntry(path, "10.0.0.1", NOW))) for path in locked]
        await asyncio.gather(*waiting)
        written = await there.write(LoginEntry(free.path, "10.0.0.2", NOW))
        done = written.done()
        for each in held:
            each.release()
        await there.finish()
        return done

    assert asyncio.run(log_in())
    assert free.entries() == {"10.0.0.2": str(NOW)}
    assert failures == []


def test_a_login_that_comes_alone_is_written_where_it_is_taken(commit, unhurried, relayers_db, monkeypatch, failures):
    async def log_in():
        assert await is_written(commit, "10.0.0.1", NOW)
        await until(lambda: relayers_db.unnamed_files_beside)
        monkeypatch.setattr(group_commit.relayers_db, "change", None)
        assert await is_written(commit, "10.0.0.2", NOW)
        await commit.finish()

    asyncio.run(log_in())
    assert relayers_db.entries() == {"10.0.0.1": str(NOW), "10.0.0.2": str(NOW)}
    assert failures == []
    assert not relayers_db.unnamed_files_beside


def test_a_database_without_logins_keeps_no_file_system_busy(commit, unhurried, relayers_db, monkeypatch):
    monkeypatch.setattr(group_commit, "IDLE_SECONDS", 0.05)

    async def log_in():
        assert await is_written(commit, "10.0.0.1", NOW)
        await until(lambda: relayers_db.unnamed_files_beside)
        await until(lambda: not relayers_db.unnamed_files_beside)

    asyncio.run(log_in())


def test_where_the_disk_is_slow_nobody_else_waits_for_it(commit, unhurried, relayers_db, monkeypatch):
    monkeypatch.setattr(group_commit, "SLOW_SECONDS", -1.0)

    async def log_in():
        for number in range(3):
            assert await is_written(commit, f"10.0.0.{number}", NOW)
            await asyncio.sleep(5 * group_commit.PREPARE_SECONDS)
            assert not relayers_db.unnamed_files_beside

    asyncio.run(log_in())
    assert len(relayers_db.entries()) == 3
