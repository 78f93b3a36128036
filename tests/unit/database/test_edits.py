# SPDX-License-Identifier: GPL-3.0-or-later
"""Edits: what each does to the entries of a database, and what it says that it did."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database import edits
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database import relayers_db as database

NOW = 1_700_000_000
A, B, C = "10.0.0.1", "10.0.0.2", "10.0.0.3"


def after(relayers_db, before, edit):
    """Return the entries after ``edit`` and the changes that it told of."""
    if before:
        relayers_db.fill(before)
    changes = database.change(relayers_db.path, edit)
    return relayers_db.entries(), changes


def test_store_writes_what_it_is_told_whatever_was_there(relayers_db):
    entries, changes = after(relayers_db, {A: NOW + 99, B: "RELAY"}, edits.put({A: 5, B: 6, C: 7}))
    assert entries == {A: "5", B: "6", C: "7"}
    assert changes.added == {C.encode(): b"7"}
    assert changes.updated == {A.encode(): (b"%d" % (NOW + 99), b"5"), B.encode(): (b"RELAY", b"6")}


def test_storing_what_is_there_is_no_change(relayers_db):
    entries, changes = after(relayers_db, {A: 5}, edits.put({A: 5}))
    assert not changes
    assert entries == {A: "5"}


@pytest.mark.parametrize(
    ("before", "login", "stored"),
    [
        (None, NOW, NOW),
        (NOW - 60, NOW, NOW),
        (NOW, NOW, NOW),
        (NOW + 1, NOW, NOW + 1),
        (253402300799, NOW, 253402300799),
        (NOW, NOW - 60, NOW),
        ("RELAY", NOW, NOW),
        ("", NOW, NOW),
    ],
)
def test_an_entry_in_the_future_is_never_shortened_by_a_login(relayers_db, before, login, stored):
    entries, changes = after(relayers_db, {} if before is None else {A: before}, edits.record_logins({A: login}))
    assert entries == {A: str(stored)}
    assert bool(changes) == (before != stored)


@pytest.mark.parametrize("value", ["1700000000000", "0999999999999", "099999999999"])
def test_a_value_that_opens_no_relay_gives_way_to_a_login(relayers_db, value):
    assert after(relayers_db, {A: value}, edits.record_logins({A: NOW}))[0] == {A: str(NOW)}


@pytest.mark.parametrize(
    ("before", "stored", "is_valid"),
    [
        (NOW - 29, NOW - 29, True),
        (NOW - 30, NOW, True),
        (NOW - 59, NOW, True),
        (NOW - 60, NOW - 60, False),
        (NOW, NOW, True),
        (NOW + 1, NOW + 1, True),
        (253402214400, 253402214400, True),
        ("RELAY", "RELAY", False),
        ("", "", False),
        (0, 0, False),
    ],
)
def test_renew_stamps_what_has_less_than_half_of_its_time_left_and_has_not_run_out(relayers_db, before, stored, is_valid):
    entries, changes = after(relayers_db, {A: before, B: NOW - 45}, edits.renew([A], NOW, 60))
    assert entries == {A: str(stored), B: str(NOW - 45)}
    assert changes.valid == ({A} if is_valid else set())
    assert bool(changes) == (before != stored)


def test_renew_creates_nothing(relayers_db):
    entries, changes = after(relayers_db, {B: NOW - 45}, edits.renew([A, B], NOW, 60))
    assert entries == {B: str(NOW)}
    assert changes.valid == {B}
    assert changes.added == {}


@pytest.mark.parametrize(
    ("before", "latest", "stays"),
    [
        (NOW - 60, NOW, False),
        (NOW, NOW, False),
        (NOW, NOW - 1, True),
        (NOW - 60, NOW - 60, False),
        (0, NOW, False),
        # No revocation reaches into the future, whatever it says.
        (NOW + 1, NOW, True),
        (NOW + 1, NOW + 99, True),
        (253402214400, NOW, True),
        (253402214400, 253402300799, True),
        ("RELAY", NOW, True),
        ("", NOW, True),
    ],
)
def test_a_revocation_takes_what_is_stamped_until_then_and_neither_the_future_nor_what_is_no_timestamp(
    relayers_db, before, latest, stays
):
    entries, changes = after(relayers_db, {A: before, B: NOW - 60}, edits.revoke({A: latest, C: NOW}, NOW))
    assert entries == ({A: str(before)} if stays else {}) | {B: str(NOW - 60)}
    assert changes.keys_removed() == ([] if stays else [A])
    assert bool(changes) != stays


def test_a_revocation_takes_each_spelling_of_makemap_by_its_own_time(relayers_db):
    # A key with a NUL beside one without, as makemap -N adds it.
    entries, _changes = after(relayers_db, {A: NOW, A + "\0": f"{NOW - 60}\0", B: 5}, edits.revoke({A: NOW - 60}, NOW))
    assert entries == {A: str(NOW), B: "5"}


@pytest.mark.parametrize(
    ("before", "wanted", "refresh_after", "stored"),
    [
        (None, None, None, NOW),
        (None, 5, None, 5),
        (NOW - 9999, None, None, NOW - 9999),
        ("RELAY", None, None, "RELAY"),
        (NOW - 9999, 5, None, 5),
        (NOW + 60, 5, None, 5),
        (NOW - 60, None, 60, NOW - 60),
        (NOW - 61, None, 60, NOW),
        (NOW - 1, None, 0, NOW),
        (NOW + 60, None, 0, NOW + 60),
        ("RELAY", None, 0, NOW),
        (NOW - 9999, 5, 0, 5),
    ],
)
def test_ensure_stamps_what_is_new_and_refreshes_what_is_too_old(relayers_db, before, wanted, refresh_after, stored):
    edit = edits.ensure({A: wanted}, NOW, refresh_after)
    entries, changes = after(relayers_db, {} if before is None else {A: before}, edit)
    assert entries == {A: str(stored)}
    assert bool(changes) == (before != stored)


def test_purge_removes_every_entry_that_is_not_named_also_those_in_the_future(relayers_db):
    before = {A: 1, B: NOW + 99, "example.org": "RELAY"}
    entries, changes = after(relayers_db, before, edits.ensure({A: None}, NOW, purge=True))
    assert entries == {A: "1"}
    assert set(changes.removed) == {B.encode(), b"example.org"}


def test_purge_of_a_database_that_names_all_is_no_change(relayers_db):
    assert not after(relayers_db, {A: 1, B: 2}, edits.ensure({A: None, B: 2}, NOW, purge=True))[1]


def test_delete_takes_away_what_is_there_and_passes_over_the_rest(relayers_db):
    entries, changes = after(relayers_db, {A: 1, B: 2}, edits.delete([A, C, A]))
    assert entries == {B: "2"}
    assert changes.removed == {A.encode(): b"1"}
    assert changes.count == 1


@pytest.mark.parametrize(
    ("minutes", "left"),
    [
        (0, {C: str(NOW + 1), "x": "RELAY"}),
        (1, {B: str(NOW - 59), C: str(NOW + 1), "x": "RELAY"}),
        (2, {A: str(NOW - 60), B: str(NOW - 59), C: str(NOW + 1), "x": "RELAY"}),
    ],
)
@pytest.mark.parametrize("name_them", [True, False])
def test_expire_removes_what_has_the_age_and_keeps_the_future_and_what_is_no_timestamp(relayers_db, minutes, left, name_them):
    before = {A: NOW - 60, B: NOW - 59, C: NOW + 1, "x": "RELAY"}
    entries, changes = after(relayers_db, before, edits.expire(minutes, NOW, name_them))
    assert entries == left
    assert changes.count == len(before) - len(left)
    assert len(changes.removed) == (changes.count if name_them else 0)


def test_an_entry_of_this_very_second_is_old(relayers_db):
    assert after(relayers_db, {A: NOW}, edits.expire(0, NOW))[0] == {}


def test_expire_of_thousands_leaves_exactly_those_that_are_not_old(relayers_db):
    before = {f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}": NOW - n for n in range(5000)}
    entries, changes = after(relayers_db, before, edits.expire(40, NOW))
    assert entries == {key: str(value) for key, value in before.items() if value > NOW - 2400}
    assert changes.count == 2600


stored = st.dictionaries(st.sampled_from([A, B, C]), st.integers(NOW - 200, NOW + 200), max_size=3)
any_edit = st.one_of(
    st.builds(edits.put, stored),
    st.builds(edits.record_logins, stored),
    st.builds(edits.renew, st.lists(st.sampled_from([A, B, C]), max_size=3), st.just(NOW), st.sampled_from([60, 120])),
    st.builds(edits.delete, st.lists(st.sampled_from([A, B, C]), max_size=3)),
    st.builds(edits.revoke, stored, st.just(NOW)),
    st.builds(edits.expire, st.integers(0, 3), st.just(NOW)),
    st.builds(edits.ensure, stored, st.just(NOW), st.sampled_from([None, 0, 60]), st.booleans()),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=stored, edit=any_edit)
def test_every_edit_is_idempotent_and_tells_in_advance_what_it_does(relayers_db, before, edit):
    database.change(relayers_db.path, edits.ensure(before, NOW, purge=True))
    as_it_was = relayers_db.content
    announced = database.change(relayers_db.path, edit, check_only=True)
    assert relayers_db.content == as_it_was
    done = database.change(relayers_db.path, edit)
    assert (done.added, done.updated, done.removed) == (announced.added, announced.updated, announced.removed)
    expected = {key.encode(): b"%d" % value for key, value in before.items()}
    for key in done.removed:
        del expected[key]
    expected.update(done.added)
    expected.update({key: new for key, (_old, new) in done.updated.items()})
    assert relayers_db.entries() == {key.decode(): value.decode() for key, value in expected.items()}
    assert not database.change(relayers_db.path, edit)


FOR_GOOD = 253402214400


def test_permanent_entries_are_those_that_are_named_and_no_other(relayers_db):
    before = {A: NOW, B: FOR_GOOD, C: FOR_GOOD + 1}
    entries, changes = after(relayers_db, before, edits.ensure({}, NOW, permanent=[A]))
    assert entries == {A: str(FOR_GOOD), C: str(FOR_GOOD + 1)}
    assert list(changes.updated) == [A.encode()]
    assert list(changes.removed) == [B.encode()]
    assert not database.change(relayers_db.path, edits.ensure({}, NOW, permanent=[A]))


def test_without_a_list_of_permanent_entries_they_stay(relayers_db):
    entries, changes = after(relayers_db, {A: FOR_GOOD}, edits.ensure({B: None}, NOW))
    assert entries == {A: str(FOR_GOOD), B: str(NOW)}
    assert not changes.removed


def test_a_purge_leaves_what_is_permanent(relayers_db):
    entries, _changes = after(relayers_db, {A: FOR_GOOD, B: NOW}, edits.ensure({}, NOW, purge=True, permanent=[A]))
    assert entries == {A: str(FOR_GOOD)}


def test_an_entry_that_is_put_back_never_shortens_a_later_one(relayers_db):
    backup = {A.encode(): b"%d" % NOW, B.encode(): b"%d" % NOW}
    entries, _changes = after(relayers_db, {A: NOW + 5, C: NOW}, edits.restore(backup))
    assert entries == {A: str(NOW + 5), B: str(NOW), C: str(NOW)}


def test_a_database_that_is_put_back_exactly_has_nothing_else(relayers_db):
    backup = {A.encode(): b"%d" % NOW, B.encode(): b"RELAY"}
    entries, changes = after(relayers_db, {A: NOW + 5, C: NOW}, edits.restore(backup, exactly=True))
    assert entries == {A: str(NOW), B: "RELAY"}
    assert changes.count == 3
    assert not database.change(relayers_db.path, edits.restore(backup, exactly=True))


def test_expire_makes_a_text_of_the_removed_keys_and_keeps_them_no_longer(relayers_db):
    before = {f"10.0.{number >> 8}.{number & 255}": NOW - number % 2 * 600 for number in range(3000)}
    _entries, changes = after(relayers_db, before, edits.expire(5, NOW, name_them=False, text_of=b",".join))
    assert changes.removed == {}
    removed = [key for text in changes.texts for key in text.decode().split(",")]
    assert len(removed) == changes.count == 1500
    assert set(removed) == {key for key, stamp in before.items() if stamp < NOW}
