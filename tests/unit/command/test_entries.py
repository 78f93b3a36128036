# SPDX-License-Identifier: GPL-3.0-or-later
"""What the commands do to entries, what they print of them, and their exit statuses."""

from __future__ import annotations

import os
import re
import time

import pytest

from ansible_collections.vsmtp.relay.dev.support.file_state import file_state
from ansible_collections.vsmtp.relay.dev.support.one_line import is_one_line
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.command import main as command

NOW = 1_700_000_000
A, B, C = "10.0.0.1", "10.0.0.2", "10.0.0.3"


def test_add_stamps_an_address_with_the_current_time(run, relayers_db):
    before = int(time.time())
    assert run("--database", relayers_db.path, "add", A) == (0, "", "")
    assert before <= int(relayers_db.entries()[A]) <= time.time()


@pytest.mark.parametrize("ticks", [0, 5, NOW, 253402300799])
def test_add_with_ticks_stores_them_whatever_was_there(run, relayers_db, ticks):
    relayers_db.fill({A: 7})
    assert run("--database", relayers_db.path, "add", A, ticks)[0] == 0
    assert relayers_db.entries() == {A: str(ticks)}


@pytest.mark.parametrize("address", ["2001:db8::5", "IPv6:2001:DB8:0:0:0:0:0:5"])
def test_an_ipv6_address_is_stored_under_the_key_that_sendmail_looks_up(run, relayers_db, address):
    run("--database", relayers_db.path, "add", address, 5)
    assert relayers_db.entries() == {"ipv6:2001:db8:0:0:0:0:0:5": "5"}
    assert run("--database", relayers_db.path, "dump")[1].endswith("\nipv6:2001:db8:0:0:0:0:0:5 5\n")
    assert run("--database", relayers_db.path, "delete", "2001:db8:0::5")[0] == 0
    assert relayers_db.entries() == {}


def test_delete_removes_all_the_addresses_that_it_names(run, relayers_db):
    relayers_db.fill({A: 1, B: 2, C: 3})
    assert run("--database", relayers_db.path, "delete", A, C) == (0, "", "")
    assert relayers_db.entries() == {B: "2"}


def test_delete_of_an_address_that_is_not_listed_says_so_and_goes_on(run, relayers_db):
    relayers_db.fill({A: 1, C: 3})
    status, output, errors = run("--database", relayers_db.path, "delete", A, B, C)
    assert (status, output) == (1, "")
    assert is_one_line(errors)
    assert B in errors
    assert relayers_db.entries() == {}


def test_delete_takes_away_what_list_shows_also_where_makemap_added_a_nul(run, relayers_db):
    relayers_db.fill({A + "\0": "5\0", B: 6})
    assert f"\n{A} 5\n" in run("--database", relayers_db.path, "list")[1]
    assert run("--database", relayers_db.path, "delete", A) == (0, "", "")
    assert relayers_db.entries() == {B: "6"}


@pytest.mark.parametrize("words", [["add", A], ["add", B], ["delete", A], ["delete", B], ["expire"], ["expire", "9"]])
def test_a_database_that_makemap_wrote_with_its_option_n_is_shown_and_not_written(run, relayers_db, words):
    relayers_db.fill({A + "\0": "5\0", C + "\0": "6\0"})
    before, content = file_state(relayers_db.path), relayers_db.content
    for shown in ("list", "dump"):
        status, output, errors = run("--database", relayers_db.path, shown)
        assert (status, listed(output), errors) == (0, {A, C}, "")
        assert f"\n{A} 5\n" in output
    status, output, errors = run("--database", relayers_db.path, *words)
    assert (status, output) == (73, "")
    assert is_one_line(errors)
    assert "makemap -N" in errors
    assert (file_state(relayers_db.path), relayers_db.content) == (before, content)


