# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorder's service for the sharer: what it writes for other hosts, and what it refuses them."""

from __future__ import annotations

import asyncio
import json
import os
import time

import pytest

from ansible_collections.vsmtp.relay.dev.support.shared_host import (
    PERMANENT,
    V6,
    A,
    B,
    C,
    outbox,
)
from ansible_collections.vsmtp.relay.dev.support.waiting import until
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder import (
    group_commit,
    recorder,
    shared_service,
)
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.shared_service import SharedService
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.requests import LARGEST_CHANGES, MOST_KEYS


def test_logins_and_revocations_are_on_the_disk_when_that_is_answered(run, database):
    now = int(time.time())
    database("a").fill({A: now - 60, B: now - 60})

    async def work(host):
        wanted = {"a": {"logins": {C: now - 5, V6: now}, "revoked": {A: now - 1}}, "b": {"logins": {A: now - 7}}}
        answer = await host.change(**wanted)
        assert answer == {"written": ["a", "b"], "failed": {}, "refused": {}}
        assert database("a").entries() == {B: str(now - 60), C: str(now - 5), V6: str(now)}
        assert database("b").entries() == {A: str(now - 7)}
        # They are other hosts', so they are not handed over.
        assert (await (await host.connect()).ask(outbox())).body["events"] == []

    run(work)


def test_nothing_that_comes_from_other_hosts_is_in_the_future_or_touches_it(run, database):
    now = int(time.time())
    database("a").fill({A: PERMANENT, B: now + 3600, C: now - 5})

    async def work(host):
        changes = {"logins": {"198.51.100.9": now + 10**6}, "revoked": {A: PERMANENT, B: now + 10**6, C: now + 10**6}}
        assert (await host.change(a=changes))["written"] == ["a"]
        entries = database("a").entries()
        assert {A, B} < set(entries)
        assert C not in entries
        assert now <= int(entries["198.51.100.9"]) <= time.time()

    run(work)


def test_a_login_that_is_revoked_while_it_waits_is_older_than_the_revocation(run, database, holder, monkeypatch):
    monkeypatch.setattr(recorder, "ANSWER_SECONDS", 0.05)
    monkeypatch.setattr(recorder, "FINISH_SECONDS", 20.0)
    makemap = holder(lambda: open(database("a").fill({}).path, "r+b"))  # noqa: SIM115

    async def work(host):
        await host.log_in(A)
        revoked = time.time()
        change = asyncio.ensure_future(host.change(a={"revoked": {A: int(revoked)}}))
        await asyncio.sleep(0.05)
        makemap.release()
        assert (await change)["written"] == ["a"]
        (event,) = (await (await host.connect()).ask(outbox(wait=10_000))).body["events"]
        assert event[1:4] == ["a", A, "login"]
        assert event[4] <= revoked * 1000

    run(work)


def test_a_login_of_another_host_shortens_nothing(run, database):
    now = int(time.time())
    database("a").fill({A: now, B: PERMANENT})

    async def work(host):
        await host.change(a={"logins": {A: now - 60, B: now}})

    run(work)
    assert database("a").entries() == {A: str(now), B: str(PERMANENT)}


def test_a_revocation_leaves_what_was_stamped_after_it_and_creates_no_database(run, database):
    now = int(time.time())
    database("a").fill({A: now - 5})

    async def work(host):
        answer = await host.change(a={"revoked": {A: now - 6}}, b={"revoked": {A: now}})
        assert sorted(answer["written"]) == ["a", "b"]

    run(work)
    assert database("a").entries() == {A: str(now - 5)}
    assert not database("b").exists


def test_a_login_has_its_turn_while_many_keys_are_checked(run, monkeypatch):
    turns = []
    reason_against = SharedService._reason_against
    monkeypatch.setattr(SharedService, "_reason_against", lambda *words: turns.append(0) or reason_against(*words))

    async def work(host):
        asking = asyncio.ensure_future(
            host.change(a={"logins": {f"10.0.{number // 250}.{number % 250}": 5 for number in range(999)}})
        )
        at_once = []
        while not asking.done():
            at_once.append(len(turns))
            turns.clear()
            await asyncio.sleep(0)
        assert sum(at_once) + len(turns) == 999
        assert max(at_once) <= shared_service.SLICE
        return (await asking)["written"]

    assert run(work) == ["a"]


