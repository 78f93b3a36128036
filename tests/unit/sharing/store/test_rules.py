# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of the store, each with what it leaves, and mistakes in it that are noticed."""

from __future__ import annotations

import importlib
import inspect
import sys
import types

import pytest

from ansible_collections.vsmtp.relay.dev.support.opened_store import ENGINE, KEY, NOW, SECOND, WINDOW, Opened
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing import gate
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing import store as module
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.merge import LOGIN, REVOKED, Stamps
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.store import Sent


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
    return refused, store.received(key="10.0.1.0", revoked=NOW + 1), store.rows_of("mail2")


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
