# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorder's service for the sharer: which socket serves what, and how."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ansible_collections.vsmtp.relay.dev.support.shared_host import (
    LOGIN,
    REPORT,
    A,
    outbox,
)
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder import (
    fd_store,
    recorder,
)
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.connection import Connection


@pytest.mark.parametrize("path", ["/shared/outbox", "/shared/changes", "/shared/entries?server=a&page=0"])
def test_the_socket_for_reports_knows_nothing_of_it(run, database, path):
    async def work(host):
        client = await host.connect("login")
        for method, body in (("GET", None), ("POST", {"servers": {"a": {"logins": {A: 5}}}})):
            assert (await client.ask(path, body, method)).status == 404

    run(work)
    assert not database("a").exists


@pytest.mark.parametrize("path", [LOGIN, "/unreported", "/probe/x", "/", "/shared", "/shared/outbox/"])
def test_the_socket_for_the_sharer_knows_nothing_else(run, database, path):
    async def work(host):
        client = await host.connect()
        for method, body in (("GET", None), ("POST", REPORT)):
            assert (await client.ask(path, body, method)).status == 404

    run(work)
    assert not database("a").exists


@pytest.mark.parametrize(
    ("path", "method"), [("/shared/outbox", "POST"), ("/shared/changes", "GET"), ("/shared/entries", "POST")]
)
def test_each_path_has_its_method(run, path, method):
    async def work(host):
        return (await (await host.connect()).ask(path, {}, method)).status

    assert run(work) == 405


def test_a_connection_of_the_sharer_is_not_kept_for_the_next_recorder(run, monkeypatch):
    stored = []
    monkeypatch.setattr(fd_store.daemon, "notify", lambda state, fds=(): stored.append(state))

    async def work(host):
        client = await host.connect()
        await client.ask(outbox())
        await asyncio.sleep(3 * fd_store.STORE_SECONDS)

    run(work)
    assert [state for state in stored if state.startswith("FDSTORE")] == []


def test_every_answer_is_sent_with_one_write(run, monkeypatch):
    sent = []
    send = Connection._send
    monkeypatch.setattr(Connection, "_send", lambda self, data: (sent.append(data), send(self, data))[1])

    async def work(host):
        client = await host.connect()
        for path in (outbox(), "/shared/entries?server=a&page=0", "/shared/entries?server=x"):
            await client.ask(path)
        await host.change(client, a={"logins": {A: 5}})

    run(work)
    assert len(sent) == 4


def test_no_code_of_the_login_path_knows_the_sharer():
    assert "shared" not in Path(recorder.__file__).with_name("http_service.py").read_text()