@pytest.mark.parametrize(
    ("key", "second", "reason"),
    [
        ("127.0.0.1", 5, "ignored network"),
        ("ipv6:0:0:0:0:0:0:0:1", 5, "ignored network"),
        ("203.0.113.9", 5, "ignored network"),
        ("2001:db8::5", 5, "not a key"),
        ("IPv6:2001:db8:0:0:0:0:0:5", 5, "not a key"),
        ("ipv6:0:0:0:0:0:ffff:c633:6407", 5, "not a key"),
        ("198.51.100.0/24", 5, "not a key"),
        ("", 5, "not a key"),
        ("ü", 5, "not a key"),
        (A, "5", "not a time"),
        (A, 5.0, "not a time"),
        (A, True, "not a time"),
        (A, None, "not a time"),
        (A, -1, "not a time"),
        (A, 10**12, "not a time"),
    ],
)
@pytest.mark.parametrize("part", ["logins", "revoked"])
def test_what_another_host_may_not_say_is_refused_and_counted_and_the_rest_is_written(run, database, key, second, reason, part):
    now = int(time.time())
    database("a").fill({"127.0.0.1": 5, "203.0.113.9": 5, A: 5})

    async def work(host):
        answer = await host.change(a={"logins": {B: now}, part: {key: second, **({B: now} if part == "logins" else {})}})
        assert answer == {"written": ["a"], "failed": {}, "refused": {reason: 1}}

    run(work)
    assert database("a").entries() == {"127.0.0.1": "5", "203.0.113.9": "5", A: "5", B: str(now)}


def test_the_keys_of_a_server_that_is_unknown_are_refused_and_it_has_failed(run, database):
    now = int(time.time())

    async def work(host):
        answer = await host.change(a={"logins": {A: now}}, c={"logins": {A: now}, "revoked": {B: now}})
        assert (answer["written"], list(answer["failed"]), answer["refused"]) == (["a"], ["c"], {"unknown server": 2})

    run(work)


def test_what_is_all_refused_is_done_with(run, database):
    async def work(host):
        answer = await host.change(a={"logins": {"127.0.0.1": 5}}, b={})
        assert answer == {"written": ["a", "b"], "failed": {}, "refused": {"ignored network": 1}}

    run(work)
    assert not database("a").exists


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"servers": []}',
        b'{"servers": {"a": 5}}',
        b'{"servers": {"a": {"logins": []}}}',
        b'{"servers": {"a": {"revoked": null}}}',
        b"[" * 60_000,
    ],
)
def test_a_body_that_does_not_fit_is_refused_and_the_next_is_taken(run, database, body):
    async def work(host):
        client = await host.connect()
        assert (await client.ask("/shared/changes", body)).status == 400
        assert (await host.change(client, a={"logins": {A: 5}}))["written"] == ["a"]

    run(work)
    assert database("a").entries() == {A: "5"}


def test_the_most_keys_of_the_longest_kind_fit_and_one_more_is_refused(run, database):
    now = int(time.time())
    keys = [f"ipv6:2001:db8:1234:5678:9abc:def0:1234:{number:x}" for number in range(0x1000, 0x1000 + MOST_KEYS + 1)]

    async def work(host):
        client = await host.connect()
        body = {"servers": {"a": {"logins": dict.fromkeys(keys[:MOST_KEYS], now), "revoked": {}}}}
        assert len(json.dumps(body)) < LARGEST_CHANGES
        assert (await client.ask("/shared/changes", body)).body["written"] == ["a"]
        body["servers"]["a"]["revoked"] = {keys[MOST_KEYS]: now}
        assert (await client.ask("/shared/changes", body)).status == 400

    run(work)
    assert set(database("a").entries()) == set(keys[:MOST_KEYS])


