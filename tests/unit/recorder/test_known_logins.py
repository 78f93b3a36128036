# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins that were reported lately are known again, within bounds."""

from __future__ import annotations

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder import known_logins
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.known_logins import KnownLogins


def test_a_login_is_new_once():
    known = KnownLogins()
    assert [known.note("session", "me") for _time in range(3)] == [True, False, False]


def test_another_account_in_the_same_session_is_another_login():
    known = KnownLogins()
    assert known.note("session", "me")
    assert known.note("session", "you")
    assert known.note("other", "me")


def test_without_a_session_every_login_is_new():
    known = KnownLogins()
    assert known.note("", "me")
    assert known.note("", "me")
    assert len(known) == 0


def test_the_oldest_is_forgotten_for_one_too_many():
    known = KnownLogins(most=2)
    for session in "abc":
        assert known.note(session, "me")
    assert len(known) == 2
    assert not known.note("c", "me")
    assert not known.note("b", "me")
    assert known.note("a", "me")


def test_it_is_forgotten_after_its_time(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(known_logins.time, "monotonic", lambda: now[0])
    known = KnownLogins(seconds=60)
    known.note("a", "me")
    now[0] += 59
    assert not known.note("a", "me")
    now[0] += 2
    assert known.note("b", "me")
    assert len(known) == 1
    assert known.note("a", "me")
