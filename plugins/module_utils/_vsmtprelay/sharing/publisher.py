# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The publisher: brings what this host says to one engine.

All of it is state: each changed address goes out with its newest stamps, in the order of the changes, and may go out any number
of times. The last entry of this host's stream says how far the engine is, and is looked at within each transaction: an engine
that was replaced or has gone back in time gets again what it lacks.
"""

from __future__ import annotations

from typing import NamedTuple

from . import access
from .clock import ENGINE_STEP_MS
from .engine import CommandError
from .engine_worker import EngineWorker
from .gate import DIGITS
from .log import NOTICE, WARNING, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .clock import Moment
    from .engine import Command, Connection
    from .engine_worker import Parts
    from .store import OwnRow

MOST_ROWS = 500
# What is kept of a stream, about; a reader that was away for longer takes a snapshot.
LONGEST_STREAM = 20_000
GATHER_SECONDS = 0.03
CHECK_SECONDS = 5.0
FULL_SECONDS = 1.0
# The keys last a little longer than what they hold.
EXPIRY_MS = 60_000


class Last(NamedTuple):
    """The last entry of this host's stream, as the publisher numbered it."""

    n: int
    seq: int


FOREIGN = Last(-1, -1)


class Changed(CommandError):
    """Somebody else has written to the stream, or taken from it."""


