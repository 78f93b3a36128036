# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Renewal: the permission of a client stays for as long as its session is open.

Once half of its time is over, Dovecot is asked whether the user is still connected from that address. If so, the entry is
stamped with the time of the question. An entry that is missing meanwhile was revoked: it is not created, and its session
counts no more. Dovecot is asked, and each database is written, at most once in a turn, whatever the number of sessions.
"""

from __future__ import annotations

import asyncio
import collections
import time
from concurrent.futures import ThreadPoolExecutor

from . import who

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping

    from .journal import RecorderLog
    from .sessions import Session, Sessions

    RenewEntries = Callable[[str, Collection[str], int, int], Awaitable[Collection[str]]]

# How often the sessions are looked after, as a fraction of the time that a permission lasts, and its bounds in seconds.
TURNS = 6
SHORTEST_TURN = 10.0
LONGEST_TURN = 600.0
# What a recorder that is killed loses: the sessions that began since the last save.
SAVE_SECONDS = 60.0
# How long the end waits for the databases that are being written.
FINISH_SECONDS = 10.0
# The pause between two looks at what is to be done, so also between two saves.
CARE_SECONDS = 1.0
# After so many sessions the event loop serves logins that wait.
SLICE = 200


def turn_seconds(limit: int) -> float:
    """Return the seconds from one turn to the next if a permission lasts ``limit`` seconds."""
    return min(max(limit / TURNS, SHORTEST_TURN), LONGEST_TURN)


async def _in_slices(sessions: Mapping[Session, int]) -> AsyncIterator[tuple[Session, int]]:
    """Yield all ``sessions``; the event loop has its turn after each slice of them."""
    for number, item in enumerate(sessions.items(), 1):
        yield item
        if number % SLICE == 0:
            await asyncio.sleep(0)


class Renewal:
    """Renews the entries of open sessions, and saves the sessions. For use in the event loop only."""

    def __init__(
        self,
        sessions: Sessions,
        limit: int,
        renew: RenewEntries,
        log: RecorderLog,
        connected: Callable[[str, Collection[str]], set[tuple[str, str]]] = who.connected,
    ) -> None:
        """A permission lasts ``limit`` seconds. ``renew`` is as Writers.renew(), ``connected`` as who.connected()."""
        self._sessions = sessions
        self._limit = limit
        self._renew = renew
        self._log = log
        self._connected = connected
        self._asking = ThreadPoolExecutor(1)
        self._saving = ThreadPoolExecutor(1)
        # The databases that are being written. One that takes long is left out in the next turn.
        self._writes: dict[str, asyncio.Task[None]] = {}
        self._faults: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Renew and save from now on until finish()."""
        self._task = asyncio.ensure_future(self._run())

    async def finish(self) -> None:
        """Save the sessions, and end, FINISH_SECONDS at the latest after what is being written.

        Without its event, what was renewed would look like a login of the present time to other hosts.
        """
        if self._task is not None:
            self._task.cancel()
        if self._writes:
            await asyncio.wait(list(self._writes.values()), timeout=FINISH_SECONDS)
        await self.save()

    async def _run(self) -> None:
        next_turn = time.monotonic() + turn_seconds(self._limit)
        next_save = time.monotonic() + SAVE_SECONDS
        while True:
            await asyncio.sleep(CARE_SECONDS)
            if time.monotonic() >= next_turn:
                await self.turn(int(time.time()))
                next_turn = time.monotonic() + turn_seconds(self._limit)
            if self._sessions.is_save_urgent or time.monotonic() >= next_save:
                await self.save()
                next_save = time.monotonic() + SAVE_SECONDS

    async def turn(self, now: int) -> None:
        """Begin to renew the entries of all sessions that are open at ``now`` (epoch seconds) and need it."""
        due = self._sessions.due(now)
        users = collections.defaultdict(set)
        for session in due:
            users[session.base].add(session.user)
        open_at = {}
        for base, names in users.items():
            found = await self._ask(base, names)
            if found is not None:
                open_at[base] = found
        by_database: dict[str, dict[Session, int]] = collections.defaultdict(dict)
        async for session, seen in _in_slices({session: seen for session, seen in due.items() if session.base in open_at}):
            if (session.user, session.key) in open_at[session.base]:
                by_database[session.relayers_db][session] = seen
            else:
                self._sessions.missed(session, seen)
        for path, sessions in by_database.items():
            if path not in self._writes:
                self._writes[path] = asyncio.ensure_future(self._write(path, sessions, now))

    async def written(self) -> None:
        """Wait until the databases are written that are being written."""
        if self._writes:
            await asyncio.wait(list(self._writes.values()))

    async def save(self) -> None:
        """Save the sessions unless they are saved."""
        if not self._sessions.is_saved:
            loop = asyncio.get_running_loop()
            try:
                await loop.run_in_executor(self._saving, self._sessions.save, self._sessions.snapshot())
            except Exception as error:  # pylint: disable=broad-except
                self._sessions.is_saved = False
                self._report("sessions", f"open sessions are not saved for the next start: {error}")
            else:
                self._report("sessions", "")

    async def _ask(self, base: str, users: Collection[str]) -> set[tuple[str, str]] | None:
        """Return what who.connected() returns, or None if it fails."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(self._asking, self._connected, base, users)
        except Exception as error:  # pylint: disable=broad-except
            self._report(base, f"permissions of open sessions are not renewed, since Dovecot could not be asked: {error}")
            return None
        self._report(base, "")
        return found

    async def _write(self, path: str, sessions: Mapping[Session, int], now: int) -> None:
        try:
            valid = frozenset(await self._renew(path, {session.key for session in sessions}, now, self._limit))
        except Exception as error:  # pylint: disable=broad-except
            # Whatever the error, the sessions come again in the next turn.
            self._report(path, f"permissions of open sessions are not renewed: {error}")
            return
        finally:
            del self._writes[path]
        self._report(path, "")
        async for session, seen in _in_slices(sessions):
            if session.key in valid:
                self._sessions.seen_again(session, now)
            else:
                self._sessions.revoked(session, seen)

    def _report(self, name: str, fault: str) -> None:
        """Log the ``fault`` of what ``name`` stands for, or with none that it is over, each once."""
        if fault and name not in self._faults:
            self._faults.add(name)
            self._log.renewal(fault, is_fault=True)
        elif not fault and name in self._faults:
            self._faults.discard(name)
            self._log.renewal(f"{name}: permissions of open sessions are renewed again")
