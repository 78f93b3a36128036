# SPDX-License-Identifier: GPL-3.0-or-later
"""The module relayers_info."""

from __future__ import annotations

import pytest

from ansible_collections.vsmtp.relay.dev.support.sample_entries import NOW, A, B, C


@pytest.mark.usefixtures("at")
@pytest.mark.parametrize("check", [False, True])
def test_info_returns_addresses_timestamps_and_ages_in_order(run, native_database, check):
    path = native_database("one.db").fill({B: NOW + 60, A: NOW - 60, "word": "RELAY"}).path
    missing = native_database("missing.db").path
    result = run("relayers_info", check, paths=[path, missing])
    assert not result["changed"]
    assert result["databases"] == [
        {
            "path": path,
            "exists": True,
            "relayers": [
                {"address": A, "key": A, "timestamp": NOW - 60, "age": 60},
                {"address": B, "key": B, "timestamp": NOW + 60, "age": -60},
                {"address": "word", "key": "word", "timestamp": None, "age": None},
            ],
        },
        {"path": missing, "exists": False, "relayers": []},
    ]


def test_info_returns_ipv6_addresses_as_people_write_them_beside_the_keys(run, relayers_db):
    # The second is one that sendmail never finds, the third is from makemap -N.
    keys = ["ipv6:2001:db8:0:0:0:0:0:5", "ipv6:2001:db8:0:0:0:0:0:5/64", "ipv6:2001:db8:0:0:0:0:0:6\0"]
    relayers_db.fill(dict.fromkeys(keys, NOW))
    relayers = run("relayers_info", path=relayers_db.path)["databases"][0]["relayers"]
    assert [(each["address"], each["key"]) for each in relayers] == [
        ("2001:db8::5", keys[0]),
        (keys[1], keys[1]),
        ("2001:db8::6", keys[2][:-1]),
    ]


@pytest.mark.usefixtures("at")
@pytest.mark.parametrize(("older_than", "listed"), [(0, [A, B]), (1, [A, B]), (2, [A]), (3, [])])
def test_info_returns_on_demand_only_what_has_an_age(run, relayers_db, older_than, listed):
    relayers_db.fill({A: NOW - 120, B: NOW - 60, C: NOW + 1, "word": "RELAY"})
    result = run("relayers_info", path=relayers_db.path, older_than=older_than)
    assert [each["address"] for each in result["databases"][0]["relayers"]] == listed