class Publisher(EngineWorker):
    """Publishes to one engine."""

    role = access.PUBLISH
    purpose = "publish to"

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self._stream, *self._sets = (
            access.key(self._host, what) for what in (access.STREAM, access.LOGINS, access.REVOKED, access.RENEWED)
        )
        self._expected: Last | None = None
        # Called when what this host once said may be on the engine only.
        self.on_store_lost: Callable[[], None] = lambda: None

    def work(self) -> None:
        """Publish over one connection until it is lost."""
        with self._connector.connect(self.role) as connection:
            self._check(connection)
            while not self.is_stopped:
                try:
                    sent = self._publish(connection)
                except CommandError as error:
                    if not error.is_full:
                        raise
                    self._make_room(connection, error)
                    continue
                # Also after it was full.
                self._status.connected(self._engine, self.role)
                self.succeeded()
                if sent:
                    self._status.published(self._engine, self._clock.now())
                    self.pause(GATHER_SECONDS if sent < MOST_ROWS else 0)
                elif self._wait(connection):
                    self._check(connection)

    def _wait(self, connection: Connection) -> bool:
        """Wait for changes; return whether the engine is to be looked at."""
        began = self._connector.steady()
        is_readable = self.wake.wait(CHECK_SECONDS, connection.fileno())
        return is_readable or self._connector.steady() - began >= CHECK_SECONDS * 1000 - 50

    def _make_room(self, connection: Connection, error: CommandError) -> None:
        """Take away what is too old, and wait: the engine is full."""
        self._status.troubled(self._engine, self.role, f"{error}; raise its maxmemory")
        connection.many(self._removals())
        self.alive()
        self.pause(FULL_SECONDS)
        self._check(connection)

    def _check(self, connection: Connection) -> None:
        """Compare the engine's clock and the end of the stream with what is expected."""
        self._connector.measure(connection)
        self._compare_clock()
        self._expected = last_of(connection.ask("XREVRANGE", self._stream, "+", "-", "COUNT", 1))
        self._go_on_from(self._expected)

    def _compare_clock(self, used: int | None = None) -> None:
        """Send all again if the engine's clock has moved: what was sent has stamps of a clock that no longer counts.

        ``used`` is the offset that the last stamps were made with.
        """
        sent, offset = self._store.sent(self._engine), self._connector.clock.offset()
        moved = max((abs(offset - each) for each in (sent.offset, used) if each is not None), default=0)
        if sent.offset is None or moved > ENGINE_STEP_MS:
            if moved > ENGINE_STEP_MS:
                say(NOTICE, f"{self._engine}: its clock moved by {moved} ms; everything is published again")
                self._store.send_all_again()
            self._store.set_sent(self._engine, self._store.sent(self._engine)._replace(offset=offset))

    def _go_on_from(self, last: Last | None) -> None:
        sent = self._store.sent(self._engine)
        if last is None:
            if sent.seq:
                say(NOTICE, f"{self._engine}: has nothing of this host; everything is published again")
                self._store.set_sent(self._engine, sent._replace(seq=0, trying_seq=0, trying_n=0))
        elif last == (sent.n, sent.seq):
            pass
        elif last == (sent.trying_n, sent.trying_seq):
            # The answer to the last transaction was lost.
            self._store.set_sent(self._engine, sent._replace(seq=last.seq, n=last.n))
        elif last != FOREIGN and last.n < sent.n and last.seq <= sent.seq:
            say(NOTICE, f"{self._engine}: has gone back in time; what it lacks is published again")
            self._store.set_sent(self._engine, sent._replace(seq=last.seq, trying_seq=0, trying_n=0))
        else:
            # This host's store was lost, or is older than what it has published.
            say(WARNING, f"{self._engine}: has more of this host than its store; everything is published again")
            self._store.send_all_again(above=max(last.seq, 0))
            self._store.set_sent(self._engine, sent._replace(n=max(sent.n, last.n), trying_seq=0, trying_n=0))
            self.on_store_lost()

    def _publish(self, connection: Connection) -> int:
        """Publish the next changes; return how many."""
        with self._clock.lock:
            rows = self._store.unsent(self._engine, self._clock.now(), MOST_ROWS)
            moment = self._connector.clock.moment()
        if not rows:
            return 0
        sent = self._store.sent(self._engine)
        n = sent.n + len(rows)
        self._store.set_sent(self._engine, sent._replace(trying_seq=rows[-1].seq, trying_n=n))
        before, used = self._connector.steady(), moment.engine - moment.host
        commands = [("XREVRANGE", self._stream, "+", "-", "COUNT", 1), ("TIME",), *self._commands(rows, sent.n, moment)]
        answers = connection.transaction(commands)
        expected, self._expected = self._expected, Last(n, rows[-1].seq)
        if last_of(answers[0]) != expected:
            self._store.send_all_again()
            self._store.set_sent(self._engine, self._store.sent(self._engine)._replace(n=n))
            raise Changed(self._engine, f"another program writes as {self._host}; give each host its own name and secret")
        self._store.set_sent(self._engine, sent._replace(seq=rows[-1].seq, n=n, trying_seq=0, trying_n=0))
        self._connector.measured(answers[1], before)
        self._compare_clock(used)
        return len(rows)

    def _commands(self, rows: list[OwnRow], n: int, moment: Moment) -> list[Command]:
        """Return the commands that publish ``rows`` of ``moment``; ``n`` is the number of the last entry before them."""
        offset = moment.engine - moment.host
        commands: list[Command] = []
        added: dict[str, list[str | int]] = {key: [] for key in self._sets}
        not_renewed = []
        for row in rows:
            n += 1
            # Never later than now, whatever has become of this host's clock.
            stamps = [min(ms + offset, moment.engine) if ms else 0 for ms in row.stamps]
            login, revoked, renewed = stamps
            fields = ("v", row.server, "k", row.key, "l", login, "r", revoked, "e", renewed, "n", n, "s", row.seq)
            commands.append(("XADD", self._stream, "MAXLEN", "~", LONGEST_STREAM, "*", *fields))
            member = f"{row.server} {row.key}"
            for key, ms in zip(self._sets, stamps):
                if ms:
                    added[key] += (ms, member)
            if not renewed:
                not_renewed.append(member)
        commands += [("ZADD", key, *members) for key, members in added.items() if members]
        if not_renewed:
            # A host that reads the sets must not take a renewal for one that counts when its revocation is too old to be there.
            commands.append(("ZREM", self._sets[-1], *not_renewed))
        return commands + self._removals()

    def _removals(self) -> list[Command]:
        """Return the commands that take away what is too old."""
        oldest = self._connector.clock.moment().engine - self._window
        return [
            *(("ZREMRANGEBYSCORE", key, "-inf", f"({oldest}") for key in self._sets),
            *(("PEXPIRE", key, self._window + EXPIRY_MS) for key in (self._stream, *self._sets)),
        ]


def last_of(answer: Any) -> Last | None:
    """Return the last entry in an answer to XREVRANGE, None if there is none, FOREIGN if it is not of a publisher."""
    if not answer:
        return None
    try:
        fields = dict(zip(answer[0][1][::2], answer[0][1][1::2]))
        numbers = [fields[b"n"], fields[b"s"]]
    except (TypeError, KeyError, IndexError):
        return FOREIGN
    return Last(*map(int, numbers)) if all(map(DIGITS.fullmatch, numbers)) else FOREIGN
