# SPDX-License-Identifier: GPL-3.0-or-later
"""The spool: what the recorder has taken and not written is there for its successor, and nothing else is."""

from __future__ import annotations

import asyncio
import os

import pytest

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


def test_a_login_is_in_the_spool_until_it_is_in_its_database(path, relayers_db, native_database):
    damaged = native_database("b/relayers.db").fill({}).damage()

    async def talk():
        spool = Spool(path)
        writers = Writers(lambda _message: None, spool)
        written = writers.write(LoginEntry(relayers_db.path, "10.0.0.1", 5))
        waiting = writers.write(LoginEntry(damaged.path, "10.0.0.2", 6))
        tasks = [asyncio.ensure_future(each) for each in (written, waiting)]
        await asyncio.sleep(0)
        assert len(list(spool.entries())) == 2
        assert (await tasks[0]).done()
        assert not (await tasks[1]).done()
        # Nothing is written elsewhere while one waits, so the other is still there as well: to record it twice does no harm.
        assert LoginEntry(damaged.path, "10.0.0.2", 6) in list(Spool(path).entries())
        os.unlink(damaged.path)
        await writers.finish()
        assert list(Spool(path).entries()) == []

    asyncio.run(talk())
    assert relayers_db.entries() == {"10.0.0.1": "5"}
    assert damaged.entries() == {"10.0.0.2": "6"}
