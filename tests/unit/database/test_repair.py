# SPDX-License-Identifier: GPL-3.0-or-later
"""Verify and repair: what they say of a database, what they save of a damaged one, and what they leave alone."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from ansible_collections.vsmtp.relay.dev.support.file_state import file_state
from ansible_collections.vsmtp.relay.dev.support.root import needs_root
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.command import main as command
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database import edits, repair
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database import relayers_db as database
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import (
    BusyError,
    InputOutputError,
    UnreadableError,
    UnwritableError,
)

NAME = "relayers.db"
SIZE = 2000


def entries(size=SIZE):
    return {f"10.0.{n >> 8}.{n & 255}": str(1000 + n) for n in range(size)}


@pytest.fixture
def run(run):
    """Return what runs the command on a database and returns its exit status, output and error output."""
    return lambda path, *words: run("--database", path, *words)


def spoil(relayers_db, at, content):
    damaged = bytearray(relayers_db.content)
    damaged[at : at + len(content)] = content
    Path(relayers_db.path).write_bytes(damaged)


def lost_first_page(relayers_db):
    relayers_db.fill(entries())
    spoil(relayers_db, 0, bytes(4096))


def wrong_offsets(relayers_db):
    relayers_db.fill(entries())
    spoil(relayers_db, 4096 + 26, b"\xff" * 8)


def cut_off(relayers_db):
    relayers_db.fill(entries())
    os.truncate(relayers_db.path, len(relayers_db.content) // 2)


def empty(relayers_db):
    Path(relayers_db.path).touch()


DAMAGES = [lost_first_page, wrong_offsets, cut_off, empty]


@pytest.fixture(params=DAMAGES)
def damaged(request, relayers_db):
    """Return a database that is damaged in one of several ways."""
    request.param(relayers_db)
    return relayers_db


def test_a_repaired_database_is_sound_and_holds_as_many_entries_as_was_said(damaged):
    done = repair.repair(damaged.path)
    assert len(damaged.entries()) == done.entries == repair.verify(damaged.path)
    assert damaged.entries().items() <= entries().items()
    assert repair.repair(damaged.path) is None


def test_the_damaged_file_is_kept_beside_it_byte_by_byte(damaged):
    before = damaged.content
    done = repair.repair(damaged.path)
    assert Path(done.copy).read_bytes() == before
    assert os.path.dirname(done.copy) == os.path.dirname(damaged.path)
    assert damaged.files_beside == sorted([NAME, os.path.basename(done.copy)])


@needs_root
def test_copy_and_database_have_the_owner_and_the_mode_that_the_damaged_file_had(damaged):
    os.chown(damaged.path, 1234, 5678)
    os.chmod(damaged.path, 0o604)
    done = repair.repair(damaged.path)
    for path in (damaged.path, done.copy):
        status = os.stat(path)
        assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (1234, 5678, 0o604)


@pytest.mark.parametrize(
    ("damage", "fewest"), [(lost_first_page, SIZE), (wrong_offsets, SIZE - 200), (cut_off, 500), (empty, 0)]
)
def test_what_the_damage_did_not_reach_is_saved(relayers_db, damage, fewest):
    damage(relayers_db)
    assert repair.repair(relayers_db.path).entries >= fewest


@pytest.mark.parametrize("size", [0, 1, 300, SIZE])
def test_a_sound_file_is_left_alone(relayers_db, size):
    relayers_db.fill(entries(size))
    before = file_state(relayers_db.path)
    assert repair.repair(relayers_db.path) is None
    assert repair.repair(relayers_db.path, check_only=True) is None
    assert file_state(relayers_db.path) == before
    assert relayers_db.files_beside == [NAME]


def test_a_check_tells_how_many_entries_there_would_be_and_writes_nothing(damaged):
    before, content = file_state(damaged.path), damaged.content
    announced = repair.repair(damaged.path, check_only=True)
    assert (file_state(damaged.path), damaged.content) == (before, content)
    assert damaged.files_beside == [NAME]
    assert repair.repair(damaged.path).entries == announced.entries


def test_what_is_no_address_with_a_timestamp_stays_behind(relayers_db):
    relayers_db.fill({**entries(100), "example.org": "RELAY", "10.0.0.300": 5, "10.9.9.9": "RELAY", "2001:db8::5": 5})
    spoil(relayers_db, 0, bytes(512))
    repair.repair(relayers_db.path)
    assert relayers_db.entries().items() <= entries(100).items()


def test_ipv6_addresses_are_saved(relayers_db):
    wanted = {f"ipv6:2001:db8:0:0:0:0:0:{n:x}": str(5 + n) for n in range(50)}
    relayers_db.fill(wanted)
    spoil(relayers_db, 0, bytes(512))
    repair.repair(relayers_db.path)
    assert relayers_db.entries() == wanted


def test_the_file_behind_a_symbolic_link_is_repaired_and_the_link_stays(damaged, tmp_path):
    link = tmp_path / "link.db"
    link.symlink_to(damaged.path)
    done = repair.repair(str(link))
    assert link.is_symlink()
    assert os.path.dirname(done.copy) == os.path.dirname(damaged.path)
    assert len(damaged.entries()) == done.entries


def test_who_has_the_damaged_file_open_sees_its_modification_time_grow(damaged):
    with open(damaged.path, "rb") as opened:
        before = os.fstat(opened.fileno()).st_mtime_ns
        repair.repair(damaged.path)
        assert os.fstat(opened.fileno()).st_mtime_ns >= before + 1_000_000_000


def test_logins_are_recorded_again_after_a_repair(damaged):
    with pytest.raises(UnreadableError):
        database.change(damaged.path, edits.record_logins({"10.9.9.9": 5}))
    repair.repair(damaged.path)
    database.change(damaged.path, edits.record_logins({"10.9.9.9": 5}))
    assert damaged.entries()["10.9.9.9"] == "5"


@pytest.mark.parametrize("work", [repair.verify, repair.repair])
def test_a_database_that_is_not_there_is_named_and_not_created(relayers_db, work):
    with pytest.raises(UnreadableError, match="no such database"):
        work(relayers_db.path)
    assert relayers_db.files_beside == []


@pytest.mark.parametrize("work", [repair.verify, repair.repair])
def test_a_database_that_others_write_is_busy_and_left_alone(damaged, holder, work):
    before = damaged.content
    with holder(lambda: open(damaged.path, "r+b")), pytest.raises(BusyError):
        work(damaged.path, lock_seconds=0.05)
    assert damaged.content == before
    assert damaged.files_beside == [NAME]


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
@pytest.mark.parametrize("work", [repair.verify, repair.repair])
def test_what_is_no_regular_file_is_not_repaired(relayers_db, make, work):
    make(relayers_db.path)
    with pytest.raises(UnreadableError, match="not a regular file"):
        work(relayers_db.path)
    assert relayers_db.files_beside == [NAME]


def test_who_may_not_write_repairs_nothing(public_directory, native_database, as_nobody):
    relayers_db = native_database(public_directory / NAME).fill(entries(100)).damage()
    os.chmod(relayers_db.path, 0o644)
    before = file_state(relayers_db.path)
    with pytest.raises(UnwritableError):
        as_nobody(lambda: repair.repair(relayers_db.path))
    assert file_state(relayers_db.path) == before
    assert relayers_db.files_beside == [NAME]


def test_a_full_disk_leaves_the_damaged_file_as_it_was_and_no_half_copy(small_disk, native_database):
    relayers_db = native_database(small_disk / NAME).fill(entries()).damage()
    before = relayers_db.content
    with pytest.raises(InputOutputError):
        repair.repair(relayers_db.path)
    assert relayers_db.content == before
    assert relayers_db.files_beside == [NAME]


def test_verify_tells_the_number_of_entries_and_writes_nothing(relayers_db):
    relayers_db.fill(entries())
    before = file_state(relayers_db.path)
    assert repair.verify(relayers_db.path) == SIZE
    assert file_state(relayers_db.path) == before
    assert relayers_db.files_beside == [NAME]


def test_verify_refuses_what_is_damaged_and_writes_nothing(damaged):
    before, content = file_state(damaged.path), damaged.content
    with pytest.raises(UnreadableError):
        repair.verify(damaged.path)
    assert (file_state(damaged.path), damaged.content) == (before, content)


def test_verify_finds_a_key_in_a_wrong_bucket_as_libdb_does(relayers_db):
    relayers_db.fill(entries())
    spoil(relayers_db, relayers_db.content.index(b"10.0.3.200"), b"10.9.3.200")
    assert subprocess.run(["db5.3_verify", "-q", relayers_db.path], check=False).returncode != 0
    with pytest.raises(UnreadableError, match="damaged"):
        repair.verify(relayers_db.path)


@pytest.mark.parametrize("answer", [0, 1, 139])
def test_what_the_native_program_says_counts(relayers_db, tmp_path, monkeypatch, answer):
    relayers_db.fill(entries(5))
    program = tmp_path / "bin" / "db_verify"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\nexit {answer}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    if answer:
        with pytest.raises(UnreadableError, match="damaged"):
            repair.verify(relayers_db.path)
    else:
        assert repair.verify(relayers_db.path) == 5


def test_without_a_native_program_our_own_look_has_to_do(relayers_db, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    database.change(relayers_db.path, edits.put({"10.0.0.1": 5}))
    assert repair.verify(relayers_db.path) == 1
    relayers_db.damage()
    with pytest.raises(UnreadableError):
        repair.verify(relayers_db.path)


def test_the_command_verifies(run, relayers_db):
    relayers_db.fill(entries(7))
    assert run(relayers_db.path, "verify") == (0, f"{relayers_db.path}: sound, 7 entries\n", "")


def test_the_command_tells_a_damaged_database_with_its_exit_status(run, damaged):
    before = damaged.content
    status, output, errors = run(damaged.path, "verify")
    assert (status, output) == (66, "")
    assert errors.startswith(f"vsmtprelay: {damaged.path}: ")
    assert errors.count("\n") == 1
    assert damaged.content == before


def test_the_command_repairs_and_says_what_became_of_it(run, damaged):
    status, output, errors = run(damaged.path, "repair")
    (copy,) = (name for name in damaged.files_beside if name != NAME)
    number = len(damaged.entries())
    assert (status, errors) == (0, "")
    assert output.count("\n") == 1
    assert output.startswith(f"{damaged.path}: repaired, {number} entries recovered")
    assert copy in output
    assert run(damaged.path, "repair") == (0, f"{damaged.path}: sound, nothing to repair\n", "")
    assert run(damaged.path, "verify") == (0, f"{damaged.path}: sound, {number} entries\n", "")


@pytest.mark.parametrize("word", ["verify", "repair"])
def test_the_command_takes_no_argument_there_and_tells_what_is_missing(run, relayers_db, word):
    assert run(relayers_db.path, word)[0] == 66
    relayers_db.fill({})
    assert run(relayers_db.path, word, "10.0.0.1")[0] == 64


def test_the_command_repairs_nothing_that_it_may_not_write(public_directory, native_database, as_nobody):
    relayers_db = native_database(public_directory / NAME).fill(entries(100)).damage()
    os.chmod(relayers_db.path, 0o644)
    assert as_nobody(lambda: command.main(["--database", relayers_db.path, "repair"])) == 73
    assert relayers_db.files_beside == [NAME]
