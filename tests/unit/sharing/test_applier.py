# SPDX-License-Identifier: GPL-3.0-or-later
"""The applier: what it asks of the recorder, and what it says about servers that fail. The recorder is a stand-in."""

from __future__ import annotations

import json
import types
from unittest.mock import Mock

import pytest

from ansible_collections.vsmtp.relay.dev.support.fake_recorder import FakeRecorder
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.applier import Applier
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.clock import Clock
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.recorder_client import RecorderClient
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.requests import MOST_SERVERS
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.store import OwnEvent, Store

SERVERS = tuple(f"server{number:03}" for number in range(2 * MOST_SERVERS + 2))
WINDOW = 3_600_000


class Told:
    """What the applier tells the status."""

    def __init__(self):
        self.failed = {}

    def failed_servers(self, failed):
        self.failed = failed

    def recorder_answered(self):
        pass

    def recorder_failed(self, reason):
        raise AssertionError(reason)


@pytest.fixture
def after_each():
    """What is done after each request."""
    return Mock()


@pytest.fixture
def bed(tmp_path, monkeypatch, after_each):
    """Yield a store with an applier at work for it, and the recorder that it asks."""
    recorder = FakeRecorder(str(tmp_path / "socket"), SERVERS)
    recorder.start()
    (tmp_path / "store").mkdir()
    clock, told, asked = Clock(), Told(), []
    store = Store(str(tmp_path / "store"), "mail1", dict.fromkeys(SERVERS, WINDOW))
    change = RecorderClient.change

    def counted(self, servers):
        asked.append(servers)
        after_each()
        return change(self, servers)

    monkeypatch.setattr(RecorderClient, "change", counted)
    applier = Applier(recorder.path, store, told, clock, pytest.fail)
    store.on_todo = applier.wake.set
    applier.start()
    yield types.SimpleNamespace(store=store, recorder=recorder, clock=clock, told=told, asked=asked, applier=applier)
    applier.stop()
    applier.join(5)
    recorder.stop()
    store.close()


def revoke(bed, *servers):
    now = bed.clock.now()
    bed.store.join_own([OwnEvent(server, "10.0.0.1", "revoke", now) for server in servers], now)


def test_all_of_many_servers_are_written_a_bounded_number_at_once(bed, eventually):
    for server in SERVERS:
        bed.recorder.databases[server]["10.0.0.1"] = 5
    revoke(bed, *SERVERS)
    eventually(lambda: not any(bed.recorder.databases.values()))
    eventually(lambda: bed.store.count_todo() == 0)
    assert [len(servers) for servers in bed.asked] == [MOST_SERVERS, MOST_SERVERS, 2]
    assert json.dumps(bed.told.failed) == "{}"


def test_those_that_have_ever_more_to_write_keep_no_other_from_its_turn(bed, eventually, after_each):
    now = bed.clock.now()

    def more():
        if len(bed.asked) <= 4:
            ms = now + len(bed.asked)
            bed.store.join_own([OwnEvent(server, "10.0.0.1", "revoke", ms) for server in SERVERS[:MOST_SERVERS]], ms)

    after_each.side_effect = more
    revoke(bed, *SERVERS)
    eventually(lambda: bed.store.count_todo() == 0)
    assert SERVERS[-1] in {*bed.asked[0], *bed.asked[1], *bed.asked[2]}


def test_a_server_that_fails_is_named_until_nothing_of_it_matters_any_more(bed, eventually, monkeypatch):
    bed.recorder.failing.add(SERVERS[0])
    revoke(bed, SERVERS[0])
    eventually(lambda: SERVERS[0] in bed.told.failed)
    now = bed.clock.now()
    monkeypatch.setattr(bed.clock, "now", lambda: now + WINDOW)
    eventually(lambda: bed.store.count_todo() == 0)
    eventually(lambda: bed.told.failed == {})
