# SPDX-License-Identifier: GPL-3.0-or-later
"""The merge: whatever the order in which hosts hear of logins and revocations, they agree in the end."""

from __future__ import annotations

import functools
import inspect
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing import merge
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.merge import (
    LOGIN,
    NOTHING,
    REVOKED,
    Stamps,
    is_open,
    join,
    shares_a_second,
    wanted,
)

WINDOW = 60_000
NOW = 1_000_000
MS = st.integers(0, 20) | st.integers(NOW - 2 * WINDOW, NOW)
STAMPS = st.builds(Stamps, MS, MS, MS)


@given(STAMPS, STAMPS)
def test_the_order_of_two_does_not_matter(one, other):
    assert join(one, other) == join(other, one)


@given(STAMPS, STAMPS, STAMPS)
def test_it_does_not_matter_which_are_joined_first(first, second, third):
    assert join(join(first, second), third) == join(first, join(second, third))


@given(STAMPS, STAMPS)
def test_what_is_heard_again_changes_nothing(first, second):
    both = join(first, second)
    assert join(both, second) == join(both, first) == join(both, both) == both
    assert join(both, NOTHING) == both


@given(
    st.lists(STAMPS, min_size=1, max_size=8).flatmap(lambda heard: st.tuples(st.just(heard), st.permutations(heard + heard)))
)
def test_any_order_and_any_repetition_give_the_same(case):
    heard, again = case
    assert functools.reduce(join, heard) == functools.reduce(join, again)


@given(st.lists(STAMPS, min_size=1, max_size=8), st.data())
def test_a_snapshot_and_an_overlapping_rest_give_the_same(heard, data):
    cut = data.draw(st.integers(0, len(heard)))
    overlap = data.draw(st.integers(0, cut))
    snapshot = functools.reduce(join, heard[:cut], NOTHING)
    assert functools.reduce(join, heard[overlap:], snapshot) == functools.reduce(join, heard)


@given(st.lists(STAMPS, max_size=8), MS)
def test_a_revocation_holds_against_all_that_is_older_or_equally_old(heard, ms):
    older = [each._replace(login=min(each.login, ms)) for each in heard]
    known = functools.reduce(join, older, Stamps(0, max(ms, 1)))
    assert not is_open(known, NOW, WINDOW)
    assert (wanted(known, NOW, WINDOW) or (REVOKED,))[0] == REVOKED


@given(st.lists(STAMPS, max_size=8), MS, MS)
def test_what_was_renewed_after_a_revocation_goes_and_stays_away(heard, ms, renewed):
    """A host that is cut off renews the entries of its open sessions, and hears of the revocation later."""
    known = functools.reduce(join, [Stamps(min(each.login, ms), each.revoked) for each in heard], Stamps(0, max(ms, 1)))
    joined = join(known, Stamps(0, 0, renewed))
    assert not is_open(joined, NOW, WINDOW)
    if renewed > NOW - WINDOW:
        kind, seconds = wanted(joined, NOW, WINDOW)
        assert kind == REVOKED
        assert seconds >= renewed // 1000


@given(STAMPS, st.integers(NOW - WINDOW + 1, NOW))
def test_a_later_login_opens_again(known, ms):
    known = known._replace(revoked=min(known.revoked, ms - 1))
    assert is_open(join(known, Stamps(ms, 0)), NOW, WINDOW)


@given(STAMPS)
def test_only_a_login_that_is_not_revoked_opens_and_lasts_a_window_from_its_last_renewal_on(stamps):
    is_within = max(stamps.login, stamps.renewed) > NOW - WINDOW
    assert is_open(stamps, NOW, WINDOW) == ((stamps.login > stamps.revoked or stamps.revoked == 0) and is_within)


def test_a_login_ends_exactly_with_its_window():
    assert is_open(Stamps(NOW - WINDOW + 1, 0), NOW, WINDOW)
    assert not is_open(Stamps(NOW - WINDOW, 0), NOW, WINDOW)


