# SPDX-License-Identifier: GPL-3.0-or-later
"""A login that is written ahead while Dovecot is asked about its account: it is in the database only if it is let in."""

from __future__ import annotations

import asyncio
import functools
import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.vsmtp.relay.dev.support.waiting import until
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database import edits
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database import relayers_db as database
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database.prepared import PreparedFile, PreparedFiles
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database.published import Published
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder import group_commit
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.group_commit import GroupCommit
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.large_write import LargeWrites
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.login import NotRecorded

from .conftest import ASKED, report

NOW = 1_700_000_000
KEYS = ("10.0.0.1", "10.0.0.2", "10.0.0.3")
ADDRESS, OTHER = "198.51.100.7", "198.51.100.8"


@pytest.fixture
def begun(monkeypatch):
    """Return how often a file was prepared, an edit was begun, and one was taken back."""
    # Nothing is prepared on a slow disk, and that of a busy machine is one.
    monkeypatch.setattr(group_commit, "SLOW_SECONDS", 20.0)
    counts = dict.fromkeys(("prepare", "begin", "take_back"), 0)

    def counted(name, work):
        def run(self, *arguments):
            result = work(self, *arguments)
            counts[name] += result is not False
            return result

        return run

    for name in counts:
        monkeypatch.setattr(PreparedFile, name, counted(name, getattr(PreparedFile, name)))
    return counts


def test_a_login_is_written_while_dovecot_is_asked_and_in_place_once_it_answers(
    serve, answers, native_database, unhurried, begun
):
    async def talk(service):
        assert (await service.ask(report(rip=ADDRESS))).status == 200
        await until(lambda: begun["prepare"])
        answers.is_silent = True
        asked = asyncio.ensure_future(service.ask(report(rip=OTHER)))
        await until(lambda: begun["begin"] == 1)
        assert set(native_database("a/etc/relayers.db").entries()) == {ADDRESS}
        answers.answer()
        assert (await asked).status == 200

    serve(talk, **ASKED["options"])
    assert set(native_database("a/etc/relayers.db").entries()) == {ADDRESS, OTHER}
    assert begun["take_back"] == 0


def test_a_login_that_is_not_let_in_is_in_no_database_then_or_later(serve, answers, native_database, unhurried, begun):
    async def talk(service):
        await service.ask(report(rip=ADDRESS))
        answers.is_silent = True
        seen = 0
        for number in range(3):
            for error, address in ((NotRecorded("locked"), 100 + number), (None, 200 + number)):
                answers.error = error
                await until(lambda seen=seen: begun["prepare"] > seen)
                asked = asyncio.ensure_future(service.ask(report(rip=f"198.51.100.{address}")))
                await until(lambda before=begun["begin"]: begun["begin"] > before)
                seen = begun["prepare"]
                answers.answer()
                assert (await asked).status == 200

    serve(talk, **ASKED["options"])
    entries = native_database("a/etc/relayers.db").entries()
    assert set(entries) == {ADDRESS, *(f"198.51.100.{200 + number}" for number in range(3))}
    assert (begun["begin"], begun["take_back"]) == (6, 3)


class Commits:
    """A GroupCommit at a path, with a thread for what it does not write itself."""

    def __init__(self, path):
        loop = asyncio.get_running_loop()
        published = Published()
        self.failures = []
        self.commit = GroupCommit(
            loop, PreparedFiles(published).of(path), ThreadPoolExecutor(1), LargeWrites(loop, published), self.failures.append
        )


@pytest.fixture
def with_commit(relayers_db, monkeypatch, begun):
    """Return what runs a coroutine function with a GroupCommit whose database has an entry, and whose next file is prepared."""

    def run(work):
        async def whole():
            commits = Commits(relayers_db.path)
            written = asyncio.Event()
            commits.commit.add("10.9.0.1", NOW, written.set)
            await written.wait()
            await until(lambda: begun["prepare"])
            await work(commits.commit)
            await until(lambda: not commits.commit._is_at_work)
            commits.commit.close()
            assert commits.failures == []

        asyncio.run(whole())
        entries = relayers_db.entries()
        del entries["10.9.0.1"]
        return {key: int(stamp) for key, stamp in entries.items()}

    return run


def test_on_a_slow_disk_nothing_is_left_open_and_a_thread_writes(with_commit, relayers_db, monkeypatch):
    async def work(commit):
        monkeypatch.setattr(group_commit, "SLOW_SECONDS", -1.0)
        commit.expect("10.0.0.1", NOW + 1)
        assert relayers_db.unnamed_files_beside == set()
        written = asyncio.Event()
        commit.add("10.0.0.1", NOW + 1, written.set)
        await written.wait()
        await asyncio.sleep(0.05)
        assert relayers_db.unnamed_files_beside == set()

    assert with_commit(work) == {"10.0.0.1": NOW + 1}


