# SPDX-License-Identifier: GPL-3.0-or-later
"""The store: what becomes known, what is published, what is written, and what a crash leaves."""

from __future__ import annotations

import functools
import importlib
import inspect
import os
import shutil
import sqlite3
import sys
import tempfile
import types
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import UnwritableError
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing import gate, merge
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing import store as module
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.merge import LOGIN, REVOKED, Stamps
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.store import Cursor, OwnEvent, Sent

NOW = 1_700_000_000_000
WINDOW = 3_600_000
WINDOWS = {"customers": WINDOW, "other": WINDOW // 2}
KEY = "10.0.0.1"
ENGINE = "engine1:6380"


class Opened:
    """A store, opened by a module that may have a mistake in it."""

    def __init__(self, directory, source=module, **more):
        self.source = source
        self.store = source.Store(str(directory), "mail1", WINDOWS, **more)

    def own(self, op, ms, key=KEY, server="customers", now=NOW):
        self.store.join_own([self.source.OwnEvent(server, key, op, ms)], now)

    def received(self, login=0, revoked=0, renewed=0, key=KEY, origin="mail2", now=NOW, hold=False):
        entry = gate.Entry("customers", key, Stamps(login, revoked, renewed))
        return self.store.join_received(ENGINE, origin, [entry], now, hold=hold)

    def compare(self, *words):
        return self.store.compare(*words)[:2]

    def published(self, engine=ENGINE, now=NOW):
        rows = self.store.unsent(engine, now, 100)
        return [(row.key, *(row.stamps if row.stamps.renewed else row.stamps[:2])) for row in rows]

    def todo(self, now=NOW):
        return {task.key: task.wanted for tasks in self.store.todo(now, 100).values() for task in tasks}

    def written(self, now=NOW):
        for server, tasks in self.store.todo(now, 1000).items():
            self.store.done(server, tasks)


@pytest.fixture
def opened(tmp_path):
    """Return an open store."""
    result = Opened(tmp_path)
    yield result
    result.store.close()


def own_login_is_published(store):
    store.own("login", NOW - 5)
    return store.published(), store.todo()


def own_revocation_is_published(store):
    store.own("login", NOW - 9)
    store.own("revoke", NOW - 5)
    return store.published(), store.todo()


def revocation_here_is_not_published(store):
    store.received(login=NOW - 9000)
    store.own("here", NOW - 5)
    return store.published(), store.todo()


def login_that_was_revoked_is_taken_away_again(store):
    store.received(revoked=NOW - 3000)
    store.written()
    store.own("login", NOW - 4000)
    return store.todo()


def login_in_the_second_of_a_revocation_is_written_again(store):
    store.received(revoked=NOW - 3000)
    store.written()
    store.own("login", NOW - 2990)
    return store.todo()


def received_login_is_written(store):
    store.received(login=NOW - 9000)
    return store.published(), store.todo(), dict(store.store.addresses)


def received_twice_is_written_once(store):
    store.received(login=NOW - 9000)
    store.written()
    store.received(login=NOW - 9000)
    store.received(login=NOW - 8999)
    return store.todo()


def tie_is_closed(store):
    store.received(login=NOW - 9000)
    store.received(revoked=NOW - 9000, origin="mail3")
    return store.todo(), store.store.addresses["mail2"]


def older_login_after_a_revocation(store):
    store.received(revoked=NOW - 2000)
    store.received(login=NOW - 9000, origin="mail3")
    return store.todo()


def later_login_opens_again(store):
    store.received(revoked=NOW - 9000)
    store.received(login=NOW - 2000, origin="mail3")
    return store.todo()


def own_renewal_is_published_with_its_login(store):
    store.own("login", NOW - 9)
    store.store.set_sent(ENGINE, Sent(1, 1))
    store.own("login", NOW - 7)
    store.own("renew", NOW - 5)
    store.own("renew", NOW - 5)
    return store.store.count_unsent(ENGINE, NOW), store.published(), store.todo(), store.store.unsent(ENGINE, NOW, 1)[0].seq


def renewal_does_not_hide_a_quiet_login(store):
    store.own("login", NOW - 9000)
    store.own("renew", NOW - 8000)
    store.own("login", NOW - 5000)
    store.store.set_sent(ENGINE, Sent(2, 2))
    before = store.published()
    store.received(revoked=NOW - 8500)
    return before, store.published()


def renewal_says_a_quiet_login(store):
    store.own("login", NOW - 9000)
    store.own("login", NOW - 5000)
    store.own("renew", NOW - 3000)
    store.store.set_sent(ENGINE, Sent(2, 2))
    store.received(revoked=NOW - 8500)
    return store.published()


def revocation_closes_what_was_renewed_since(store):
    store.own("login", NOW - 90_000)
    store.own("renew", NOW - 5000)
    store.store.set_sent(ENGINE, Sent(2, 2))
    store.received(revoked=NOW - 60_000)
    first = store.published(), store.todo()
    store.written()
    store.own("renew", NOW - 2000)
    second = store.published(), store.todo()
    store.written()
    store.own("login", NOW - 2000)
    return first, second, store.published(), store.todo()


def own_revocation_takes_a_renewal_back(store):
    store.own("login", NOW - 90_000)
    store.own("renew", NOW - 60_000)
    store.own("here", NOW - 5000)
    return store.published(), store.todo()


def login_before_the_last_renewal_of_what_was_revoked(store):
    store.received(login=NOW - 90_000, renewed=NOW - 5000)
    store.received(revoked=NOW - 60_000)
    store.written()
    store.own("login", NOW - 7000)
    return store.todo()


def renewal_outlives_its_login(store):
    later = NOW + WINDOW
    store.received(login=NOW - 9000)
    store.received(renewed=NOW + WINDOW // 2, now=NOW + WINDOW // 2)
    store.written()
    store.store.purge(later)
    store.received(login=NOW - 1, key="10.0.0.2", now=later)
    return (
        store.store.addresses["mail2"],
        store.compare("customers", [(KEY, later // 1000)], later),
        store.published(now=later),
    )


def database_was_renewed(store):
    store.received(login=NOW - 90_000, revoked=NOW - 60_000, renewed=NOW - 5000)
    store.received(login=NOW - 90_000, key="10.0.0.2")
    store.written()
    entries = [(KEY, SECOND - 6), ("10.0.0.2", SECOND - 6)]
    return store.compare("customers", entries, NOW), store.published(), store.todo()


def database_has_a_login_after_a_revocation(store):
    store.received(login=NOW - 90_000, revoked=NOW - 60_000)
    first = store.store.compare("customers", [(KEY, SECOND - 6)], NOW, are_all_known=False), store.published()
    return first, store.compare("customers", [(KEY, SECOND - 6)], NOW), store.published()


def database_was_renewed_before_a_revocation_was_known(store):
    store.received(login=NOW - 90_000, revoked=NOW - 60_000)
    first = store.store.compare("customers", [(KEY, SECOND - 6)], NOW, are_all_known=False)
    store.own("renew", NOW - 6000)
    return store.store.compare("customers", first[2], NOW), store.published(), store.todo()


def renewals_of_many_addresses(store):
    over = [store.received(renewed=NOW - 1000, key=f"10.0.1.{number}") for number in range(4)]
    return over, dict(store.store.addresses), sorted(store.todo())


def held_login_waits(store):
    store.received(login=NOW - 9000, hold=True)
    store.received(key="10.0.0.2", revoked=NOW - 9000, hold=True)
    waiting = store.todo()
    store.store.release(ENGINE)
    return waiting, store.todo()


def future_login_is_not_published(store):
    store.own("login", NOW + 2001)
    store.own("login", NOW + 2000, key="10.0.0.2")
    return store.published()


def future_revocation_is_now(store):
    store.own("revoke", NOW + 99_000)
    return store.published()


def old_login_is_not_published(store):
    store.own("login", NOW - WINDOW)
    store.own("login", NOW - WINDOW // 2, server="other", key="10.0.0.2")
    return store.published()


def login_shortly_after_its_publication_stays_quiet(store):
    store.own("login", NOW - 50_000)
    store.store.set_sent(ENGINE, Sent(1, 1))
    store.own("login", NOW - 1)
    quiet = store.published()
    store.own("login", NOW + 10_000, now=NOW + 10_000)
    return quiet, store.published(now=NOW + 10_000)


def login_after_a_revocation_is_not_quiet(store):
    store.own("login", NOW - 50_000)
    store.received(revoked=NOW - 40_000)
    store.store.set_sent(ENGINE, Sent(1, 1))
    store.own("login", NOW - 1)
    return store.published()


def quiet_login_is_published_when_a_revocation_comes_late(store):
    store.own("login", NOW - 30_000)
    store.store.set_sent(ENGINE, Sent(1, 1))
    store.own("login", NOW - 10_000)
    store.received(login=NOW - 50_000, revoked=NOW - 31_000)
    quiet = store.published()
    store.received(revoked=NOW - 20_000)
    first = store.published()
    store.store.set_sent(ENGINE, Sent(2, 2))
    store.received(revoked=NOW - 20_000, origin="mail3")
    store.received(revoked=NOW - 15_000)
    store.received(revoked=NOW - 5000)
    return quiet, first, store.published()


def quiet_time_is_a_twentieth_of_a_short_window(store):
    store.store._windows["customers"] = 100_000
    store.own("login", NOW - 5001)
    store.store.set_sent(ENGINE, Sent(1, 1))
    store.own("login", NOW - 2)
    first = store.published()
    store.own("login", NOW - 1)
    return first, store.published()


def ahead_in(store):
    return store.store._connection.execute("SELECT count(*) FROM ahead").fetchone()[0]


def database_has_more(store):
    del store.store._windows["other"]
    store.received(login=NOW - 9500)
    store.received(key="10.0.0.2", revoked=NOW - 9500)
    store.received(key="10.0.0.3", revoked=NOW - 20_000)
    store.written()
    seconds = NOW // 1000
    found = store.compare(
        "customers",
        [
            (KEY, seconds - 10),
            ("10.0.0.2", seconds - 10),
            ("10.0.0.3", seconds - 10),
            ("10.0.0.4", seconds - 5),
            ("10.0.0.5", seconds + 3),
            ("10.0.0.6", 253402214400),
            ("10.0.0.7", seconds - WINDOW // 1000),
        ],
        NOW,
    )
    return found, store.published(), store.todo(), ahead_in(store)


def entry_of_the_future_whose_time_comes(store):
    del store.store._windows["other"]
    store.received(revoked=NOW)
    seconds = NOW // 1000
    found = store.compare("customers", [(KEY, seconds + 300), ("10.0.0.2", seconds + 300)], NOW)
    later = NOW + 400_000
    found += store.compare("customers", [(KEY, seconds + 300), ("10.0.0.2", seconds + 301)], later)
    store.store.purge(NOW + 300_000 + WINDOW - 1)
    found += store.compare("customers", [(KEY, seconds + 300)], later)
    store.store.purge(NOW + 300_000 + WINDOW)
    return found, store.published(now=later), store.store._was_ahead("customers", KEY, seconds + 300)


def database_with_very_much(store):
    seconds = NOW // 1000
    store.own("login", NOW - 9000, key="10.0.1.10", server="other")
    most = [(f"10.0.1.{number}", seconds - 10) for number in range(5)]
    found = store.compare("customers", most, NOW), store.compare("other", most, NOW)
    ahead = store.compare("customers", [(f"10.0.2.{number}", seconds + 10) for number in range(5)], NOW)
    return found, ahead, ahead_in(store), store.compare("customers", most[:1], NOW), len(store.published())


def purge(store):
    store.own("login", NOW)
    store.received(key="10.0.0.2", login=NOW)
    store.received(key="10.0.0.3", login=NOW, revoked=NOW)
    first = store.store.purge(NOW + WINDOW - 1), dict(store.store.addresses), store.published(now=NOW + WINDOW - 1)
    store.store.purge(NOW + WINDOW)
    return first, dict(store.store.addresses), store.published(now=NOW), store.store._rows


def many_addresses(store):
    refused = [store.received(key=f"10.0.1.{number}", login=NOW - 9) for number in range(4)]
    refused.append(store.received(key="10.0.1.3", revoked=NOW - 5))
    refused.append(store.received(key="10.0.1.0", login=NOW - 8))
    refused.append(store.received(key="10.0.1.9", login=NOW - 9, origin="mail3"))
    store.own("login", NOW - 1, key="10.0.1.10")
    store.own("login", NOW, key="10.0.1.11")
    store.own("login", NOW, key="10.0.1.12")
    refused.append(store.received(key="10.0.1.10", login=NOW))
    return refused, dict(store.store.addresses), store.todo()


def address_that_was_closed_counts_again(store):
    for number in range(3):
        store.received(key=f"10.0.1.{number}", login=NOW - 9)
    store.received(key="10.0.1.0", revoked=NOW - 5)
    return [store.received(key=key, login=NOW - 3) for key in ("10.0.1.3", "10.0.1.0")], dict(store.store.addresses)


def revocation_of_one_address_too_many_counts(store):
    for number in range(3):
        store.received(key=f"10.0.1.{number}", login=NOW - 9)
    refused = store.received(login=NOW - 3, revoked=NOW - 5)
    return refused, store.store._row("customers", KEY).stamps


def the_newest_login_has_opened_it(store):
    store.received(login=NOW - 9)
    store.received(login=NOW - 5, origin="mail3")
    store.received(login=NOW - 7)
    return dict(store.store.addresses)


def many_names(store):
    refused = [store.received(key=f"10.0.1.{number}", revoked=NOW) for number in range(8)]
    return refused, store.received(key="10.0.1.0", revoked=NOW + 1), store._rows_of("mail2")


Opened._rows_of = lambda self, origin: self.store._rows[origin]
SECOND = NOW // 1000
CASES = {
    own_login_is_published: ([(KEY, NOW - 5, 0)], {}),
    own_revocation_is_published: ([(KEY, NOW - 9, NOW - 5)], {KEY: (REVOKED, SECOND - 1)}),
    revocation_here_is_not_published: ([], {KEY: (REVOKED, SECOND - 1)}),
    login_that_was_revoked_is_taken_away_again: {KEY: (REVOKED, SECOND - 3)},
    login_in_the_second_of_a_revocation_is_written_again: {KEY: (LOGIN, SECOND - 3)},
    received_login_is_written: ([], {KEY: (LOGIN, SECOND - 9)}, {"mail2": 1}),
    received_twice_is_written_once: {},
    tie_is_closed: ({KEY: (REVOKED, SECOND - 9)}, 0),
    older_login_after_a_revocation: {KEY: (REVOKED, SECOND - 2)},
    later_login_opens_again: {KEY: (LOGIN, SECOND - 2)},
    own_renewal_is_published_with_its_login: (1, [(KEY, NOW - 7, 0, NOW - 5)], {}, 2),
    renewal_does_not_hide_a_quiet_login: ([], [(KEY, NOW - 5000, 0, NOW - 8000)]),
    renewal_says_a_quiet_login: [],
    revocation_closes_what_was_renewed_since: (
        ([(KEY, NOW - 90_000, 0)], {KEY: (REVOKED, SECOND - 5)}),
        ([(KEY, NOW - 90_000, 0)], {KEY: (REVOKED, SECOND - 2)}),
        [(KEY, NOW - 2000, 0)],
        {KEY: (LOGIN, SECOND - 2)},
    ),
    own_revocation_takes_a_renewal_back: ([(KEY, NOW - 90_000, 0)], {KEY: (REVOKED, SECOND - 5)}),
    login_before_the_last_renewal_of_what_was_revoked: {KEY: (LOGIN, SECOND - 5)},
    renewal_outlives_its_login: (1, (1, 0), [(KEY, 0, 0, NOW + WINDOW)]),
    database_was_renewed: (
        (1, 1),
        [("10.0.0.2", 0, 0, NOW - 6000)],
        {KEY: (REVOKED, SECOND - 5)},
    ),
    database_has_a_login_after_a_revocation: (
        ((0, 0, [(KEY, SECOND - 6)]), []),
        (1, 0),
        [(KEY, NOW - 6000, 0)],
    ),
    database_was_renewed_before_a_revocation_was_known: ((0, 1, []), [], {KEY: (REVOKED, SECOND - 6)}),
    renewals_of_many_addresses: ([0, 0, 0, 1], {"mail2": 3}, ["10.0.1.0", "10.0.1.1", "10.0.1.2"]),
    held_login_waits: (
        {"10.0.0.2": (REVOKED, SECOND - 9)},
        {KEY: (LOGIN, SECOND - 9), "10.0.0.2": (REVOKED, SECOND - 9)},
    ),
    future_login_is_not_published: [("10.0.0.2", NOW, 0)],
    future_revocation_is_now: [(KEY, 0, NOW)],
    old_login_is_not_published: [],
    login_shortly_after_its_publication_stays_quiet: ([], [(KEY, NOW + 10_000, 0)]),
    login_after_a_revocation_is_not_quiet: [(KEY, NOW - 1, 0)],
    quiet_login_is_published_when_a_revocation_comes_late: ([], [(KEY, NOW - 10_000, 0)], []),
    quiet_time_is_a_twentieth_of_a_short_window: ([], [(KEY, NOW - 1, 0)]),
    database_has_more: (
        (2, 1),
        [("10.0.0.3", NOW - 10_000, 0), ("10.0.0.4", NOW - 5000, 0)],
        {"10.0.0.2": (REVOKED, SECOND - 10)},
        1,
    ),
    entry_of_the_future_whose_time_comes: ((0, 0, 1, 0, 0, 0), [("10.0.0.2", NOW + 301_000, 0)], False),
    database_with_very_much: (((1, 0), (0, 0)), (0, 0), 1, (0, 0), 2),
    purge: ((None, {"mail1": 1, "mail2": 1}, [(KEY, NOW, 0)]), {}, [], {}),
    many_addresses: (
        [0, 0, 0, 1, 0, 0, 0, 1],
        {"mail1": 3, "mail2": 3, "mail3": 1},
        {
            "10.0.1.0": (LOGIN, SECOND - 1),
            "10.0.1.1": (LOGIN, SECOND - 1),
            "10.0.1.2": (LOGIN, SECOND - 1),
            "10.0.1.3": (REVOKED, SECOND - 1),
            "10.0.1.9": (LOGIN, SECOND - 1),
        },
    ),
    address_that_was_closed_counts_again: ([0, 1], {"mail2": 3}),
    revocation_of_one_address_too_many_counts: (1, Stamps(0, NOW - 5)),
    the_newest_login_has_opened_it: {"mail2": 0, "mail3": 1},
    many_names: ([0, 0, 0, 0, 0, 0, 1, 1], 0, 6),
}
MUTANTS = {
    "revocations here are published": ("if event.op == REVOKE:", "if True:"),
    "revocations are not published": ("if event.op == REVOKE:", "if False:"),
    "what was revoked is not taken away": ("if ms // merge.MS_OF_A_SECOND <=", "if ms // merge.MS_OF_A_SECOND =="),
    "the second of a revocation": ("if ms // merge.MS_OF_A_SECOND <=", "if ms // merge.MS_OF_A_SECOND <"),
    "a login before what was renewed and revoked": (
        "if ms // merge.MS_OF_A_SECOND <= row.stamps.revoked_until //",
        "if ms // merge.MS_OF_A_SECOND <= row.stamps.revoked //",
    ),
    "a renewal is a login": ("if event.op == LOGIN:", "if True:"),
    "a renewal of a revoked entry stays": (
        "# The recorder renewed an entry that is to go.\n            self._add_todo(row, changes)",
        "pass",
    ),
    "a renewal of a revoked entry is published": ("        if row.stamps.is_revoked:\n", "        if False:\n"),
    "renewals are not published": ("elif self._publishes:\n            row.own", "elif False:\n            row.own"),
    "a renewal does not say the login": ("row.published = max(row.published, row.own.login)", "pass"),
    "a renewal is not taken back": ("if row.own.renewed and row.stamps.is_revoked:", "if False:"),
    "each renewal is taken back": ("if row.own.renewed and row.stamps.is_revoked:", "if row.own.renewed:"),
    "what is taken back is not published": (
        "row.own = row.own._replace(renewed=0)\n            self._number(row, changes)",
        "row.own = row.own._replace(renewed=0)",
    ),
    "nothing is doubtful": ("elif row.stamps.is_revoked and not are_all_known:", "elif False:"),
    "all is doubtful": ("elif row.stamps.is_revoked and not are_all_known:", "elif row.stamps.is_revoked:"),
    "renewals of a database are logins": ("RENEW if merge.is_open(row.stamps, now, window) else LOGIN", "LOGIN"),
    "logins of a database are renewals": ("RENEW if merge.is_open(row.stamps, now, window) else LOGIN", "RENEW"),
    "logins of the future": ("event.ms > now + SLACK_MS or", ""),
    "a login a little ahead": ("event.ms > now + SLACK_MS or", "event.ms > now or"),
    "revocations of the future": ("ms = min(event.ms, now)", "ms = event.ms"),
    "logins older than the window": ("or now - ms >= window:\n                return", ":\n                return"),
    "no quiet": ("row.published <= row.stamps.revoked or ms - row.published >= quiet", "True"),
    "quiet in spite of a revocation": ("row.published <= row.stamps.revoked or", ""),
    "quiet when it was revoked late": ("elif row.published <= stamps.revoked <", "elif row.published > stamps.revoked <"),
    "never quiet when something comes": ("elif row.published <= stamps.revoked < row.own.login", "elif row.own.login"),
    "not quiet though it is closed": ("stamps.revoked < row.own.login and", "stamps.revoked and"),
    "quiet for a minute": ("min(QUIET_MS, self._windows[row.server] // QUIET_PART)", "QUIET_MS"),
    "quiet for ever": ("ms - row.published >= quiet", "False"),
    "all is written again and again": ("if before != after or merge.shares_a_second(row.stamps):", "if True:"),
    "nothing is held": ('held if merge.is_open(row.stamps, now, window) else ""', '""'),
    "all is held": ('held if merge.is_open(row.stamps, now, window) else ""', "held"),
    "nothing is released": ("SET held = ''", "SET held = held"),
    "permanent entries": ("seconds == PERMANENT or", ""),
    "entries of the future": ("if ms > now + SLACK_MS:", "if False:"),
    "entries whose time has come": ("or self._was_ahead(server, key, seconds)", ""),
    "any login of an address with such an entry": ("AND seconds = ?", "AND seconds <= ?"),
    "entries of the future are kept": ('"DELETE FROM ahead WHERE seconds * 1000 <= ?"', '"DELETE FROM ahead WHERE 0 > ?"'),
    "any number of logins of a database": ("elif room.has_login():", "else:"),
    "all room for one database": ("gate.MOST_ADDRESSES // max(len(self._windows), 1)", "gate.MOST_ADDRESSES"),
    "any number of entries of the future": ("if room.has_ahead():", "if True:"),
    "entries older than the window": (
        "or now - ms >= window:\n                    continue",
        ":\n                    continue",
    ),
    "entries that were revoked": ("if seconds <= row.stamps.revoked_until // MS_OF_A_SECOND:", "if False:"),
    "entries that were renewed and revoked": ("seconds <= row.stamps.revoked_until //", "seconds <= row.stamps.revoked //"),
    "all were revoked": ("if seconds <= row.stamps.revoked_until // MS_OF_A_SECOND:", "if row.stamps.revoked:"),
    "entries that were received": ("elif row.stamps.latest >= ms or self", "elif self"),
    "nothing of a database": ("elif row.stamps.latest >= ms or self", "elif True or self"),
    "any number of addresses": ("and not gate.may_open(self.addresses.get(origin, 0))", "and False"),
    "known addresses count twice": ("and not (row.origin == origin and merge.is_open(row.stamps, now, window))", ""),
    "known addresses do not count": (
        "and not (row.origin == origin and merge.is_open(row.stamps, now, window))",
        "and row.origin != origin",
    ),
    "revocations do not count": (
        "stamps, fits = row.stamps._replace(revoked=stamps.revoked), False",
        "stamps, fits = row.stamps, False",
    ),
    "any number of names": ("if row.is_new and not gate.may_name(self._rows.get(origin, 0)):", "if False:"),
    "known names count twice": ("if row.is_new and not gate.may_name", "if not gate.may_name"),
    "the purge": ('<= ?", (now - self._longest,)', '< ?", (now - self._longest,)'),
    "the count": ("(login > revoked OR revoked = 0) AND", ""),
    "the count of renewals": ("OR revoked = 0) AND max(login, renewed) >", ") AND login >"),
    "what is renewed is purged": ('"max(login, revoked, renewed, own', '"max(login, revoked, own_login, own_revoked, own'),
    "addresses that are only renewed": ("stamps.latest > row.stamps.latest\n", "stamps.login > row.stamps.login\n"),
    "who opened it": ("if stamps.latest > row.stamps.latest or not row.origin:", "if not row.origin:"),
}


def in_store(case, directory, source, monkeypatch):
    monkeypatch.setattr(gate, "MOST_ADDRESSES", 3)
    monkeypatch.setattr(gate, "MOST_NAMED", 6)
    directory.mkdir()
    store = Opened(directory, source)
    try:
        return case(store)
    finally:
        store.store.close()


@pytest.fixture
def quick_path():
    """Yield a directory in memory, where many stores are made in little time."""
    path = tempfile.mkdtemp(prefix="vsmtprelay-test-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    yield Path(path)
    shutil.rmtree(path)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_rule(case, tmp_path, monkeypatch):
    assert in_store(case, tmp_path / "store", module, monkeypatch) == CASES[case]


# In the order of their imports, and the store itself at the end.
PARTS = (
    "store_transactions",
    "store_rows",
    "store_known",
    "store_compared",
    "store_unsent",
    "store_todo",
    "store_read",
    "store_care",
)


def with_mistake(before, after, monkeypatch):
    """Return the module of a store in one of whose parts ``before`` is replaced by ``after``."""
    names = [f"{module.__package__}.{part}" for part in PARTS] + [module.__name__]
    sources = [inspect.getsource(importlib.import_module(name)) for name in names]
    assert any(before in source for source in sources), "the mutant does not fit any more"
    for name, source in zip(names, sources, strict=True):
        mutant = types.ModuleType(name)
        mutant.__package__ = module.__package__
        monkeypatch.setitem(sys.modules, name, mutant)
        exec(compile(source.replace(before, after), "mutant", "exec"), mutant.__dict__)
    return mutant


@pytest.mark.parametrize("name", MUTANTS)
def test_a_store_without_a_rule_is_noticed(name, quick_path, monkeypatch):
    before, after = MUTANTS[name]
    mutant = with_mistake(before, after, monkeypatch)

    def outcome(number, case):
        try:
            return in_store(case, quick_path / str(number), mutant, monkeypatch)
        except Exception as error:  # it broke: noticed as well
            return error

    assert any(outcome(number, case) != expected for number, (case, expected) in enumerate(CASES.items()))


EVENTS = st.tuples(st.sampled_from(["mail1", "mail2", "mail3"]), st.sampled_from(Stamps._fields), st.integers(NOW - 5000, NOW))


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(EVENTS, min_size=1, max_size=8).flatmap(lambda all: st.tuples(st.just(all), st.permutations(all + all))))
def test_any_order_and_repetition_leave_the_same_and_the_database_agrees(quick_path, case):
    states = []
    for heard in case:
        directory = tempfile.mkdtemp(dir=quick_path)
        store = Opened(directory)
        database = {}
        for origin, kind, ms in heard:
            if origin == "mail1":
                if kind != "revoked":
                    database[KEY] = max(database.get(KEY, 0), ms // 1000)  # as the recorder does before it hands it out
                store.own({"login": "login", "revoked": "revoke", "renewed": "renew"}[kind], ms)
            else:
                store.received(origin=origin, **{kind: ms})
            for key, (what, seconds) in store.todo().items():
                if what == LOGIN:
                    database[key] = max(database.get(key, 0), seconds)
                elif database.get(key, seconds + 1) <= seconds:
                    del database[key]
            store.written()
        states.append((store.store._row("customers", KEY).stamps, database))
        store.store.close()
    assert states[0][0] == states[1][0]
    said = (Stamps()._replace(**{kind: ms}) for _origin, kind, ms in case[0])
    joined = functools.reduce(merge.join, said)
    assert states[0][0] == joined
    for _stamps, database in states:
        # In the very second of a revocation the database may have less, never more.
        if not merge.is_open(joined, NOW, WINDOW):
            assert database == {}
        elif not merge.shares_a_second(joined):
            assert database == {KEY: joined.latest // 1000}


def test_it_is_all_there_after_a_start_and_numbers_do_not_come_again(tmp_path):
    first = Opened(tmp_path)
    first.own("login", NOW - 9)
    first.received(key="10.0.0.2", login=NOW)
    first.store.set_sent(ENGINE, Sent(1, 1, 5, 7, -3))
    first.store.join_received(ENGINE, "mail2", [], NOW, Cursor("5-1", 4))
    first.store.keep_note("boot", "1")
    first.store.close()
    again = Opened(tmp_path)
    assert again.store.sent(ENGINE) == Sent(1, 1, 5, 7, -3)
    assert again.store.cursor(ENGINE, "mail2") == Cursor("5-1", 4)
    assert again.store.cursor(ENGINE, "mail3") is None
    assert (again.store.note("boot"), again.store.note("other")) == ("1", "")
    assert again.todo() == {"10.0.0.2": (LOGIN, SECOND)}
    assert again.published() == []
    again.own("login", NOW, key="10.0.0.3")
    assert again.store.unsent(ENGINE, NOW, 9)[0].seq == 6
    again.store.forget_cursor(ENGINE, "mail2")
    assert again.store.cursor(ENGINE, "mail2") is None


def test_what_changes_while_it_is_written_is_written_again(opened):
    opened.received(login=NOW - 9000)
    tasks = opened.store.todo(NOW, 10)["customers"]
    opened.received(revoked=NOW - 5000)
    opened.store.done("customers", tasks)
    assert opened.todo() == {KEY: (REVOKED, SECOND - 5)}
    assert opened.store.count_todo() == 1


def test_what_was_held_for_an_engine_that_is_gone_is_written(opened):
    opened.received(login=NOW - 9000, hold=True)
    opened.store.release_without([ENGINE, "other"])
    assert opened.todo() == {}
    opened.store.release_without(["other"])
    assert opened.todo() == {KEY: (LOGIN, SECOND - 9)}


def test_each_server_has_its_share_of_what_is_written(opened):
    for number in range(20):
        opened.own("revoke", NOW, key=f"10.0.0.{number}")
    opened.own("revoke", NOW, server="other")
    found = opened.store.todo(NOW, 10)
    assert {server: len(tasks) for server, tasks in found.items()} == {"customers": 5, "other": 1}
    assert set(opened.store.todo(NOW, 10, without={"customers"})) == {"other"}


def test_all_is_sent_again_to_every_engine_in_the_same_order(opened):
    for number in range(5):
        opened.own("login", NOW - number, key=f"10.0.0.{number}")
    opened.store.set_sent(ENGINE, Sent(5, 5))
    before = opened.published("other")
    opened.store.send_all_again(above=77)
    assert opened.published() == opened.published("other") == before
    assert opened.store.unsent(ENGINE, NOW, 9)[0].seq == 78
    assert opened.store.count_unsent(ENGINE, NOW) == 5
    opened.own("login", NOW, key="10.0.0.9")
    assert opened.store.unsent(ENGINE, NOW, 9)[-1].seq == 83


def test_what_this_host_said_before_it_lost_its_store_is_its_own_again(opened):
    opened.received(login=NOW - 9, revoked=NOW - 5, origin="mail1")
    assert opened.published() == [(KEY, NOW - 9, NOW - 5)]
    opened.store.set_sent(ENGINE, Sent(1, 1))
    opened.received(login=NOW - 9, revoked=NOW - 5, origin="mail1")
    assert opened.published() == []


def test_a_host_that_does_not_publish_its_logins_publishes_its_revocations(tmp_path):
    store = Opened(tmp_path, publishes=False)
    store.own("login", NOW)
    assert store.published() == []
    store.own("revoke", NOW)
    assert store.published() == [(KEY, 0, NOW)]


def test_a_clock_that_is_set_moves_all_stamps(opened):
    opened.own("login", NOW - 1000)
    opened.received(key="10.0.0.2", login=NOW - 7, revoked=NOW - 5)
    opened.store.shift(-600_000)
    assert opened.published() == [(KEY, NOW - 601_000, 0)]
    assert opened.store._row("customers", "10.0.0.2").stamps == Stamps(NOW - 600_007, NOW - 600_005)
    opened.store.clamp(NOW - 700_000)
    assert opened.store._row("customers", "10.0.0.2").stamps == Stamps(NOW - 700_002, NOW - 700_000)
    assert opened.published() == [(KEY, NOW - 700_000, 0)]


def test_servers_that_are_not_shared_and_other_ops_are_passed_over(opened):
    opened.own("login", NOW, server="elsewhere")
    assert opened.compare("elsewhere", [(KEY, SECOND)], NOW) == (0, 0)
    assert opened.published() == []


@pytest.mark.parametrize("content", [b"\xa5" * 8192, b"SQLite format 3\0" + b"\xa5" * 8192])
def test_a_damaged_store_is_set_aside_at_the_start(tmp_path, content):
    (tmp_path / "store.db").write_bytes(content)
    store = Opened(tmp_path)
    assert store.store.was_damaged
    assert (tmp_path / "store.db.damaged").read_bytes() == content
    store.own("login", NOW)
    store.store.close()
    assert not Opened(tmp_path).store.was_damaged


def test_a_store_of_another_layout_is_set_aside(tmp_path):
    with sqlite3.connect(tmp_path / "store.db") as other:
        other.execute("CREATE TABLE entry (x)")
        other.execute("PRAGMA user_version=99")
    other.close()
    assert Opened(tmp_path).store.was_damaged


def test_a_store_that_turns_out_to_be_damaged_is_set_aside(tmp_path):
    store = Opened(tmp_path)
    for number in range(2000):
        store.own("login", NOW, key=f"10.0.{number >> 8}.{number & 255}")
    store.store._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store.store._connection.execute("PRAGMA cache_size=1")
    size = os.path.getsize(tmp_path / "store.db")
    with open(tmp_path / "store.db", "r+b") as file:
        file.seek(8192)
        file.write(b"\xa5" * (size - 8192))
    events = [OwnEvent("customers", f"10.0.{number >> 8}.{number & 255}", "revoke", NOW) for number in range(2000)]
    with pytest.raises(module.Damaged, match="a new one is made"):
        store.store.join_own(events, NOW)
    assert not (tmp_path / "store.db").exists()


def test_a_directory_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(UnwritableError, match=r"store\.db: cannot be opened"):
        Opened(tmp_path / "missing")


def test_a_transaction_that_fails_changes_nothing(opened):
    events = [OwnEvent("customers", KEY, "login", NOW), OwnEvent("customers", object(), "login", NOW)]
    with pytest.raises((sqlite3.Error, TypeError, module.Damaged)):
        opened.store.join_own(events, NOW)
    assert opened.published() == []
    opened.own("login", NOW)
    assert opened.store.unsent(ENGINE, NOW, 9)[0].seq == 1


def test_a_revocation_is_flushed_before_it_is_acknowledged(opened):
    statements = []
    opened.store._connection.set_trace_callback(statements.append)
    opened.store.join_own([OwnEvent("customers", KEY, "revoke", NOW)], NOW, durable=True)
    assert statements.index("PRAGMA synchronous=FULL") < statements.index("COMMIT")
    assert statements[-1] == "PRAGMA synchronous=NORMAL"