@given(STAMPS)
def test_the_database_should_have_what_is_open_and_not_what_was_revoked(stamps):
    kind, seconds = wanted(stamps, NOW, WINDOW) or (None, 0)
    if is_open(stamps, NOW, WINDOW):
        assert (kind, seconds) == (LOGIN, max(stamps.login, stamps.renewed) // 1000)
    elif stamps.revoked >= stamps.login and stamps.revoked and max(stamps.revoked, stamps.renewed) > NOW - WINDOW:
        assert (kind, seconds) == (REVOKED, max(stamps.revoked, stamps.renewed) // 1000)
    else:
        assert kind is None


def test_a_login_that_has_run_out_is_no_revocation():
    assert wanted(Stamps(NOW - WINDOW, NOW - WINDOW - 1), NOW, WINDOW) is None
    assert wanted(NOTHING, NOW, WINDOW) is None


def test_a_stamp_of_the_future_is_written_as_now():
    assert wanted(Stamps(NOW + 5000, 0), NOW, WINDOW) == (LOGIN, NOW // 1000)
    assert wanted(Stamps(0, NOW + 5000), NOW, WINDOW) == (REVOKED, NOW // 1000)


def test_the_database_cannot_keep_one_second_apart():
    assert shares_a_second(Stamps(5999, 5000))
    assert not shares_a_second(Stamps(6000, 5999))


CASES = {
    (Stamps(NOW - 5, 0), NOTHING): True,
    (Stamps(NOW - 5, 0), Stamps(0, NOW - 5)): False,
    (Stamps(NOW - 5, 0), Stamps(0, NOW - 6)): True,
    (Stamps(NOW - 5, 0), Stamps(NOW - 9, NOW - 7)): True,
    (Stamps(NOW - 9, NOW - 7), Stamps(NOW - 8, 0)): False,
    (Stamps(NOW - WINDOW, 0), NOTHING): False,
    (Stamps(NOW - WINDOW + 1, 0), NOTHING): True,
    (Stamps(NOW - 9, 0), Stamps(0, NOW - 7, NOW - 5)): False,
    (Stamps(NOW - WINDOW, 0), Stamps(0, 0, NOW - 5)): True,
    (Stamps(0, 0, NOW - 5), Stamps(0, 0, NOW - WINDOW)): True,
    (Stamps(0, 0, NOW - WINDOW), Stamps(0, 0, NOW - 5)): True,
    (Stamps(0, 0, NOW - 5), NOTHING): True,
    (Stamps(NOW - 5, NOW - 9, NOW - WINDOW), NOTHING): True,
}
MUTANTS = {
    "the lesser login": ("max(first.login, second.login)", "min(first.login, second.login)"),
    "the last login": ("max(first.login, second.login)", "second.login or first.login"),
    "the lesser revocation": ("max(first.revoked, second.revoked)", "min(first.revoked, second.revoked)"),
    "the last revocation": ("max(first.revoked, second.revoked)", "second.revoked"),
    "the lesser renewal": ("max(first.renewed, second.renewed)", "min(first.renewed, second.renewed)"),
    "the last renewal": ("max(first.renewed, second.renewed)", "second.renewed"),
    "a tie opens": ("0 < self.revoked >= self.login", "0 < self.revoked > self.login"),
    "revocations do not matter": ("not stamps.is_revoked and", ""),
    "a renewal is a login": ("0 < self.revoked >= self.login", "0 < self.revoked >= self.latest"),
    "renewals do not matter": ("return max(self.login, self.renewed)", "return self.login"),
    "only renewals matter": ("return max(self.login, self.renewed)", "return self.renewed or self.login"),
    "a renewal alone is nothing": ("0 < self.revoked >=", "0 <= self.revoked >="),
    "no window": ("and now - stamps.latest < window", ""),
    "a ms longer": ("now - stamps.latest < window", "now - stamps.latest <= window"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_merge_without_a_rule_is_noticed(name):
    before, after = MUTANTS[name]
    source = inspect.getsource(merge)
    assert before in source, "the mutant does not fit any more"
    mutant = types.ModuleType(merge.__name__)
    exec(compile(source.replace(before, after), "mutant", "exec"), mutant.__dict__)
    assert any(mutant.is_open(mutant.join(*case), NOW, WINDOW) != expected for case, expected in CASES.items())


@pytest.mark.parametrize("case", CASES)
def test_what_two_hosts_said_opens_or_not(case):
    assert is_open(join(*case), NOW, WINDOW) == CASES[case]
