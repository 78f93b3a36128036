# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorder's service for the sharer: the entries of a database, page by page."""

from __future__ import annotations

import asyncio
import json
import socket
import time

import pytest

from ansible_collections.vsmtp.relay.dev.support.shared_host import (
    PERMANENT,
    A,
    B,
    outbox,
)
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder import (
    entry_pages,
    large_write,
    shared_service,
)


def test_the_entries_of_a_database_come_in_pages_of_one_snapshot(run, database, monkeypatch):
    monkeypatch.setattr(entry_pages, "PAGE_ENTRIES", 10)
    wanted = {f"10.0.0.{number}": number for number in range(25)}
    database("a").fill({**wanted, "word": "RELAY", "10.1.1.1": "x", "2001:db8::5": 5, A: PERMANENT})

    async def work(host):
        client = await host.connect()
        seen, number, pages = {}, 0, 1
        while number < pages:
            answer = await client.ask(f"/shared/entries?server=a&page={number}")
            assert answer.body["page"] == number
            pages = answer.body["pages"]
            assert len(answer.body["entries"]) <= 10
            seen.update(answer.body["entries"])
            if number == 0:
                # What is changed meanwhile, another snapshot has.
                await host.change(a={"logins": {B: 5}})
            number += 1
        assert (await client.ask(f"/shared/entries?server=a&page={pages}")).status == 404
        return pages, seen

    assert run(work) == (3, {**wanted, A: PERMANENT})


def test_a_snapshot_is_forgotten_after_some_time_and_only_that_one(run, database, monkeypatch):
    monkeypatch.setattr(entry_pages, "PAGE_ENTRIES", 1)
    monkeypatch.setattr(shared_service, "SNAPSHOT_SECONDS", 0.2)
    for name in ("a", "b"):
        database(name).fill({A: 5, B: 6})

    async def work(host):
        client = await host.connect()
        assert (await client.ask("/shared/entries?server=a&page=1")).status == 404
        for _time in range(2):
            assert (await client.ask("/shared/entries?server=a&page=0")).status == 200
            assert (await client.ask("/shared/entries?server=a&page=1")).status == 200
            await asyncio.sleep(0.15)
        assert (await client.ask("/shared/entries?server=a&page=1")).status == 200
        await asyncio.sleep(0.2)
        assert (await client.ask("/shared/entries?server=a&page=1")).status == 404

    run(work)


def test_only_so_many_snapshots_are_kept(run, database, monkeypatch):
    monkeypatch.setattr(shared_service, "MOST_SNAPSHOTS", 1)
    monkeypatch.setattr(entry_pages, "PAGE_ENTRIES", 1)
    for name in ("a", "b"):
        database(name).fill({A: 5, B: 6})

    async def work(host):
        client = await host.connect()
        return [(await client.ask(f"/shared/entries?server={name}&page={n}")).status for name, n in ("a0", "b0", "b1", "a1")]

    assert run(work) == [200, 200, 200, 404]


def test_a_database_that_is_missing_or_empty_has_one_page_without_entries(run, database):
    database("b").fill({})

    async def work(host):
        client = await host.connect()
        return [(await client.ask(f"/shared/entries?server={name}&page=0")).body for name in "ab"]

    assert run(work) == [{"page": 0, "pages": 1, "entries": []}] * 2


@pytest.mark.parametrize(
    ("query", "status"), [("server=c&page=0", 404), ("page=0", 404), ("server=a&page=x", 400), ("server=a", 503)]
)
def test_what_cannot_be_read_is_an_error_and_the_service_goes_on(run, database, query, status):
    database("a").fill({}).damage()

    async def work(host):
        client = await host.connect()
        answer = await client.ask(f"/shared/entries?{query}")
        assert (await client.ask(outbox())).status == 200
        if status == 503:
            assert "repair" in answer.body["error"]
        return answer.status

    assert run(work) == status


def test_a_large_database_is_read_and_changed_by_a_child(run, database, monkeypatch):
    monkeypatch.setattr(large_write, "LARGEST_READ_BYTES", 0)
    monkeypatch.setattr(large_write, "LARGEST_OWN_BYTES", 0)
    now = int(time.time())
    wanted = {f"10.0.{n >> 8}.{n & 255}": now - n for n in range(5000)}
    database("a").fill(wanted)

    async def work(host):
        client = await host.connect()
        seen = {}
        for number in range(3):
            answer = await client.ask(f"/shared/entries?server=a&page={number}")
            assert answer.body["pages"] == 3
            seen.update(answer.body["entries"])
        assert seen == wanted
        answer = await host.change(client, a={"revoked": {"10.0.0.5": now}, "logins": {A: now}})
        assert answer["written"] == ["a"]

    run(work)
    entries = database("a").entries()
    assert entries[A] == str(now)
    assert "10.0.0.5" not in entries


def test_of_too_many_entries_the_latest_are_handed_out(database, monkeypatch):
    monkeypatch.setattr(entry_pages, "MOST_ENTRIES", 3)
    database("a").fill({f"10.0.0.{number}": number for number in range(10)})
    (page,) = entry_pages.read(database("a").path, 1.0)
    assert {key for key, _second in json.loads(page)} == {"10.0.0.7", "10.0.0.8", "10.0.0.9"}


def test_the_largest_page_is_sent_to_a_reader_that_takes_its_time(run, database):
    wanted = {f"ipv6:2001:db8:1234:5678:9abc:def0:1234:{number:x}": 1_700_000_000 for number in range(0x1000, 0x1000 + 2000)}
    database("a").fill(wanted)

    async def work(host):
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_UNIX) as client:
            client.setblocking(False)
            await loop.sock_connect(client, str(host.directory / "shared"))
            await loop.sock_sendall(client, b"GET /shared/entries?server=a&page=0 HTTP/1.1\r\nHost: x\r\n\r\n")
            await asyncio.sleep(0.3)
            whole = b""
            while not whole.endswith(b"]}"):
                whole += await loop.sock_recv(client, 1000)
                await asyncio.sleep(0)
            return len(json.loads(whole.partition(b"\r\n\r\n")[2])["entries"])

    assert run(work) == 2000
