# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins of a large database are written by a child, one database after the other, and a small one waits for none of them."""

from __future__ import annotations

import asyncio
import json
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database.published import Published
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import InputOutputError
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder import large_write
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.large_write import LargeWrites

NOW = 1_700_000_000
CHILD = f"""
import sys
sys.path[:0] = {sys.path!r}
from {large_write.__name__} import main
sys.exit(main(sys.argv[1]))
"""


@pytest.fixture(autouse=True)
def every_database_is_large(monkeypatch):
    monkeypatch.setattr(large_write, "LARGEST_OWN_BYTES", 0)
    monkeypatch.setattr(large_write, "LARGEST_READ_BYTES", 0)


def record(path, *keys, program=CHILD):
    """Record logins, one after the other; return the keys that were missing. Raises RelayError."""

    async def work():
        large = LargeWrites(asyncio.get_running_loop(), Published(), [sys.executable, "-c", program])
        with ThreadPoolExecutor(1) as threads:
            return [key for each in keys for key in await large.record(threads, path, {each: NOW}, 5.0)]

    return asyncio.run(work())


def test_a_child_writes_the_logins_of_a_large_database(relayers_db):
    relayers_db.fill({"10.0.0.1": NOW - 60})
    assert record(relayers_db.path, "10.0.0.1", "10.0.0.2", "2001:db8::2") == ["10.0.0.2", "2001:db8::2"]
    assert relayers_db.entries() == {"10.0.0.1": str(NOW), "10.0.0.2": str(NOW), "2001:db8::2": str(NOW)}


def test_a_login_that_a_child_writes_shortens_no_permission(relayers_db):
    relayers_db.fill({"10.0.0.1": NOW + 3600})
    record(relayers_db.path, "10.0.0.1")
    assert relayers_db.entries() == {"10.0.0.1": str(NOW + 3600)}


def test_the_complaint_of_the_child_names_the_database(relayers_db):
    relayers_db.fill({"10.0.0.1": NOW})
    relayers_db.damage()
    with pytest.raises(InputOutputError, match="not a sound Berkeley DB hash file") as error:
        record(relayers_db.path, "10.0.0.2")
    assert relayers_db.path in str(error.value)


def test_a_child_that_crashes_takes_nobody_along(relayers_db):
    relayers_db.fill({"10.0.0.1": NOW})
    crash = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    with pytest.raises(InputOutputError, match="exit status -11"):
        record(relayers_db.path, "10.0.0.2", program=crash)
    assert relayers_db.entries() == {"10.0.0.1": str(NOW)}


def test_the_child_gives_way_to_all_others(tmp_path, relayers_db):
    relayers_db.fill({"10.0.0.1": NOW})
    seen = tmp_path / "seen"
    watch = CHILD.replace(
        "sys.exit(main(sys.argv[1]))",
        f"""status = main(sys.argv[1])
import os
with open({str(seen)!r}, "w") as file:
    print(os.nice(0), open("/proc/self/oom_score_adj").read(), file=file)
sys.exit(status)""",
    )
    record(relayers_db.path, "10.0.0.2", program=watch)
    niceness, score = seen.read_text().split()
    assert int(niceness) == large_write.NICENESS
    assert score == large_write.OOM_SCORE_FIRST


def test_a_child_revokes_in_a_large_database_and_reads_it(relayers_db):
    relayers_db.fill({"10.0.0.1": NOW - 60, "10.0.0.2": NOW, "10.0.0.3": NOW + 60})

    async def work():
        large = LargeWrites(asyncio.get_running_loop(), Published(), [sys.executable, "-c", CHILD])
        with ThreadPoolExecutor(1) as threads:
            every_key = dict.fromkeys(("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"), NOW - 1)
            removed = await large.revoke(threads, relayers_db.path, every_key, NOW, 5.0)
            return removed, await large.pages(threads, relayers_db.path, 5.0)

    removed, (page,) = asyncio.run(work())
    assert removed == ["10.0.0.1"]
    assert sorted(json.loads(page)) == [["10.0.0.2", NOW], ["10.0.0.3", NOW + 60]]
