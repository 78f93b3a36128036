# SPDX-License-Identifier: GPL-3.0-or-later
"""A recorder with a socket for the sharer. Only systemd's library is stood in for."""

from __future__ import annotations

import asyncio

import pytest

from ansible_collections.vsmtp.relay.dev.support.shared_host import (
    Host,
)
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder import (
    fd_store,
    journal,
    recorder,
    shared_service,
)


@pytest.fixture(autouse=True)
def lines(monkeypatch):
    """Stand in for systemd's library; return the messages in the journal. A busy machine may take its time."""
    sent = []

    class Daemon:
        notify = staticmethod(lambda _state, fds=(): True)

    class Journal:
        sendv = staticmethod(lambda *fields: sent.append(fields[0].partition("=")[2]))

    monkeypatch.setattr(journal, "journal", Journal)
    monkeypatch.setattr(journal, "daemon", Daemon)
    monkeypatch.setattr(fd_store, "daemon", Daemon)
    monkeypatch.setattr(recorder, "ANSWER_SECONDS", 20.0)
    monkeypatch.setattr(recorder, "FINISH_SECONDS", 0.3)
    monkeypatch.setattr(shared_service, "WRITE_SECONDS", 20.0)
    return sent


@pytest.fixture
def database(native_database):
    """Return the database of the virtual server with a name."""
    return lambda name: native_database(f"{name}/etc/relayers.db")


@pytest.fixture
def run(servers, tmp_path):
    """Return what runs a coroutine function with a Host."""

    def run(work, **options):
        async def whole():
            for name in ("login", "shared"):
                (tmp_path / name).unlink(missing_ok=True)
            host = Host(servers, tmp_path, **options)
            try:
                async with asyncio.timeout(60):
                    return await work(host)
            finally:
                await host.close()

        return asyncio.run(whole())

    return run
