# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins of a large database are written by a child, one database after the other, and a small one waits for none of them."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder import group_commit, large_write
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.group_commit import GroupCommit
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
    monkeypatch.setattr(group_commit, "LARGEST_OWN_BYTES", 0)
    monkeypatch.setattr(group_commit, "ANSWER_SECONDS", 20.0)
    monkeypatch.setattr(group_commit, "WRITE_RETRY_SECONDS", 0.05)


def commit_of(path, failures, program=CHILD):
    return GroupCommit(path, failures.append, large=LargeWrites([sys.executable, "-c", program]))


async def record(commit, *keys):
    """Record a login of each key, one after the other; return whether each was on the disk when add() returned."""
    return [(await commit.add(key, NOW)).done() for key in keys]


def test_a_child_writes_the_logins_of_a_large_database(relayers_db):
    relayers_db.fill({"10.0.0.1": NOW - 60})
    failures = []
    assert asyncio.run(record(commit_of(relayers_db.path, failures), "10.0.0.2", "2001:db8::2")) == [True, True]
    assert relayers_db.entries() == {"10.0.0.1": str(NOW - 60), "10.0.0.2": str(NOW), "2001:db8::2": str(NOW)}
    assert failures == []


def test_a_login_that_a_child_writes_shortens_no_permission(relayers_db):
    relayers_db.fill({"10.0.0.1": NOW + 3600})
    asyncio.run(record(commit_of(relayers_db.path, []), "10.0.0.1"))
    assert relayers_db.entries() == {"10.0.0.1": str(NOW + 3600)}


def test_the_complaint_of_the_child_names_the_database(relayers_db):
    relayers_db.fill({"10.0.0.1": NOW})
    relayers_db.damage()
    failures = []
    assert asyncio.run(record(commit_of(relayers_db.path, failures), "10.0.0.2")) == [False]
    assert relayers_db.path in failures[0]
    assert "not a sound Berkeley DB hash file" in failures[0]


def test_a_child_that_crashes_takes_nobody_along(relayers_db):
    relayers_db.fill({"10.0.0.1": NOW})
    failures = []
    crash = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    assert asyncio.run(record(commit_of(relayers_db.path, failures, crash), "10.0.0.2")) == [False]
    assert "exit status -11" in failures[0]
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
    asyncio.run(record(commit_of(relayers_db.path, [], watch), "10.0.0.2"))
    niceness, score = seen.read_text().split()
    assert int(niceness) - os.nice(0) == large_write.NICENESS
    assert score == large_write.OOM_SCORE_FIRST
