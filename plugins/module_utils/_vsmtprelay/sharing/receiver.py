# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The receiver: takes from one engine what the other hosts say.

It reads the streams of all origins at once, and takes the snapshot of an origin where its stream does not suffice. Each entry
is judged by itself (gate.py). What one origin writes, whatever it is, never keeps the receiver from the entries of the others.
"""

from __future__ import annotations

import collections

from . import access, gate
from .engine import CommandError
from .engine_worker import EngineWorker
from .gate import FORM, FUTURE, LIMIT, Gate, Refused
from .origin import Origin, TooMany, fields_of, number_in, said_in, state_of
from .store import UNKNOWN_N

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .engine import Connection
    from .engine_worker import Parts
    from .origin import Said

MOST_ENTRIES = 200
BLOCK_MS = 1000
# So that a busy fleet wakes each reader at most 20 times a second.
GATHER_SECONDS = 0.05
# Where many come in, the next wait for one more turn: each write of a database costs about the same.
MANY_ENTRIES = 5
GATHER_SECONDS_OF_MANY = 0.1
STREAMS_FIRST = 5
CHECK_MS = 5000
# With many origins the look at all of them is rarer, so that it costs the engine about the same.
CHECK_MS_OF_ORIGIN = 100
IDLE_SECONDS = 60.0
# A host that has been away first hears of logins that another one may have revoked since. So what opens is written when all is
# read that there was, and after so long at the latest: no origin can hold up the others by saying ever more.
LONGEST_HOLD_MS = 10_000


class Receiver(EngineWorker):
    """Receives from one engine."""

    role = access.SUBSCRIBE
    purpose = "receive from"

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self._gate = Gate(parts.configuration)
        self._origins = parts.configuration.origins() if parts.configuration.receives else []
        # What this host said before it lost its store; only the snapshot of it is read.
        self._own_is_due = False
        self._connection: Connection | None = None
        # Since when what opens is held, in ms of the steady clock; None if it is not.
        self._holds_since: int | None = parts.connector.steady()

    def read_own(self) -> None:
        """Have what this host itself once published read again."""
        self._store.forget_cursor(self._engine, self._host)
        self._own_is_due = True
        self.wake.set()

    def interrupt(self) -> None:
        """End the waiting for entries."""
        connection = self._connection
        if connection is not None:
            connection.close()

    def work(self) -> None:
        """Receive over one connection until it is lost."""
        with self._connector.connect(self.role) as self._connection:
            self._receive(self._connection)
        while not self._origins and not self._own_is_due and not self.is_stopped:
            self.wake.wait(IDLE_SECONDS)
            self.alive()

    def _was_lost(self, reason: str) -> None:
        self._let_go_after(LONGEST_HOLD_MS)
        super()._was_lost(reason)

    def _receive(self, connection: Connection) -> None:
        origins = [Origin(name, self._store.cursor(self._engine, name)) for name in self._origins]
        own = self._store.cursor(self._engine, self._host)
        self._own_is_due |= own is None or own.n == UNKNOWN_N
        check_ms = max(CHECK_MS, CHECK_MS_OF_ORIGIN * len(origins))
        looked = self._look(connection, origins)
        has_reconnected, turn, number = True, 0, 0
        moves = self._connector.clock.moves
        if self._holds_since is None:
            self._holds_since = self._connector.steady()
        while not self.is_stopped:
            if self._own_is_due:
                self._own_is_due = False
                origins.append(Origin(self._host, None))
            if self._connector.clock.moves != moves:
                # What was read since the last look was perhaps taken for older than it is.
                moves = self._connector.clock.moves
                for origin in origins:
                    origin.rewind()
            if self._connector.steady() - looked >= check_ms:
                looked = self._look(connection, origins)
            # While a stream has much to read, that comes first: it may be trimmed, and the sorted sets are not.
            turn = turn + 1 if number == MOST_ENTRIES else 0
            if turn % STREAMS_FIRST == 0:
                for origin in [*origins]:
                    self._take_page(connection, origin, has_reconnected)
                    if origin.name == self._host and origin.pages is None and not origin.is_due:
                        origins.remove(origin)
                has_reconnected = False
            self._status.connected(self._engine, self.role)
            self.succeeded()
            if not origins and not self._origins:
                self._let_go_after(0)
                return
            has_all = all(origin.pages is None for origin in origins)
            number = self._read(connection, origins, has_all and self._holds_since is None)
            if has_all and number < MOST_ENTRIES:
                self._let_go_after(0)
            if 0 < number < MOST_ENTRIES and has_all:
                self.pause(GATHER_SECONDS if number < MANY_ENTRIES else GATHER_SECONDS_OF_MANY)
            self._let_go_after(LONGEST_HOLD_MS)

    def _let_go_after(self, ms: int) -> None:
        """Have written what is held, if it was for ``ms``."""
        if self._holds_since is not None and self._connector.steady() - self._holds_since >= ms:
            self._holds_since = None
            self._store.release(self._engine)

    def _look(self, connection: Connection, origins: list[Origin]) -> int:
        """Look at the end of each stream; return when that was."""
        moves = self._connector.clock.moves
        self._connector.measure(connection)
        has_moved = self._connector.clock.moves != moves
        answers = connection.many([("XINFO", "STREAM", origin.stream) for origin in origins]) if origins else []
        for origin, answer in zip(origins, answers):
            if isinstance(answer, CommandError) and answer.is_wrong_type:
                origin.is_readable = False
                self._status.refused(self._engine, origin.name, FORM)
            else:
                origin.is_readable = True
                origin.look(state_of(answer))
                if not has_moved:
                    origin.looked = origin.cursor
        return self._connector.steady()

    def _take_page(self, connection: Connection, origin: Origin, has_reconnected: bool) -> None:
        """Take the next page of the origin's snapshot, if one is due and may begin."""
        try:
            if origin.may_begin(self._connector.steady(), has_reconnected):
                self._connector.measure(connection)
                moment = self._connector.clock.moment()
                origin.begin(connection, max(moment.engine - self._window, 0), moment.engine)
            if origin.pages is None:
                return
            page = next(origin.pages, None)
        except CommandError as error:
            if not error.is_wrong_type and not isinstance(error, TooMany):
                raise
            self._status.refused(self._engine, origin.name, FORM if error.is_wrong_type else LIMIT)
            page = None
        if page is None:
            origin.pages = None
        self._join(connection, origin, page or ())

    def _read(self, connection: Connection, origins: list[Origin], may_wait: bool) -> int:
        """Read the next entries of all streams; return how many there were of the one with the most."""
        readable = {origin.stream.encode(): origin for origin in origins if origin.is_readable and origin.name != self._host}
        if not readable:
            if may_wait:
                self.wake.wait(BLOCK_MS / 1000, connection.fileno())
            return 0
        block = ("BLOCK", BLOCK_MS) if may_wait else ()
        ids = [origin.cursor.id for origin in readable.values()]
        answer = connection.many([("XREAD", "COUNT", MOST_ENTRIES, *block, "STREAMS", *readable, *ids)])[0]
        if isinstance(answer, CommandError):
            if not answer.is_wrong_type:
                raise answer
            self._look(connection, origins)
            return 1
        for stream, entries in answer or ():
            self._take_entries(connection, readable[stream], entries)
        return max((len(entries) for _stream, entries in answer or ()), default=0)

    def _take_entries(self, connection: Connection, origin: Origin, entries: list[Any]) -> None:
        said = []
        for id, flat in entries:
            fields = fields_of(flat)
            origin.follow(id.decode("ascii"), number_in(flat))
            said.append(said_in(id, fields))
        self._join(connection, origin, said)
        if said:
            self._status.received(self._engine, max(self._connector.clock.moment().engine - said[-1][-1], 0))

    def _join(self, connection: Connection, origin: Origin, said: Sequence[Said]) -> None:
        """Join what the gate lets through, and keep the cursor."""
        while True:
            sets = self._clock.sets
            entries, refused = self._judge(connection, origin, said)
            with self._clock.lock:
                if self._clock.sets != sets:
                    continue  # the times of the entries are those of a clock that was set meanwhile
                now, cursor, hold = self._clock.now(), origin.kept_cursor(), self._holds_since is not None
                refused[gate.LIMIT] += self._store.join_received(self._engine, origin.name, entries, now, cursor, hold)
                break
        for reason, number in (+refused).items():
            self._status.refused(self._engine, origin.name, reason, number)

    def _judge(
        self, connection: Connection, origin: Origin, said: Sequence[Said]
    ) -> tuple[list[gate.Entry], collections.Counter[str]]:
        """Return what of ``said`` the gate lets through, and how many it refuses for each reason."""
        moment, is_measured, entries = self._connector.clock.moment(), False, []
        refused: collections.Counter[str] = collections.Counter()
        for each in said:
            try:
                try:
                    entry = self._gate.judge(origin.name, *each, moment)
                except Refused as refusal:
                    if refusal.reason != FUTURE or is_measured:
                        raise
                    # Perhaps the engine's clock was set.
                    self._connector.measure(connection)
                    moment, is_measured = self._connector.clock.moment(), True
                    entry = self._gate.judge(origin.name, *each, moment)
            except Refused as refusal:
                refused[refusal.reason] += 1
            else:
                if entry is not None:
                    entries.append(entry)
        return entries, refused
