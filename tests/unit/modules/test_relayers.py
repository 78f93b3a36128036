# SPDX-License-Identifier: GPL-3.0-or-later
"""The module relayers: entries come and go as they are named, in one database or in many."""

from __future__ import annotations

import pytest

from ansible_collections.vsmtp.relay.dev.support.file_state import file_state
from ansible_collections.vsmtp.relay.dev.support.other_kinds import MAKERS
from ansible_collections.vsmtp.relay.dev.support.sample_entries import NOW, A, B, C

FUTURE = 1_924_991_999


def database_result(path, created=False, added=(), updated=(), removed=()):
    return {"path": path, "created": created, "added": list(added), "updated": list(updated), "removed": list(removed)}


@pytest.mark.usefixtures("at")
def test_relayers_adds_addresses_with_and_without_a_timestamp(check_then_run, relayers_db):
    relayers = [A, {"address": B, "timestamp": FUTURE}, {"address": C}, {"address": "2001:db8::5", "timestamp": str(FUTURE)}]
    result = check_then_run("relayers", path=relayers_db.path, relayers=relayers)
    v6 = "ipv6:2001:db8:0:0:0:0:0:5"
    assert result["changed"]
    assert result["databases"] == [database_result(relayers_db.path, created=True, added=[A, B, C, v6])]
    assert relayers_db.entries() == {A: str(NOW), B: str(FUTURE), C: str(NOW), v6: str(FUTURE)}
    (diff,) = result["diff"]
    assert diff["before"] == ""
    assert f"# timestamp (UTC): Tue Nov 14 22:13:20 2023\n{A} {NOW}\n" in diff["after"]


@pytest.mark.usefixtures("at")
@pytest.mark.parametrize(
    ("refresh", "before", "after"),
    [
        ("never", NOW - 9999, NOW - 9999),
        ("always", NOW - 1, NOW),
        ("always", NOW, NOW),
        ("always", FUTURE, FUTURE),
        ("1", NOW - 60, NOW - 60),
        ("1", NOW - 61, NOW),
        (1, NOW - 61, NOW),
        ("0", NOW - 1, NOW),
        ("1", FUTURE, FUTURE),
    ],
)
def test_relayers_refreshes_an_entry_never_always_or_after_minutes(check_then_run, relayers_db, refresh, before, after):
    relayers_db.fill({A: before})
    result = check_then_run("relayers", path=relayers_db.path, relayers=[A], refresh=refresh)
    assert result["databases"][0]["updated"] == ([A] if before != after else [])
    assert relayers_db.entries() == {A: str(after)}


@pytest.mark.usefixtures("at")
@pytest.mark.parametrize("refresh", ["never", "always", "5"])
def test_relayers_gives_an_entry_the_timestamp_that_is_named_whatever_refresh_says(check_then_run, relayers_db, refresh):
    relayers_db.fill({A: FUTURE})
    relayers = [{"address": A, "timestamp": 5}]
    assert check_then_run("relayers", path=relayers_db.path, relayers=relayers, refresh=refresh)["changed"]
    assert relayers_db.entries() == {A: "5"}


@pytest.mark.parametrize("refresh", ["sometimes", "-1", "1.5", ""])
def test_relayers_refuses_another_refresh(run, relayers_db, refresh):
    result = run("relayers", path=relayers_db.path, relayers=[A], refresh=refresh)
    assert result["msg"].startswith("refresh: ")
    assert not relayers_db.exists


def test_relayers_with_purge_leaves_only_what_is_named(check_then_run, relayers_db):
    relayers_db.fill({A: 5, B: FUTURE, "word": "RELAY"})
    result = check_then_run("relayers", path=relayers_db.path, relayers=[A], purge=True)
    assert result["databases"] == [database_result(relayers_db.path, removed=[B, "word"])]
    assert relayers_db.entries() == {A: "5"}
    assert f"{B} {FUTURE}\n" in result["diff"][0]["before"]


def test_relayers_without_purge_leaves_the_others(check_then_run, relayers_db):
    relayers_db.fill({B: 6})
    check_then_run("relayers", path=relayers_db.path, relayers=[{"address": A, "timestamp": 5}])
    assert relayers_db.entries() == {A: "5", B: "6"}


