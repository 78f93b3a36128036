# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One origin on one engine, as a receiver reads it: its stream, and its snapshot where the stream does not suffice."""

from __future__ import annotations

from typing import NamedTuple

from . import access, gate
from .engine import CommandError
from .store import NO_ID, UNKNOWN_N, Cursor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from .engine import Connection

    # Of an entry: server, key, stamps (gate.py), and the ms after which no stamp may be.
    Said = tuple[bytes, bytes, tuple[bytes, bytes, bytes], int]

PAGE = 1000
# Of the members with the last score of a page, as many as this part of a page are read once more with the next one.
OVERLAP_PART = 10
NONE = b"0"
# The sorted sets, in the order of merge.Stamps.
STAMPS = (access.LOGINS, access.REVOKED, access.RENEWED)
MISSING = "no such key"
# A host can make others take its snapshot again and again. Some follow each other at once, as a host that publishes very much
# needs it, and from then on one in so long.
MOST_AT_ONCE = 5
WAIT_MS = 15_000
SHORTEST_WAIT_MS = 1000


class StreamState(NamedTuple):
    """The end of a stream: the id of the last entry that it ever had, and the number in that entry, if that is still there."""

    last_id: str
    last_n: int | None


class Origin:
    """One origin on one engine."""

    def __init__(self, name: str, cursor: Cursor | None) -> None:
        self.name = name
        self.stream = access.key(name, access.STREAM)
        self.cursor = cursor or Cursor()
        self.is_due = self.cursor.n == UNKNOWN_N
        # Where the reading was at the last look.
        self.looked = self.cursor
        # The owner can put something else in its place.
        self.is_readable = True
        self.pages: Iterator[list[Said]] | None = None
        # When the last one began, in ms of the steady clock, and how much of the time for more of them was left then, in ms.
        self._begun: int | None = None
        self._saved = MOST_AT_ONCE * WAIT_MS

    def look(self, state: StreamState | None) -> None:
        """Find out from the end of the stream whether a snapshot is due."""
        cursor = self.cursor
        if state is None:
            self.is_due |= cursor.id != NO_ID
        elif number_of_id(cursor.id) > number_of_id(state.last_id):
            self.is_due = True  # the engine was replaced, or has gone back in time
        elif cursor.id == state.last_id:
            self.is_due |= state.last_n not in (None, cursor.n)
        else:
            self.is_due |= state.last_n is None  # trimmed away before it was read

    def follow(self, id: str, n: int) -> None:
        """Note that the next entry of the stream was read."""
        self.is_due |= n != self.cursor.n + 1
        self.cursor = Cursor(id, n)

    def rewind(self) -> None:
        """Have read again what was read since the last look. What is older has stamps of another clock by now."""
        if not self.is_due and self.pages is None and self.looked.n != UNKNOWN_N:
            self.cursor = self.looked

    def kept_cursor(self) -> Cursor:
        """Return the cursor as it is to be kept: the next start takes a snapshot unless that is done."""
        return self.cursor._replace(n=UNKNOWN_N) if self.is_due or self.pages is not None else self.cursor

    def may_begin(self, now: int, has_reconnected: bool) -> bool:
        """Return whether a snapshot that is due may begin at ``now`` (ms of the steady clock), and count it as begun."""
        if not self.is_due or not self.is_readable or self.pages is not None:
            return False
        passed = SHORTEST_WAIT_MS if self._begun is None else now - self._begun
        saved = min(self._saved + passed, MOST_AT_ONCE * WAIT_MS)
        if (passed < SHORTEST_WAIT_MS or saved < WAIT_MS) and not has_reconnected:
            return False
        self._begun, self._saved = now, max(saved - WAIT_MS, 0)
        return True

    def begin(self, connection: Connection, oldest: int, latest: int) -> None:
        """Begin a snapshot of what is not older than ``oldest``; nothing may be later than ``latest`` (ms of the engine).

        The stream is read from its present end on, since the sorted sets have all that came before. Raises CommandError, Lost.
        """
        state = state_of(connection.many([("XINFO", "STREAM", self.stream)])[0])
        self.cursor = Cursor(NO_ID, 0) if state is None else Cursor(state.last_id, state.last_n or 0)
        self.looked = self.cursor
        self.is_due = False
        self.pages = self._pages(connection, oldest, latest)

    def _pages(self, connection: Connection, oldest: int, latest: int) -> Iterator[list[Said]]:
        # The revocations first, so that nothing opens for a moment that was revoked.
        for what in (access.REVOKED, access.LOGINS, access.RENEWED):
            for page in _members(connection, access.key(self.name, what), oldest):
                found: list[Said] = []
                for member, score in page:
                    server, _space, address = bytes(member).partition(b" ")
                    login, revoked, renewed = (score if each == what else NONE for each in STAMPS)
                    found.append((server, address, (login, revoked, renewed), latest))
                yield found


def state_of(answer: Any) -> StreamState | None:
    """Return the end of the stream in an answer to XINFO STREAM, None if there is no such stream. Raises CommandError."""
    if isinstance(answer, CommandError):
        if MISSING in str(answer):
            return None
        raise answer
    members = dict(zip(answer[::2], answer[1::2]))
    last = members.get(b"last-entry")
    return StreamState(members[b"last-generated-id"].decode("ascii"), number_in(last[1]) if last else None)


def number_in(fields: Sequence[bytes] | None) -> int:
    """Return the number of an entry of a stream, 0 if it has none."""
    n = fields_of(fields).get(b"n", b"")
    return int(n) if gate.DIGITS.fullmatch(n) else 0


def fields_of(fields: Sequence[bytes] | None) -> dict[bytes, bytes]:
    """Return the fields of an entry of a stream."""
    return dict(zip(fields[::2], fields[1::2])) if fields else {}


def said_in(id: bytes, fields: dict[bytes, bytes]) -> Said:
    """Return what an entry of a stream says; what is missing in it is no number and no name."""
    server, key, login, revoked, renewed = (fields.get(name, b"") for name in (b"v", b"k", b"l", b"r", b"e"))
    return server, key, (login, revoked, renewed), number_of_id(id.decode("ascii"))[0]


def number_of_id(id: str) -> tuple[int, int]:
    """Return the ms and the sequence number of the id of an entry."""
    ms, _hyphen, number = id.partition("-")
    return int(ms), int(number)


def _members(connection: Connection, key: str, oldest: int) -> Iterator[list[tuple[bytes, bytes]]]:
    """Yield the members of a sorted set with their scores, from the score ``oldest`` on, page by page.

    Entries that move to a greater score meanwhile are met there. Those that had the same score as they have then other places,
    so the pages overlap. Raises CommandError, Lost.
    """
    score, at_score, total = b"%d" % oldest, 0, 0
    while True:
        skip = max(at_score - PAGE // OVERLAP_PART, 0)
        answer = connection.many([("ZRANGEBYSCORE", key, score, "+inf", "WITHSCORES", "LIMIT", skip, PAGE)])[0]
        if isinstance(answer, CommandError):
            raise answer
        page = list(zip(answer[::2], answer[1::2]))
        if page:
            yield page
        total += len(page) - (at_score - skip)
        if len(page) < PAGE:
            return
        if total > gate.MOST_NAMED:
            raise TooMany(connection.name, f"{key} has too many members")
        last = page[-1][1]
        same = sum(each == last for _member, each in page)
        at_score = skip + same if last == score else same
        score = last


class TooMany(CommandError):
    """A sorted set has more members than one origin may have."""
