# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins on their way to a database: written together, at once or as soon as that is possible, and none is lost."""

from __future__ import annotations

import asyncio
import os
import resource
import time

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay import recording
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recording import ANSWER_SECONDS, Journal

NOW = 1_700_000_000


@pytest.fixture
def failures():
    return []


@pytest.fixture
def journal(relayers_db, failures, monkeypatch):
    monkeypatch.setattr(recording, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(recording, "LOCK_SECONDS", 0.3)
    return Journal(relayers_db.path, failures.append)


def test_a_login_is_in_the_database_when_that_is_told(journal, relayers_db, failures):
    assert asyncio.run(journal.record("10.0.0.1", NOW)) is True
    assert relayers_db.entries() == {"10.0.0.1": str(NOW)}
    assert failures == []


def test_logins_that_come_together_are_written_together(journal, relayers_db):
    seen = set()

    async def log_in(number):
        assert await journal.record(f"10.0.{number >> 8}.{number & 255}", NOW + number)
        seen.add(os.stat(relayers_db.path).st_ino)

    async def all_at_once():
        await asyncio.gather(*(log_in(number) for number in range(500)))

    asyncio.run(all_at_once())
    assert relayers_db.entries() == {f"10.0.{n >> 8}.{n & 255}": str(NOW + n) for n in range(500)}
    assert len(seen) < 5


def test_of_two_logins_of_one_client_the_later_counts(journal, relayers_db):
    async def twice():
        assert all(await asyncio.gather(journal.record("10.0.0.1", NOW + 5), journal.record("10.0.0.1", NOW)))

    asyncio.run(twice())
    assert relayers_db.entries() == {"10.0.0.1": str(NOW + 5)}


def test_an_entry_in_the_future_stays(journal, relayers_db):
    relayers_db.fill({"10.0.0.1": 1924991999})
    assert asyncio.run(journal.record("10.0.0.1", NOW)) is True
    assert relayers_db.entries() == {"10.0.0.1": "1924991999"}


def test_a_login_that_meets_a_makemap_is_not_kept_waiting_and_written_later(journal, relayers_db, holder, failures):
    relayers_db.fill({})
    makemap = holder(lambda: open(relayers_db.path, "r+b"))  # noqa: SIM115

    async def log_in():
        start = time.monotonic()
        assert await journal.record("10.0.0.1", NOW) is False
        assert time.monotonic() - start < ANSWER_SECONDS + 0.5
        assert await journal.record("10.0.0.2", NOW) is False
        while not failures:
            await asyncio.sleep(0.01)
        makemap.let_go()
        await journal.finish()

    asyncio.run(log_in())
    assert relayers_db.entries() == {"10.0.0.1": str(NOW), "10.0.0.2": str(NOW)}
    assert relayers_db.path in failures[0]


def test_a_login_for_a_damaged_database_is_kept_until_it_is_mended(journal, relayers_db, failures):
    relayers_db.fill({}).damage()

    async def log_in():
        assert await journal.record("10.0.0.1", NOW) is False
        assert failures
        os.unlink(relayers_db.path)
        await journal.finish()

    asyncio.run(log_in())
    assert relayers_db.entries() == {"10.0.0.1": str(NOW)}


def test_more_logins_than_memory_is_to_hold_are_dropped_and_that_is_told(journal, relayers_db, failures, monkeypatch):
    monkeypatch.setattr(recording, "MOST_PENDING", 1)
    relayers_db.fill({}).damage()

    async def log_in():
        assert await journal.record("10.0.0.1", NOW) is False
        before = len(failures)
        assert await journal.record("10.0.0.2", NOW) is False
        assert await journal.record("10.0.0.1", NOW + 1) is False
        assert [message for message in failures[before:] if "10.0.0.2 is dropped" in message]
        os.unlink(relayers_db.path)
        await journal.finish()

    asyncio.run(log_in())
    assert relayers_db.entries() == {"10.0.0.1": str(NOW + 1)}


def test_a_login_that_meets_a_shortage_of_descriptors_is_not_lost(journal, relayers_db, failures):
    async def log_in():
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        await asyncio.get_running_loop().run_in_executor(None, bool)  # the thread is there
        spare = os.open(os.devnull, os.O_RDONLY)
        os.close(spare)
        resource.setrlimit(resource.RLIMIT_NOFILE, (spare, limits[1]))
        try:
            assert await journal.record("10.0.0.1", NOW) is False
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        await journal.finish()

    asyncio.run(log_in())
    assert relayers_db.entries() == {"10.0.0.1": str(NOW)}
    assert failures


def test_with_nothing_to_write_there_is_nothing_to_wait_for(journal):
    asyncio.run(asyncio.wait_for(journal.finish(), 1))
