# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole sharers over a real engine: what is said on one host becomes known on the others."""

from __future__ import annotations

import time

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing import sharer
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.gate import Entry
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.merge import Stamps
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.store import Store


def test_a_login_opens_the_other_hosts_and_a_revocation_closes_them(engine, host, eventually):
    one = engine()
    first, second, third = (host(name, one) for name in ("mail1", "mail2", "mail3"))
    first.login("10.0.0.1")
    eventually(lambda: second.open == third.open == {"10.0.0.1"})
    second.revoke("10.0.0.1")
    eventually(lambda: not first.open and not third.open)
    time.sleep(1.1)
    third.login("10.0.0.1")
    eventually(lambda: first.open == second.open == {"10.0.0.1"})


def test_hosts_that_only_serve_mailboxes_and_hosts_that_only_relay(engine, host, eventually):
    one = engine()
    mailboxes = host("mail1", one, receives=False)
    relay = host("mail2", one, publishes=False)
    mailboxes.login("10.0.0.1")
    eventually(lambda: relay.open == {"10.0.0.1"})
    eventually(lambda: mailboxes.status["alone_since"] is None and relay.status["alone_since"] is None)
    relay.login("10.0.0.2")
    both = host("mail3", one)
    eventually(lambda: both.open == {"10.0.0.1"})
    relay.revoke("10.0.0.1")
    eventually(lambda: not both.open)
    both.login("10.0.0.3")
    eventually(lambda: relay.open == {"10.0.0.2", "10.0.0.3"})
    assert mailboxes.open == {"10.0.0.1"}
    # Its own revocations come back from the engine when it has lost its store.
    mailboxes.revoke("10.0.0.1")
    eventually(lambda: mailboxes.status["engines"][0]["unsent"] == 0)
    mailboxes.lose_store()
    mailboxes.recorder.databases["customers"]["10.0.0.1"] = int(time.time()) - 5
    mailboxes.start_sharer()
    eventually(lambda: not mailboxes.open)
    one.kill()
    one.start()
    eventually(lambda: mailboxes.status["alone_since"] is None)
    mailboxes.login("10.0.0.4")
    eventually(lambda: "10.0.0.4" in both.open)


def test_the_only_host_of_a_fleet_has_written_what_it_said_before_it_lost_its_store(engine, host, eventually):
    alone = host("mail1", engine(hosts=("mail1",)), hosts=("mail1",))
    alone.login("10.0.0.1")
    eventually(lambda: alone.status["engines"][0]["unsent"] == 0)
    alone.lose_store()
    with alone.recorder.lock:
        alone.recorder.events.clear()
        alone.recorder.databases["customers"].clear()
    alone.start_sharer()
    eventually(lambda: alone.open == {"10.0.0.1"})


def test_what_an_engine_that_was_removed_held_is_written(engine, host, eventually):
    one = engine()
    first = host("mail1", one)
    now = first.clock.now()
    first.stop_sharer()
    entry = Entry("customers", "10.0.0.1", Stamps(now, 0))
    store = Store(str(first.directory / "state"), "mail1", {"customers": 3_600_000})
    store.join_received("removed:6380", "mail2", [entry], now, hold=True)
    store.close()
    first.start_sharer()
    eventually(lambda: first.open == {"10.0.0.1"})


def test_what_has_run_out_is_purged(engine, host, eventually, monkeypatch):
    monkeypatch.setattr(sharer, "PURGE_SECONDS", 0.1)
    one = engine()
    first = host("mail1", one)
    first.login("10.0.0.1")
    eventually(lambda: first.status["addresses"] == {"mail1": 1})
    # The hour goes by on the host alone: on the engine the login would still be young.
    one.kill()
    first.clock.passed = 3_700_000
    eventually(lambda: first.status["addresses"] == {})


def test_a_thread_that_hangs_is_named(engine, host):
    first = host("mail1", engine())
    assert first.sharer.silent() == []
    first.sharer.workers[0].beat -= 200
    assert first.sharer.silent() == ["read the outbox"]