def test_relayers_that_are_to_be_absent_are_removed_whatever_their_timestamp(check_then_run, relayers_db):
    relayers_db.fill({A: 5, B: FUTURE, C: 7})
    result = check_then_run(
        "relayers", path=relayers_db.path, relayers=[A, {"address": B, "timestamp": 1}, "10.9.9.9"], state="absent"
    )
    assert result["databases"] == [database_result(relayers_db.path, removed=[A, B])]
    assert relayers_db.entries() == {C: "7"}


def test_relayers_that_are_to_be_absent_are_removed_also_where_makemap_added_a_nul(run, relayers_db):
    relayers_db.fill({A + "\0": "5\0", B: 6})
    shown = run("relayers_info", path=relayers_db.path)["databases"][0]["relayers"]
    assert {each["address"] for each in shown} == {A, B}
    assert run("relayers", path=relayers_db.path, relayers=[A], state="absent")["changed"]
    assert relayers_db.entries() == {B: "6"}


@pytest.mark.parametrize("state", ["absent", "present"])
def test_relayers_fails_and_writes_nothing_where_makemap_added_a_nul_to_every_key(run, relayers_db, state):
    relayers_db.fill({A + "\0": "5\0"})
    before, content = file_state(relayers_db.path), relayers_db.content
    assert run("relayers_info", path=relayers_db.path)["databases"][0]["relayers"][0]["address"] == A
    result = run("relayers", path=relayers_db.path, relayers=[A], state=state)
    assert result["failed"]
    assert relayers_db.path in result["msg"]
    assert (file_state(relayers_db.path), relayers_db.content) == (before, content)


def test_absent_relayers_of_a_missing_database_are_absent(check_then_run, relayers_db):
    assert not check_then_run("relayers", path=relayers_db.path, relayers=[A], state="absent")["changed"]
    assert not relayers_db.exists


def test_relayers_creates_an_empty_database(check_then_run, relayers_db):
    assert check_then_run("relayers", path=relayers_db.path, relayers=[])["databases"][0]["created"]
    assert relayers_db.entries() == {}


def test_relayers_does_many_databases_in_one_go(check_then_run, native_database):
    one, two = native_database("one.db").fill({A: 1}), native_database("two.db").fill({B: 2})
    databases = [{"path": one.path, "relayers": [A]}, {"path": two.path, "relayers": [{"address": C, "timestamp": 3}]}]
    result = check_then_run("relayers", databases=databases)
    assert result["databases"] == [database_result(one.path), database_result(two.path, added=[C])]
    assert (one.entries(), two.entries()) == ({A: "1"}, {B: "2", C: "3"})


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize(
    ("bad", "named"),
    [
        ("10.0.0", "'10.0.0'"),
        ({"address": "mail.example.org"}, "'mail.example.org'"),
        ({"address": A, "timestamp": "soon"}, "'soon'"),
        ({"address": A, "timestamp": -1}, "'-1'"),
        ({"address": A, "timestamp": 1.5}, "'1.5'"),
        ({"address": A, "timestamp": True}, "'True'"),
        ({"address": A, "ends": 5}, "ends"),
        ({"address": A, "until": "tomorrow"}, "is not a day"),
        ({"address": A, "until": "2020-01-31"}, "2020-01-31 is in the past"),
        ({"address": A, "until": "2999-01-31", "timestamp": 5}, "either timestamp or until"),
        ({"timestamp": 5}, "5"),
        ({"address": None}, "None"),
        (5, "5"),
        (["10.0.0.1"], "10.0.0.1"),
    ],
)
def test_a_bad_entry_is_named_with_its_database_and_the_other_databases_are_done(run, native_database, bad, named, check):
    one, two = native_database("one.db").fill({B: 2}), native_database("two.db").fill({})
    databases = [{"path": one.path, "relayers": [C, bad]}, {"path": two.path, "relayers": [C]}]
    result = run("relayers", check, databases=databases)
    assert result["failed"]
    assert result["changed"]
    assert one.path in result["msg"]
    assert two.path not in result["msg"]
    assert named in result["msg"]
    assert [each["path"] for each in result["databases"]] == [two.path]
    assert one.entries() == {B: "2"}
    assert set(two.entries()) == (set() if check else {C})