def test_list_and_dump_print_a_comment_in_utc_and_a_makemap_line(run, relayers_db, monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    relayers_db.fill({"10.11.12.13": 906502527})
    expected = "# timestamp (UTC): Tue Sep 22 22:15:27 1998\n10.11.12.13 906502527\n"
    assert run("--database", relayers_db.path, "list") == (0, expected, "")
    assert run("--database", relayers_db.path, "dump") == (0, expected, "")


def listed(output):
    return set(re.findall(r"^(?!#)(\S+) ", output, re.MULTILINE))


@pytest.mark.usefixtures("at")
@pytest.mark.parametrize(
    ("arguments", "old"),
    [([], {A, B, "now"}), (["0"], {A, B, "now"}), (["1"], {A, B}), (["2"], {A}), (["3"], set()), (["9" * 12], set())],
)
def test_list_shows_and_expire_removes_what_is_n_minutes_old_or_older_and_never_the_future(run, relayers_db, arguments, old):
    entries = {A: NOW - 120, B: NOW - 60, "now": NOW, C: NOW + 1, "word": "RELAY"}
    relayers_db.fill(entries)
    status, output, errors = run("--database", relayers_db.path, "list", *arguments)
    assert (status, listed(output), errors) == (0, old, "")
    assert run("--database", relayers_db.path, "expire", *arguments) == (0, "", "")
    assert relayers_db.entries() == {key: str(value) for key, value in entries.items() if key not in old}


@pytest.mark.usefixtures("at")
def test_dump_shows_every_entry(run, relayers_db):
    relayers_db.fill({A: 0, B: NOW, C: NOW + 1, "word": "RELAY"})
    assert listed(run("--database", relayers_db.path, "dump")[1]) == {A, B, C, "word"}


def test_the_dump_of_many_entries_is_complete(run, relayers_db):
    entries = {f"10.0.{n >> 8}.{n & 255}": str(n) for n in range(2500)}
    relayers_db.fill(entries)
    lines = run("--database", relayers_db.path, "dump")[1].splitlines()
    assert dict(line.split() for line in lines if not line.startswith("#")) == entries
    assert len(lines) == 5000


def test_an_empty_database_prints_nothing(run, relayers_db):
    relayers_db.fill({})
    assert run("--database", relayers_db.path, "dump") == (0, "", "")


@pytest.mark.parametrize("words", [["delete", A], ["expire"], ["list"], ["dump"]])
def test_a_database_that_is_not_there_is_no_input(run, relayers_db, words):
    status, output, errors = run("--database", relayers_db.path, *words)
    assert (status, output) == (66, "")
    assert is_one_line(errors)
    assert relayers_db.path in errors
    assert not relayers_db.exists


@pytest.mark.parametrize("words", [["delete", A], ["expire"], ["list"], ["dump"]])
def test_a_link_to_a_database_that_is_not_there_is_no_input(run, tmp_path, words):
    (tmp_path / "link.db").symlink_to(tmp_path / "nowhere.db")
    assert run("--database", tmp_path / "link.db", *words)[0] == 66


@pytest.mark.parametrize("words", [["add", A], ["delete", A], ["expire"], ["list"], ["dump"]])
def test_a_damaged_database_is_no_input_and_stays_as_it_is(run, relayers_db, words):
    before = relayers_db.fill({A: 5}).damage().content
    status, output, errors = run("--database", relayers_db.path, *words)
    assert (status, output) == (66, "")
    assert is_one_line(errors)
    assert relayers_db.content == before


def test_a_directory_that_is_not_there_cannot_be_written(run, tmp_path):
    status, _output, errors = run("--database", tmp_path / "missing" / "relayers.db", "add", A)
    assert status == 73
    assert is_one_line(errors)


@pytest.mark.parametrize("words", [["add", A], ["delete", B], ["expire"]])
def test_a_disk_that_is_full_is_an_input_output_error(run, small_disk, native_database, words):
    relayers_db = native_database(small_disk / "relayers.db")
    relayers_db.fill({f"10.0.{n >> 8}.{n & 255}": n for n in range(2000)})
    status, _output, errors = run("--database", relayers_db.path, *words)
    assert status == 74
    assert is_one_line(errors)
    assert len(relayers_db.entries()) == 2000


@pytest.mark.parametrize("words", [["add", A], ["delete", A], ["expire"], ["list"], ["dump"]])
def test_a_database_that_others_keep_locked_is_a_temporary_failure(run, relayers_db, holder, words):
    relayers_db.fill({A: 5})
    with holder(lambda: open(relayers_db.path, "r+b")):
        status, output, errors = run("--lock-timeout", "0.05", "--database", relayers_db.path, *words)
    assert (status, output) == (75, "")
    assert is_one_line(errors)
    assert relayers_db.entries() == {A: "5"}


@pytest.mark.parametrize(("words", "status"), [(["add", B], 73), (["delete", A], 73), (["expire"], 73), (["list"], 0)])
def test_who_may_read_but_not_write_can_list_and_nothing_else(public_directory, native_database, as_nobody, words, status):
    relayers_db = native_database(public_directory / "relayers.db").fill({A: 5})
    os.chmod(relayers_db.path, 0o644)
    assert as_nobody(lambda: command.main(["--database", relayers_db.path, *words])) == status
    assert relayers_db.entries() == {A: "5"}


@pytest.mark.parametrize("words", [["add", B], ["delete", A], ["expire"], ["list"], ["dump"]])
def test_who_may_not_read_gets_no_input(public_directory, native_database, as_nobody, words):
    relayers_db = native_database(public_directory / "relayers.db").fill({A: 5})
    os.chmod(relayers_db.path, 0o600)
    assert as_nobody(lambda: command.main(["--database", relayers_db.path, *words])) == 66
