# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role was told: what a play said stays until somebody says otherwise, what the inventory said does not."""

from __future__ import annotations

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.role.variables import (
    DEFAULTS,
    HEADER,
    RunVariables,
    last_run,
    this_run,
)

DEFAULT_SERVER = {"name": "mail1", "root": "/", "relayers_db": None, "sendmail_cf": None, "addresses": [], "domains": []}
AS_IT_COMES = {**DEFAULTS, "virtual_servers": [DEFAULT_SERVER]}


def now(before=None, given=(), **variables):
    return this_run({**AS_IT_COMES, **variables}, given, "mail1", before)


def test_what_has_its_default_was_told_by_nobody():
    told = now()
    assert told.by_play == []
    assert told.variables == AS_IT_COMES


def test_what_a_play_says_is_kept_for_those_who_start_from_it():
    first = now(window=720, permissions=[{"address": "10.0.0.1"}])
    assert first.by_play == ["permissions", "window"]
    second = now(first)
    assert (second.variables["window"], second.variables["permissions"]) == (720, [{"address": "10.0.0.1"}])
    assert second.kept == second.by_play == ["permissions", "window"]


def test_a_play_of_one_s_own_starts_anew():
    assert now(None).variables["window"] == DEFAULTS["window"]


@pytest.mark.parametrize("value", [1440, 60])
def test_the_inventory_comes_first_and_is_not_kept(value):
    told = now(now(window=720), given=["window"], window=value)
    assert told.variables["window"] == value
    assert told.by_play == told.kept == []


def test_what_a_play_says_now_comes_before_what_one_said():
    told = now(now(window=720, expire=60), window=30)
    assert (told.variables["window"], told.variables["expire"]) == (30, 60)
    assert (told.by_play, told.kept) == (["expire", "window"], ["expire"])


def test_another_list_of_virtual_servers_is_kept():
    servers = [{**DEFAULT_SERVER, "name": "other"}]
    assert now(now(virtual_servers=servers)).variables["virtual_servers"] == servers


def test_what_takes_something_away_is_never_kept():
    told = now(state="absent", remove_databases=True)
    assert told.by_play == []
    assert "state" not in told.text()


def test_it_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "role"
    path.write_text(now(window=720, ignore=["192.0.2.0/24"]).text())
    told = last_run(str(path))
    assert told.by_play == ["ignore", "window"]
    assert told.variables == {
        name: value for name, value in now(window=720, ignore=["192.0.2.0/24"]).variables.items() if name in told.variables
    }
    assert set(DEFAULTS) - set(told.variables) == {"state", "remove_databases"}


@pytest.mark.parametrize(
    "text",
    ["", "no JSON", HEADER + "[]", HEADER + "{", HEADER + '{"variables": 5}', HEADER + '{"told_by_a_play": 5}', "\udcff"],
)
def test_a_file_that_is_none_of_ours_tells_nothing(tmp_path, text):
    path = tmp_path / "role"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    told = last_run(str(path))
    assert (told.by_play, dict(told.variables)) == ([], {})
    assert last_run(str(tmp_path / "missing")).by_play == []


def test_names_that_this_version_does_not_have_are_passed_over(tmp_path):
    path = tmp_path / "role"
    path.write_text(RunVariables({"window": 5, "of_the_future": 1}, ["window", "of_the_future"]).text())
    told = last_run(str(path))
    assert (told.by_play, dict(told.variables)) == (["window"], {"window": 5})