def test_an_address_that_is_named_twice_with_different_timestamps_is_refused(run, relayers_db):
    relayers = [{"address": "2001:db8::5", "timestamp": 5}, {"address": "2001:db8:0::5", "timestamp": 6}]
    assert "is named twice" in run("relayers", path=relayers_db.path, relayers=relayers)["msg"]
    assert not relayers_db.exists


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("relayers", lambda one, two: {"databases": [{"path": one, "relayers": [A]}, {"path": two, "relayers": [A]}]}),
        ("relayers_expire", lambda one, two: {"paths": [one, two]}),
        ("relayers_info", lambda one, two: {"paths": [one, two]}),
    ],
)
def test_one_damaged_database_does_not_stop_the_others(run, native_database, name, arguments, check):
    one, two = native_database("one.db").fill({}).damage(), native_database("two.db").fill({B: 5})
    before = one.content
    result = run(name, check, **arguments(one.path, two.path))
    assert result["failed"]
    assert one.path in result["msg"]
    assert [each["path"] for each in result["databases"]] == [two.path]
    assert one.content == before


@pytest.mark.parametrize(
    "arguments",
    [
        {"state": "absent", "purge": True},
        {"relayers": [A], "databases": []},
        {"state": "gone"},
        {"lock_timeout": "soon"},
        {"databases": [{"relayers": [A]}]},
        {"frobnicate": 1},
    ],
)
def test_relayers_refuses_arguments_that_do_not_go_together(run, arguments):
    assert run("relayers", **arguments)["failed"]


def test_a_locked_database_fails_after_the_time_that_is_given(run, relayers_db, holder):
    relayers_db.fill({})
    with holder(lambda: open(relayers_db.path, "r+b")):
        result = run("relayers", path=relayers_db.path, relayers=[A], lock_timeout=0.05)
    assert "more than 0.05 seconds" in result["msg"]
    assert not result["changed"]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("relayers", {"relayers": [A]}), ("relayers", {"relayers": [A], "state": "absent"}), ("relayers_expire", {})],
)
@pytest.mark.parametrize("check", [True, False])
def test_a_damaged_database_is_told_and_neither_repaired_nor_touched(run, relayers_db, name, arguments, check):
    relayers_db.fill({A: 5}).damage()
    before, content = file_state(relayers_db.path), relayers_db.content
    result = run(name, check=check, path=relayers_db.path, **arguments)
    assert result["failed"]
    assert f"{relayers_db.path} repair" in result["msg"]
    assert (file_state(relayers_db.path), relayers_db.content) == (before, content)
    assert relayers_db.files_beside == ["relayers.db"]


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("kind", ["btree", "text", "recno", "zeros"])
def test_a_file_of_another_kind_is_named_and_not_repaired_and_the_other_databases_are_done(run, native_database, check, kind):
    one, two = native_database("one.db"), native_database("two.db")
    two.fill({f"10.0.{n >> 8}.{n & 255}": 5 for n in range(2000)}).damage()
    content = MAKERS[kind].make(one.path)
    before = file_state(one.path)
    result = run(
        "relayers", check=check, databases=[{"path": path, "relayers": [B]} for path in (one.path, two.path)], repair=True
    )
    assert result["failed"]
    assert MAKERS[kind].kind.refusal(one.path) in result["msg"]
    assert (file_state(one.path), one.content) == (before, content)
    (done,) = result["databases"]
    assert done["path"] == two.path
    assert done["repaired"]["entries"] > 0
    assert ("added" in done) is not check


@pytest.mark.parametrize("check", [True, False])
def test_a_database_of_which_nothing_can_be_recovered_is_not_repaired(run, relayers_db, check):
    content = relayers_db.fill({}).damage().content
    result = run("relayers", check=check, path=relayers_db.path, relayers=[A], repair=True)
    assert result["failed"]
    assert not result["changed"]
    assert f"{relayers_db.path}: no entry of it can be recovered, nothing was changed" in result["msg"]
    assert relayers_db.content == content
    assert relayers_db.files_beside == ["relayers.db"]
