# SPDX-License-Identifier: GPL-3.0-or-later
"""The log of the sharer: what happens again and again is said now and then."""

from __future__ import annotations

import types

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing import applier, log
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.merge import LOGIN
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.recorder_client import Written
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.store import Task


def test_the_same_is_said_once_a_minute(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(log, "time", types.SimpleNamespace(monotonic=lambda: now[0]))
    seldom = log.Seldom()
    assert [seldom.is_due("a", "b"), seldom.is_due("a", "b"), seldom.is_due("a", "c")] == [True, False, True]
    now[0] += log.SELDOM_SECONDS - 1
    assert not seldom.is_due("a", "b")
    now[0] += 1
    assert seldom.is_due("a", "b")


def test_what_the_recorder_refuses_again_and_again_does_not_fill_the_journal(monkeypatch, capsys):
    ignore = types.SimpleNamespace(recorder_failed=None, recorder_answered=lambda: None, failed_servers=lambda _failed: None)
    store = types.SimpleNamespace(done=lambda _server, _tasks: None)
    worker = applier.Applier("/socket", store, ignore, None, lambda _reason: None)
    worker._client.change = lambda _servers: Written(["customers"], {}, {"ignored network": 2})
    for _time in range(5):
        worker._write({"customers": [Task("10.0.0.1", 1, (LOGIN, 5))]})
    assert capsys.readouterr().err.count("ignored network") == 1
