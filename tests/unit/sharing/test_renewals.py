# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries of open sessions that are renewed: for other hosts as well, and never against a revocation."""

from __future__ import annotations

import threading
import time

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing import access
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.comparer import Comparer
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.puller import Puller
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.store import Store

KEY, OTHER = "10.9.0.1", "10.9.0.2"


@pytest.fixture
def two(engine, host):
    """Return an engine and two hosts; the session of KEY is on the first one."""
    one = engine()
    return one, host("mail1", one), host("mail2", one)


def stamp(host, key=KEY):
    return host.recorder.databases["customers"].get(key, 0)


def is_shared(*hosts):
    """Whether all that these hosts said is on the engine and was heard by them all."""
    return all(each.status["engines"][0]["unsent"] == 0 and not each.sharer.store.count_todo() for each in hosts)


def forget(admin, engine, *sets):
    """Take away what is older than a window by then: sorted sets of each host, and all but the last entry of its stream."""
    with admin(engine) as connection:
        for name in ("mail1", "mail2"):
            for what in sets:
                connection.ask("DEL", access.key(name, what))
            connection.ask("XTRIM", access.key(name, access.STREAM), "MAXLEN", 1)


def renew_what_is_revoked_meanwhile(first, second, eventually):
    """Cut the first host off, revoke KEY on the second one, and renew KEY and OTHER on the first one."""
    first.login(KEY)
    first.login(OTHER)
    eventually(lambda: second.open == {KEY, OTHER} and is_shared(first, second))
    first.stop_sharer()
    time.sleep(1.1)
    second.revoke(KEY)
    time.sleep(1.1)
    for key in (KEY, OTHER):
        first.recorder.renew(key)


def test_the_entry_of_an_open_session_is_renewed_on_every_host(two, eventually):
    _one, first, second = two
    first.login(KEY)
    eventually(lambda: second.open == {KEY})
    before = stamp(second)
    time.sleep(2.1)  # a stamp of whole seconds is one less where the clocks differ by a millisecond
    first.recorder.renew(KEY)
    eventually(lambda: stamp(second) > before)


@pytest.mark.fault("late-revocation")
def test_a_revocation_closes_what_a_host_renewed_while_it_was_cut_off(two, eventually):
    _one, first, second = two
    renew_what_is_revoked_meanwhile(first, second, eventually)
    first.start_sharer()
    # A stamp of whole seconds is one less where the clocks differ by a millisecond.
    eventually(lambda: first.open == {OTHER} and stamp(second, OTHER) >= stamp(first, OTHER) - 1)
    eventually(lambda: is_shared(first, second))
    assert second.open == {OTHER}
    assert KEY not in {key for _server, key, what, _when in second.recorder.changes[2:] if what == "login"}


def test_it_does_so_also_where_the_revocation_and_the_database_are_read_before_the_renewal(two, eventually, monkeypatch):
    _one, first, second = two
    renew_what_is_revoked_meanwhile(first, second, eventually)
    turns = {Puller: threading.Event(), Comparer: threading.Event()}
    for worker, turn in turns.items():
        monkeypatch.setattr(worker, "work", lambda self, turn=turn, work=worker.work: (turn.wait(20), work(self)))
    compared, compare = [], Store.compare
    monkeypatch.setattr(Store, "compare", lambda self, *words: compared.append(words) or compare(self, *words))
    first.start_sharer()
    eventually(lambda: first.sharer.store._row("customers", KEY).stamps.is_revoked)
    turns[Comparer].set()
    eventually(lambda: compared)
    turns[Puller].set()
    eventually(lambda: first.open == {OTHER} and len(compared) > 1)
    eventually(lambda: is_shared(first, second))
    assert first.open == second.open == {OTHER}


def test_a_login_after_a_revocation_that_only_the_database_has_is_shared(two, eventually):
    """Its event was lost in a crash."""
    _one, first, second = two
    first.login(KEY)
    eventually(lambda: second.open == {KEY})
    second.revoke(KEY)
    eventually(lambda: not first.open)
    time.sleep(1.1)
    with first.recorder.lock:
        first.recorder.databases["customers"][KEY] = int(time.time())
    first.recorder.add("customers", "", "check", 0)
    eventually(lambda: second.open == {KEY})


def test_a_revocation_on_a_host_that_was_cut_off_closes_what_was_renewed_meanwhile(two, eventually):
    _one, first, second = two
    first.login(KEY)
    eventually(lambda: second.open == {KEY})
    second.stop_sharer()
    time.sleep(1.1)
    second.revoke(KEY)
    time.sleep(1.1)
    first.recorder.renew(KEY)
    eventually(lambda: is_shared(first))
    second.start_sharer()
    eventually(lambda: not first.open)
    eventually(lambda: is_shared(first, second))
    assert second.open == set()


def test_a_login_after_that_opens_again(two, eventually):
    _one, first, second = two
    first.login(KEY)
    eventually(lambda: second.open == {KEY})
    first.stop_sharer()
    second.revoke(KEY)
    time.sleep(1.1)
    first.recorder.renew(KEY)
    first.start_sharer()
    eventually(lambda: not first.open)
    second.login(KEY)
    eventually(lambda: first.open == second.open == {KEY})


def test_a_host_that_comes_late_opens_nothing_that_was_renewed_before_its_revocation_was_known(two, host, eventually, admin):
    """The revocation is so old by then that no host publishes it any more; the renewal is not."""
    one, first, second = two
    renew_what_is_revoked_meanwhile(first, second, eventually)
    first.start_sharer()
    eventually(lambda: first.open == {OTHER})
    eventually(lambda: is_shared(first, second))
    forget(admin, one, access.REVOKED, access.LOGINS)
    third = host("mail3", one)
    eventually(lambda: third.open == {OTHER})
    assert KEY not in {key for _server, key, _what, _when in third.recorder.changes}


def test_a_session_that_is_open_for_longer_than_the_window_is_open_on_a_host_that_comes_late(two, host, eventually, admin):
    one, first, second = two
    first.login(KEY)
    first.recorder.renew(KEY)
    eventually(lambda: second.open == {KEY} and is_shared(first, second))
    forget(admin, one, access.LOGINS)
    third = host("mail3", one)
    eventually(lambda: third.open == {KEY})
    second.revoke(KEY)
    eventually(lambda: not third.open and not first.open)
