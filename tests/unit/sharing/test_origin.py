# SPDX-License-Identifier: GPL-3.0-or-later
"""An origin as it is read: when its stream does not suffice, and how often its snapshot may be taken."""

from __future__ import annotations

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing import gate
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.engine import CommandError
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.origin import (
    Origin,
    StreamState,
    TooMany,
    _members,
    fields_of,
    number_in,
    said_in,
    state_of,
)
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.store import UNKNOWN_N, Cursor


@pytest.mark.parametrize(
    ("cursor", "state", "is_due"),
    [
        (None, None, True),
        (Cursor("5-1", UNKNOWN_N), StreamState("5-1", 3), True),
        (Cursor("0-0", 0), None, False),
        (Cursor("5-1", 3), None, True),
        (Cursor("5-1", 3), StreamState("5-1", 3), False),
        (Cursor("5-1", 3), StreamState("5-1", 4), True),
        (Cursor("5-1", 3), StreamState("5-1", None), False),
        (Cursor("5-1", 3), StreamState("5-0", 3), True),
        (Cursor("10-1", 3), StreamState("9-9", 3), True),
        (Cursor("9-9", 3), StreamState("10-1", 5), False),
        (Cursor("9-9", 3), StreamState("10-1", None), True),
    ],
)
def test_a_snapshot_is_due_when_the_stream_does_not_fit_the_cursor(cursor, state, is_due):
    origin = Origin("mail2", cursor)
    origin.look(state)
    assert origin.is_due == is_due


@pytest.mark.parametrize(("n", "is_due"), [(4, False), (3, True), (5, True), (0, True)])
def test_a_snapshot_is_due_when_the_numbers_jump(n, is_due):
    origin = Origin("mail2", Cursor("5-1", 3))
    origin.follow("6-0", n)
    assert origin.is_due == is_due
    assert origin.cursor == Cursor("6-0", n)
    # A start before it is taken takes it.
    assert origin.kept_cursor() == Cursor("6-0", UNKNOWN_N if is_due else n)


def test_it_is_read_again_from_the_last_look_on_unless_a_snapshot_does_that():
    origin = Origin("mail2", Cursor("5-1", 3))
    origin.follow("6-0", 4)
    origin.rewind()
    assert origin.cursor == Cursor("5-1", 3)
    origin.follow("7-0", 9)
    origin.rewind()
    assert (origin.cursor, origin.is_due) == (Cursor("7-0", 9), True)


def test_a_snapshot_may_begin_at_once_and_again_a_bounded_number_of_times():
    origin = Origin("mail2", None)
    begun = []
    for now in range(0, 600_000, 100):
        origin.is_due = True
        if origin.may_begin(now, has_reconnected=False):
            begun.append(now)
    # Five, and one in 15 seconds.
    assert begun[:7] == [0, 1000, 2000, 3000, 4000, 15_000, 30_000]
    assert len(begun) == 5 + 39
    assert origin.may_begin(600_000, has_reconnected=True)
    origin.is_readable = False
    assert not origin.may_begin(10**9, has_reconnected=True)


class SortedSet:
    """An engine with one sorted set, whose ``moving`` members get a greater score, one with each command."""

    name = "engine1"

    def __init__(self, scores, moving):
        self.scores, self.moving, self.commands = scores, moving, 0

    def many(self, commands):
        (command,) = commands
        least, start, count = int(command[2]), command[6], command[7]
        found = sorted((score, member) for member, score in self.scores.items() if score >= least)[start : start + count]
        self.commands += 1
        if self.moving:
            self.scores[self.moving.pop()] = 9
        return [[each for score, member in found for each in (member, b"%d" % score)]]


@pytest.mark.parametrize("moving", [[], [b"0000", b"0001", b"0002"]])
def test_a_snapshot_misses_none_of_the_members_with_one_score(moving):
    scores = {b"%04d" % number: 5 if number < 2500 else 7 for number in range(3000)}
    engine = SortedSet(dict(scores), moving)
    pages = list(_members(engine, "key", 3))
    assert {member for page in pages for member, _score in page} == set(scores)
    assert engine.commands <= 5


def test_a_snapshot_has_an_end(monkeypatch):
    engine = SortedSet({b"%04d" % number: 5 for number in range(4000)}, [])
    monkeypatch.setattr(gate, "MOST_NAMED", 2999)
    pages = []
    with pytest.raises(TooMany):
        pages.extend(_members(engine, "key", 3))
    monkeypatch.setattr(gate, "MOST_NAMED", 4000)
    assert sum(len(page) for page in _members(engine, "key", 3)) >= 4000


def test_what_is_missing_in_an_entry_is_nothing():
    assert said_in(b"17-2", fields_of([b"v", b"a"])) == (b"a", b"", (b"", b"", b""), 17)
    assert (number_in(None), number_in([b"n"]), number_in([b"n", b"x"]), number_in([b"n", b"12"])) == (0, 0, 0, 12)


def test_the_end_of_a_stream():
    assert state_of(CommandError("engine1", "no such key")) is None
    with pytest.raises(CommandError):
        state_of(CommandError("engine1", "NOPERM"))
    answer = [b"length", 1, b"last-generated-id", b"7-1", b"last-entry", [b"7-1", [b"n", b"5"]]]
    assert state_of(answer) == StreamState("7-1", 5)
    assert state_of([b"last-generated-id", b"7-1", b"last-entry", None]) == StreamState("7-1", None)