@pytest.mark.fault("hostile-owner")
def test_a_database_that_is_locked_has_failed_after_a_second_and_holds_up_no_other(run, database, holder, monkeypatch):
    monkeypatch.setattr(shared_service, "WRITE_SECONDS", 0.5)
    monkeypatch.setattr(group_commit, "WRITE_RETRY_SECONDS", 0.05)
    monkeypatch.setattr(group_commit, "REVOKE_LOCK_SECONDS", 0.3)
    monkeypatch.setattr(group_commit, "RECORDER_LOCK_SECONDS", 0.3)
    now = int(time.time())
    holder_of_a = holder(lambda: open(database("a").fill({A: now - 5}).path, "r+b"))  # noqa: SIM115

    async def work(host):
        client = await host.connect()
        begin = time.monotonic()
        answer = await host.change(client, a={"revoked": {A: now}, "logins": {C: now}}, b={"logins": {B: now}})
        assert time.monotonic() - begin < 5
        assert answer["written"] == ["b"]
        assert list(answer["failed"]) == ["a"]
        assert database("b").entries() == {B: str(now)}
        await host.log_in(B, lip="192.0.2.2")
        holder_of_a.release()
        while "a" not in answer["written"]:
            answer = await host.change(client, a={"revoked": {A: now}, "logins": {C: now}})

    run(work)
    assert database("a").entries() == {C: str(now)}


def test_what_takes_longer_is_not_begun_again_and_is_written_in_the_end(run, database, servers, monkeypatch):
    monkeypatch.setattr(shared_service, "WRITE_SECONDS", 0.05)
    now = int(time.time())

    async def work(host):
        asked, results = [], []

        def receive(path, logins, revoked):
            asked.append((path, logins, revoked))
            results.append(asyncio.get_running_loop().create_future())
            return results[-1]

        monkeypatch.setattr(host.recorder.writers, "receive", receive)
        client = await host.connect()
        for _request in range(3):
            answer = await host.change(client, a={"logins": {A: now, B: now}, "revoked": {C: now}})
            assert answer["failed"] == {"a": shared_service.STILL_WRITTEN}
        results[0].set_result("")
        client.send("/shared/changes", {"servers": {"a": {"logins": {A: now, B: now - 1}, "revoked": {C: now}}}})
        await until(lambda: len(asked) == 2)
        results[1].set_result("")
        assert (await client.receive()).body["written"] == ["a"]
        path = servers.servers[0].relayers_db
        assert asked == [(path, {A: now, B: now}, {C: now}), (path, {B: now - 1}, {})]
        # What is done is forgotten.
        client.send("/shared/changes", {"servers": {"a": {"logins": {A: now}}}})
        await until(lambda: len(asked) == 3)
        results[2].set_result("the disk is full")
        assert (await client.receive()).body["failed"] == {"a": "the disk is full"}
        client.send("/shared/changes", {"servers": {"a": {"logins": {A: now}}}})
        await until(lambda: len(asked) == 4)
        results[3].set_result("")
        assert (await client.receive()).body["written"] == ["a"]

    run(work)


def test_what_failed_late_is_begun_again(run, monkeypatch):
    monkeypatch.setattr(shared_service, "WRITE_SECONDS", 0.05)

    async def work(host):
        results = []

        def receive(_path, _logins, _revoked):
            results.append(asyncio.get_running_loop().create_future())
            return results[-1]

        monkeypatch.setattr(host.recorder.writers, "receive", receive)
        await host.change(a={"logins": {A: 5}})
        results[0].set_result("the disk is full")
        await host.change(a={"logins": {A: 5}})
        assert len(results) == 2

    run(work)


def test_a_fault_is_logged_once_and_that_it_is_over_too(run, database, lines):
    database("a").fill({}).damage()

    async def work(host):
        for _request in range(3):
            answer = await host.change(a={"logins": {A: 5}})
            assert "repair" in answer["failed"]["a"]
        os.unlink(database("a").path)
        for _request in range(2):
            assert (await host.change(a={"logins": {A: 5}}))["written"] == ["a"]

    run(work)
    assert [line for line in lines if "not written yet" in line] == [
        line for line in lines if "not sound" in line or "repair" in line
    ]
    assert len([line for line in lines if "not written yet" in line]) == 1
    assert len([line for line in lines if "written again" in line]) == 1
