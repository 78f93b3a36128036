# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorder's service for the sharer: what it hands over: logins, renewals, and what root's programs did."""

from __future__ import annotations

import asyncio
import json
import os
import time

import pytest

from ansible_collections.vsmtp.relay.dev.support.shared_host import (
    A,
    B,
    C,
    events_of,
    outbox,
)
from ansible_collections.vsmtp.relay.dev.support.waiting import until
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder import (
    large_write,
    recorder,
    shared_service,
)
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.login_entry import LoginEntry
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.spool import Spool
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing import changes


def test_a_login_is_handed_over_by_the_time_at_which_it_is_let_in(run, tmp_path):
    async def work(host):
        before = int(time.time() * 1000)
        await host.log_in(A)
        line = json.loads((tmp_path / "outbox").read_text())
        client = await host.connect()
        answer = await client.ask(outbox())
        ((number, server, key, operation, at),) = answer.body["events"]
        assert [server, key, operation, at] == line == ["a", A, "login", at]
        assert number == 1
        assert before // 1000 * 1000 <= at <= time.time() * 1000
        assert (answer.body["boot"], answer.body["lost"]) == ("boot", False)
        return answer.body["instance"]

    assert run(work) != run(lambda host: asyncio.sleep(0, host.handover.instance))


def test_a_host_that_does_not_share_hands_over_nothing(run, tmp_path):
    async def work(host):
        await host.log_in(A)
        return (await (await host.connect()).ask(outbox())).body["events"]

    assert run(work, is_sharing=False) == []
    assert (tmp_path / "outbox").read_bytes() == b""


def test_who_waits_gets_a_login_when_it_comes_and_acknowledges_it_with_the_next_question(run, tmp_path):
    async def work(host):
        client = await host.connect()
        instance = (await client.ask(outbox())).body["instance"]
        client.send(outbox(0, instance, 10_000))
        await until(lambda: host.shared._polls)
        await host.log_in(A)
        first = await client.receive()
        assert events_of(first) == [["a", A, "login"]]
        client.send(outbox(1, instance, 10_000))
        await until(lambda: host.shared._polls)
        assert (tmp_path / "outbox").read_bytes() == b""
        await host.log_in(B, lip="192.0.2.2")
        assert events_of(await client.receive()) == [["b", B, "login"]]

    run(work)


def test_who_waits_gets_an_answer_without_events_in_the_end(run):
    async def work(host):
        client = await host.connect()
        begin = time.monotonic()
        answer = await client.ask(outbox(wait=300))
        assert time.monotonic() - begin > 0.25
        assert answer.body["events"] == []
        assert host.shared._polls == []

    run(work)


def test_nobody_waits_longer_than_ten_seconds(run, monkeypatch):
    monkeypatch.setattr(shared_service, "LONGEST_WAIT", 50)

    async def work(host):
        assert (await (await host.connect()).ask(outbox(wait=10**6))).body["events"] == []

    run(work)


def test_waiting_costs_no_turns_of_the_event_loop(run):
    async def work(host):
        client = await host.connect()
        client.send(outbox(wait=10_000))
        await until(lambda: host.shared._polls)
        before, turns = time.process_time(), 0
        loop = asyncio.get_running_loop()
        run_once = loop._run_once

        def count():
            nonlocal turns
            turns += 1
            run_once()

        loop._run_once = count
        await asyncio.sleep(0.5)
        assert turns < 10
        assert time.process_time() - before < 0.1

    run(work)


def test_whoever_went_away_while_waiting_takes_no_event_along(run):
    async def work(host):
        gone, client = await host.connect(), await host.connect()
        gone.send(outbox(wait=10_000))
        await until(lambda: host.shared._polls)
        gone.writer.close()
        await host.log_in(A)
        assert events_of(await client.ask(outbox())) == [["a", A, "login"]]

    run(work)