CASES = {
    "it is added": (["expect A", "add A"], {"A": NOW + 1}),
    "it is never added": (["expect A"], {}),
    "it is forgotten": (["expect A", "forget A"], {}),
    "another one is added first": (["expect A", "add B"], {"B": NOW + 1}),
    "another one is added first, and then this one": (["expect A", "add B", "wait", "add A"], {"A": NOW + 1, "B": NOW + 1}),
    "another one is added first, and this one is forgotten": (
        ["expect A", "add B", "wait", "forget A", "add C"],
        {"B": NOW + 1, "C": NOW + 1},
    ),
    "both are added at once": (["expect A", "add A", "add B"], {"A": NOW + 1, "B": NOW + 1}),
    "another one is forgotten": (["expect A", "forget B", "add A"], {"A": NOW + 1}),
    "it is forgotten, and another one expected": (["expect A", "forget A", "wait", "expect B", "add B"], {"B": NOW + 1}),
    "a second one is expected": (["expect A", "expect B", "add B", "wait", "forget A"], {"B": NOW + 1}),
    "another host has one": (["expect A", "receive B"], {"B": NOW}),
    "another host has the same, earlier": (["expect A", "receive A"], {"A": NOW}),
    "a revocation comes, and then this one": (["expect A", "revoke B", "wait", "add A"], {"A": NOW + 1}),
    "a revocation comes, and another one": (["expect A", "revoke B", "wait", "add B"], {"B": NOW + 1}),
}


@pytest.mark.parametrize("name", CASES)
def test_a_login_is_in_the_database_if_it_was_added_whatever_was_expected(with_commit, begun, name):
    steps, entries = CASES[name]
    keys = dict(zip("ABC", KEYS, strict=True))

    async def work(commit):
        for each in steps:
            op, _space, letter = each.partition(" ")
            if op == "wait":
                await until(lambda: not commit._is_at_work)
            elif op == "expect":
                commit.expect(keys[letter], NOW + 1)
            elif op == "add":
                commit.add(keys[letter], NOW + 1, lambda: None)
            elif op == "forget":
                commit.forget(keys[letter])
            elif op == "receive":
                commit.receive({keys[letter]: NOW}, {}, lambda _reason: None)
            else:
                commit.receive({}, {keys[letter]: NOW}, lambda _reason: None)

    assert with_commit(work) == {keys[letter]: stamp for letter, stamp in entries.items()}
    assert begun["begin"] >= 1


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["expect", "add", "forget", "receive", "revoke", "other", "wait", "prepare"]),
        st.sampled_from(KEYS),
        st.integers(0, 2),
    ),
    max_size=12,
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_whatever_is_expected_the_database_has_what_was_added_and_nothing_else(monkeypatch, steps):
    """A key that is expected gets its turn in add() or forget(), as every login does, in any order with all the rest."""
    monkeypatch.setattr(group_commit, "SLOW_SECONDS", 20.0)
    monkeypatch.setattr(group_commit, "PREPARE_SECONDS", 0.0)
    directory = tempfile.mkdtemp(prefix="vsmtprelay-test-")
    path = os.path.join(directory, "relayers.db")
    allowed, told = {"10.9.0.1": NOW}, []

    async def step(commits, op, key, later):
        stamp = NOW + later
        if op == "expect":
            commits.expect(key, stamp)
            before = None
        elif op == "add":
            allowed[key] = max(allowed.get(key, 0), stamp)
            commits.add(key, stamp, functools.partial(told.append, key))
        elif op == "forget":
            commits.forget(key)
        elif op == "receive":
            allowed[key] = max(allowed.get(key, 0), stamp)
            commits.receive({key: stamp}, {}, told.append)
        elif op == "revoke":
            commits.receive({}, {key: NOW - 1}, told.append)
        elif op == "other":
            allowed["10.9.0.2"] = stamp
            await asyncio.to_thread(database.change, path, edits.put({"10.9.0.2": stamp}))
        elif op == "wait":
            await until(lambda: not commits._is_at_work)
        else:
            commits._prepare()
        for _turn in range(2):
            await asyncio.sleep(0)
        with database.read(path) as snapshot:
            before = {key.decode() for key, _value in snapshot.items()}
        assert before <= set(allowed)

    async def work():
        whole = Commits(path)
        written = asyncio.Event()
        whole.commit.add("10.9.0.1", NOW, written.set)
        await written.wait()
        whole.commit._prepare()
        for each in steps:
            await step(whole.commit, *each)
        for key in list(whole.commit._expected):
            whole.commit.forget(key)
        await until(lambda: not whole.commit._is_at_work)
        whole.commit.close()
        assert whole.failures == []

    try:
        asyncio.run(work())
        with database.read(path) as snapshot:
            assert {key.decode(): int(value) for key, value in snapshot.items()} == allowed
    finally:
        shutil.rmtree(directory)
