# SPDX-License-Identifier: GPL-3.0-or-later
"""The module relayers_expire."""

from __future__ import annotations

import pytest

from ansible_collections.vsmtp.relay.dev.support.sample_entries import NOW, A, B, C


@pytest.mark.usefixtures("at")
@pytest.mark.parametrize(("older_than", "expired"), [(0, [A, B]), (1, [A, B]), (2, [A]), (1440, [])])
def test_expire_removes_what_has_the_age_and_names_it(check_then_run, relayers_db, older_than, expired):
    before = {A: NOW - 120, B: NOW - 60, C: NOW + 1, "word": "RELAY"}
    relayers_db.fill(before)
    result = check_then_run("relayers_expire", path=relayers_db.path, older_than=older_than)
    assert result["changed"] == bool(expired)
    assert result["databases"] == [{"path": relayers_db.path, "expired": expired}]
    assert set(relayers_db.entries()) == set(before) - set(expired)
    assert all(f"{key} " in result["diff"][0]["before"] for key in expired)


@pytest.mark.usefixtures("at")
def test_expire_has_a_default_of_a_day(run, relayers_db):
    relayers_db.fill({A: NOW - 86400, B: NOW - 86399})
    assert run("relayers_expire", path=relayers_db.path)["databases"][0]["expired"] == [A]


def test_expire_of_a_missing_database_is_no_change(check_then_run, relayers_db):
    result = check_then_run("relayers_expire", paths=[relayers_db.path])
    assert result["databases"] == [{"path": relayers_db.path, "expired": []}]
    assert not relayers_db.exists


def test_expire_refuses_a_negative_age(run, relayers_db):
    assert "not negative" in run("relayers_expire", path=relayers_db.path, older_than=-1)["msg"]
