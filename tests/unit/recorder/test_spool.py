# SPDX-License-Identifier: GPL-3.0-or-later
"""The spool: what the recorder has taken and not written is there for its successor, and nothing else is."""

from __future__ import annotations

import asyncio
import functools
import os

import pytest

from ansible_collections.vsmtp.relay.dev.support.waiting import until
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder import spool as module
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.login_entry import LoginEntry
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.spool import Spool
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.writers import Writers

LOGIN = LoginEntry("/etc/mail/relayers.db", "10.0.0.1", 1_700_000_000)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "spool")


def test_what_was_appended_is_there_for_the_next_process(path):
    Spool(path).append(LOGIN)
    assert list(Spool(path).entries()) == [LOGIN]
    assert os.stat(path).st_mode & 0o777 == 0o600


@pytest.mark.parametrize("line", [b"", b"[", b"{}", b"[1, 2, 3]", b'["a", "b"]', b'["a", "b", "c"]', b"\xff\0", b"5"])
@pytest.mark.fault("cut-spool")
def test_a_line_that_is_not_whole_is_passed_over(path, line):
    with open(path, "wb") as file:
        file.write(line + b"\n")
    Spool(path).append(LOGIN)
    assert list(Spool(path).entries()) == [LOGIN]


def test_what_is_replaced_is_gone(path):
    spool = Spool(path)
    for number in range(100):
        spool.append(LoginEntry("a", f"10.0.0.{number}", number))
    spool.replace(iter([LOGIN]))
    assert list(Spool(path).entries()) == [LOGIN]


def test_it_is_full_when_it_has_grown_large(path, monkeypatch):
    monkeypatch.setattr(module, "LARGEST_SPOOL_BYTES", 80)
    spool = Spool(path)
    assert not spool.is_full()
    spool.append(LOGIN)
    spool.append(LOGIN)
    assert spool.is_full()


def test_a_full_disk_is_no_error():
    spool = Spool("/dev/full")
    spool.append(LOGIN)
    assert list(spool.entries()) == []


def test_without_a_path_nothing_is_kept():
    spool = Spool()
    spool.append(LOGIN)
    spool.replace(iter(()))
    assert list(spool.entries()) == []


def test_a_file_that_was_left_by_an_earlier_version_is_read(path):
    with open(path, "wb") as file:
        file.write(b'["/etc/mail/relayers.db", "10.0.0.1", 1700000000]\n')
    assert list(Spool(path).entries()) == [LOGIN]


def test_what_is_in_it_after_a_power_cut_does_not_count(path):
    Spool(path, "one").append(LOGIN)
    assert list(Spool(path, "one").entries()) == [LOGIN]
    assert list(Spool(path, "two").entries()) == []
    # Nor does it come back.
    assert list(Spool(path, "one").entries()) == []


def test_what_a_recorder_leaves_on_purpose_counts_after_a_restart_of_the_host_once(path):
    spool = Spool(path, "one")
    spool.append(LOGIN)
    spool.leave()
    after = Spool(path, "two")
    assert list(after.entries()) == [LOGIN]
    assert list(Spool(path, "three").entries()) == []


def test_nothing_is_left_where_nothing_waits(path):
    spool = Spool(path, "one")
    spool.append(LOGIN)
    spool.replace([])
    spool.leave()
    assert list(Spool(path, "two").entries()) == []


def test_it_does_not_stay_large(path, monkeypatch):
    monkeypatch.setattr(module, "LARGEST_SPOOL_BYTES", 1000)
    spool = Spool(path)
    for number in range(100):
        spool.append(LoginEntry("a", f"10.0.0.{number}", number))
    spool.replace([LOGIN])
    assert os.stat(path).st_size < 1000
    assert list(Spool(path).entries()) == [LOGIN]


def test_a_login_is_in_the_spool_until_it_is_in_its_database(path, relayers_db, native_database):
    damaged = native_database("b/relayers.db").fill({}).damage()
    first, second = LoginEntry(relayers_db.path, "10.0.0.1", 5), LoginEntry(damaged.path, "10.0.0.2", 6)

    async def talk():
        spool = Spool(path)
        writers = Writers(asyncio.get_running_loop(), lambda _path, _message: None, spool)
        written = []
        for entry in (first, second):
            writers.accept(entry)
            writers.write(entry, functools.partial(written.append, entry))
        assert len(list(spool.entries())) == 2
        await until(lambda: written)
        assert written == [first]
        # Nothing is written elsewhere while one waits, so the other is still there as well: to record it twice does no harm.
        assert second in list(Spool(path).entries())
        os.unlink(damaged.path)
        await until(lambda: not writers.are_at_work())
        writers.close()
        assert list(Spool(path).entries()) == []

    asyncio.run(talk())
    assert relayers_db.entries() == {"10.0.0.1": "5"}
    assert damaged.entries() == {"10.0.0.2": "6"}


def test_what_is_dropped_is_not_there_for_the_next_and_what_came_twice_is_until_both_are_over(path):
    async def talk():
        writers = Writers(asyncio.get_running_loop(), lambda _path, _message: None, Spool(path))
        writers.accept(LOGIN)
        writers.accept(LOGIN)
        writers.drop(LOGIN)
        assert LOGIN in list(Spool(path).entries())
        writers.drop(LOGIN)
        assert list(Spool(path).entries()) == []

    asyncio.run(talk())
