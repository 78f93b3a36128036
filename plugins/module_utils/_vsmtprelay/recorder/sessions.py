# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sessions that may still be open: which user logged in from which address, and in which database that is recorded.

renewal.py asks Dovecot whether they are open. They are kept in a file for the next recorder. What a killed recorder had
not saved is missing there: those clients log in again when their permission has run out.
"""

from __future__ import annotations

import collections
import json
import os
from typing import NamedTuple

from ..errors import UnreadableError
from ..files import text_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

# The most sessions that are kept, and those of one user, so that one account cannot displace all others. A session takes
# about 500 bytes.
MOST_SESSIONS = 50_000
MOST_OF_USER = 1000
# The most that are due at once, to bound the work of a turn; the others are due in the next.
MOST_DUE = 20_000
LONGEST_USER = 256  # characters; a longer name is not kept


class Session(NamedTuple):
    """A login of ``user`` from the address ``key``, recorded in the database at ``relayers_db``.

    ``base`` is the base directory of the Dovecot that let the user in.
    """

    relayers_db: str
    key: str
    user: str
    base: str


class Sessions:
    """The known sessions, each with the time (epoch seconds) at which it was last known to be open.

    For use in the event loop only.
    """

    def __init__(self, path: str = "", limit: int = 0) -> None:
        """Keep them in the file at ``path`` (str), for ``limit`` seconds; with a limit of 0 none is kept."""
        self._path = path
        self._limit = limit
        # From the one that was not seen for the longest time to the latest.
        self._seen: collections.OrderedDict[Session, int] = collections.OrderedDict()
        self._at: dict[tuple[str, str], set[Session]] = {}
        self._of_user: collections.Counter[str] = collections.Counter()
        # Those that were due and not open the last time.
        self._missed: set[Session] = set()
        self.is_saved = True
        # Whether a revoked session is still in the file.
        self.is_save_urgent = False

    def __len__(self) -> int:
        return len(self._seen)

    def note(self, session: Session, now: int) -> None:
        """Note that ``session`` was open at ``now`` (epoch seconds)."""
        if not self._limit or not session.user.isprintable() or len(session.user) > LONGEST_USER:
            return
        if session not in self._seen:
            if self._of_user[session.user] >= MOST_OF_USER:
                return
            if len(self._seen) >= MOST_SESSIONS:
                self._forget(next(iter(self._seen)))
            self._at.setdefault((session.relayers_db, session.key), set()).add(session)
            self._of_user[session.user] += 1
        self._seen[session] = max(now, self._seen.get(session, 0))
        self._seen.move_to_end(session)
        self._missed.discard(session)
        self.is_saved = False

    def created(self, relayers_db: str, keys: Iterable[str]) -> None:
        """Forget the sessions at ``keys``, since their entries in ``relayers_db`` (path) were missing and are created anew.

        An entry that is missing was revoked, and only the login that creates it anew counts.
        """
        for session in [session for key in keys for session in self._at.get((relayers_db, key), ())]:
            self._forget(session)
            self.is_save_urgent = True

    def due(self, now: int) -> dict[Session, int]:
        """Return the sessions that were not seen for half the limit, and when they were; forget those past it.

        At most MOST_DUE are returned, those that were not seen for the longest time.
        """
        while self._seen and now - next(iter(self._seen.values())) >= self._limit:
            self._forget(next(iter(self._seen)))
        due: dict[Session, int] = {}
        for session, seen in self._seen.items():
            if now - seen < self._limit / 2 or len(due) >= MOST_DUE:
                break
            due[session] = seen
        return due

    def seen_again(self, session: Session, now: int) -> None:
        """Note that ``session`` was open at ``now`` (epoch seconds), unless it was forgotten."""
        if session in self._seen:
            self.note(session, now)

    def missed(self, session: Session, seen: int) -> None:
        """Note that ``session`` is not open; the second time forget it. Not if it was seen after ``seen`` (epoch seconds).

        One that is just being hibernated may be missed.
        """
        if self._seen.get(session) == seen:
            if session in self._missed:
                self._forget(session)
            else:
                self._missed.add(session)

    def revoked(self, session: Session, seen: int) -> None:
        """Forget ``session``, since its entry is missing or has run out; not if it was seen after ``seen`` (epoch seconds)."""
        if self._seen.get(session) == seen:
            self._forget(session)
            self.is_save_urgent = True

    def read(self, databases: Collection[str], now: int) -> None:
        """Read what an earlier recorder saved about ``databases`` (paths), at ``now`` (epoch seconds); skip malformed lines."""
        try:
            content = text_file.read(self._path) if self._path else None
        except UnreadableError:
            return  # they log in again
        known = []
        for line in (content or b"").splitlines():
            try:
                *fields, seen = json.loads(line)
                session = Session(*fields)
            except (ValueError, TypeError):
                continue
            is_text = all(isinstance(field, str) for field in session)
            if is_text and isinstance(seen, int) and session.relayers_db in databases and now - self._limit < seen <= now:
                known.append((seen, session))
        for seen, session in sorted(known):
            self.note(session, seen)

    def snapshot(self) -> tuple[list[Session], list[int]]:
        """Return all sessions, and when each was seen, for save()."""
        self.is_saved, self.is_save_urgent = True, False
        # Two lists make no new objects for Python's garbage collector to look through.
        return list(self._seen), list(self._seen.values())

    def save(self, snapshot: tuple[Sequence[Session], Sequence[int]]) -> None:
        """Write ``snapshot`` to the file, also in a thread. Raises UnwritableError."""
        if self._path:
            lines = [json.dumps((*session, seen)) + "\n" for session, seen in zip(*snapshot)]
            owner = text_file.Attributes(os.geteuid(), os.getegid(), 0o600)
            text_file.replace(self._path, "".join(lines).encode(), owner)

    def _forget(self, session: Session) -> None:
        del self._seen[session]
        self._missed.discard(session)
        place = (session.relayers_db, session.key)
        self._at[place].discard(session)
        if not self._at[place]:
            del self._at[place]
        self._of_user[session.user] -= 1
        if not self._of_user[session.user]:
            del self._of_user[session.user]
        self.is_saved = False