def test_a_file_of_root_s_programs_is_handed_over_and_removed(run, tmp_path):
    directory = str(tmp_path / "changes")

    async def work(host):
        client = await host.connect()
        client.send(outbox(wait=10_000))
        await until(lambda: host.shared._polls)
        changes.write([("a", A, "revoke", 5), ("b", "", "check", 6)], directory)
        host.shared.look()
        answer = await client.receive()
        assert [event[1:] for event in answer.body["events"]] == [["a", A, "revoke", 5], ["b", "", "check", 6]]
        await client.ask(outbox(2, answer.body["instance"]))
        assert os.listdir(directory) == []

    run(work)


def test_a_login_that_is_written_late_is_handed_over_with_the_time_at_which_it_came(run, database, holder, monkeypatch):
    monkeypatch.setattr(recorder, "ANSWER_SECONDS", 0.05)
    monkeypatch.setattr(recorder, "FINISH_SECONDS", 20.0)
    makemap = holder(lambda: open(database("a").fill({}).path, "r+b"))  # noqa: SIM115

    async def work(host):
        client = await host.connect()
        before = int(time.time() * 1000)
        await host.log_in(A)
        after = int(time.time() * 1000)
        await asyncio.sleep(1.1)
        assert (await client.ask(outbox())).body["events"] == []
        makemap.release()
        answer = await client.ask(outbox(wait=10_000))
        assert events_of(answer) == [["a", A, "login"]]
        assert before <= answer.body["events"][0][4] <= after

    run(work)


def test_a_login_from_the_spool_is_handed_over_with_its_own_time(run, servers, tmp_path, monkeypatch):
    monkeypatch.setattr(recorder, "FINISH_SECONDS", 20.0)
    spool = Spool(str(tmp_path / "spool"))
    spool.append(LoginEntry(servers.servers[0].relayers_db, A, 1_700_000_000))

    async def work(host):
        host.recorder.recover_spool()
        answer = await (await host.connect()).ask(outbox(wait=10_000))
        assert [event[1:] for event in answer.body["events"]] == [["a", A, "login", 1_700_000_000_000]]

    run(work)


def test_what_is_renewed_is_handed_over_and_what_is_not_yet_to_be_renewed_is_not(run, servers, database):
    now = int(time.time())
    database("a").fill({A: now - 80, B: now - 10, C: now - 200})

    async def work(host):
        path = servers.servers[0].relayers_db
        assert set(await host.recorder.writers.renew(path, [A, B, C], now - 1, 100)) == {A, B}
        answer = await (await host.connect()).ask(outbox())
        assert [event[1:] for event in answer.body["events"]] == [["a", A, "renew", (now - 1) * 1000]]

    run(work)


def test_many_that_are_renewed_are_all_handed_over(run, servers, database, monkeypatch):
    monkeypatch.setattr(large_write, "LARGEST_OWN_BYTES", 0)
    now = int(time.time())
    keys = [f"10.0.{n >> 8}.{n & 255}" for n in range(300)]
    database("a").fill(dict.fromkeys(keys, now - 80))

    async def work(host):
        await host.recorder.writers.renew(servers.servers[0].relayers_db, keys, now, 100)
        return {event[1] for event in events_of(await (await host.connect()).ask(outbox()))}

    assert run(work) == set(keys)


def test_what_is_left_at_the_end_is_handed_over_by_the_next_recorder_and_who_waits_is_answered(run):
    async def first(host):
        client = await host.connect()
        client.send(outbox(wait=10_000))
        await until(lambda: host.shared._polls)
        host.shared.finish()
        assert (await client.receive()).body["events"] == []
        # Neither is anybody made to wait from then on.
        assert (await client.ask(outbox(wait=10_000))).body["events"] == []
        await host.log_in(A)

    run(first)

    async def second(host):
        return events_of(await (await host.connect()).ask(outbox()))

    assert run(second) == [["a", A, "login"]]


@pytest.mark.parametrize("query", ["after=x", "after=-1", "wait=1.5", "after=%D9%A5", "after=9999999999999999999"])
def test_a_number_that_is_none_is_refused(run, query):
    async def work(host):
        client = await host.connect()
        status = (await client.ask(f"/shared/outbox?instance=x&{query}")).status
        assert (await client.ask(outbox())).status == 200
        return status

    assert run(work) == 400
