# SPDX-License-Identifier: GPL-3.0-or-later
"""The same work on many databases: the locked ones come last and wait together."""

from __future__ import annotations

import fcntl
import time

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database import edits, relayers_db
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database.in_turn import in_turn
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import LockedError, MalformedError


def add(path, deadline):
    return relayers_db.change(path, edits.put({"10.0.0.1": 5}), deadline).count


@pytest.fixture
def databases(native_database):
    return [native_database(f"{number}/relayers.db").fill({}) for number in range(20)]


@pytest.fixture
def locked(databases):
    """Return the paths of the databases; all but the last one are locked by another program."""
    held = [open(database.path, "rb") for database in databases[:-1]]  # noqa: SIM115
    for file in held:
        fcntl.flock(file, fcntl.LOCK_EX)
    yield [database.path for database in databases], held
    for file in held:
        file.close()


def test_each_database_is_done_and_the_results_are_numbered(databases):
    assert sorted(in_turn([database.path for database in databases], add, 5)) == [(number, 1) for number in range(20)]


def test_the_free_database_comes_before_the_locked_ones(locked):
    paths, held = locked
    done = in_turn(paths, add, 30)
    assert next(done) == (19, 1)
    for file in held:
        file.close()
    assert sorted(done) == [(number, 1) for number in range(19)]


def test_many_locked_databases_take_no_longer_than_one(locked):
    begin = time.monotonic()
    results = dict(in_turn(locked[0], add, 0.5))
    # One after the other, they would take nineteen times that.
    assert time.monotonic() - begin < 19 * 0.5
    assert results.pop(19) == 1
    assert all(isinstance(error, LockedError) for error in results.values())
    assert "for more than 0.5 seconds, nothing was changed; find the process with fuser -v" in str(results[0])


def test_a_single_database_waits_for_its_lock(locked):
    paths, held = locked

    def free_and_add(path, deadline):
        held[0].close()
        return add(path, deadline)

    assert list(in_turn(paths[:1], free_and_add, 5)) == [(0, 1)]


def test_another_error_is_yielded_and_not_tried_again():
    tries = []

    def fail(item, deadline):
        del deadline
        tries.append(item)
        raise MalformedError(item)

    errors = list(in_turn(["a", "b"], fail, 5))
    assert [(number, str(error)) for number, error in errors] == [(0, "a"), (1, "b")]
    assert tries == ["a", "b"]
