# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The logins that were reported lately, so that an event about one of them is no second login."""

from __future__ import annotations

import collections
import time

# Dovecot sends the event of a login right after its report, and one connection has all of them. So these are more than arrive
# in between, even after an outage. Each takes about 200 bytes.
MOST_KNOWN = 20_000
KNOWN_SECONDS = 600.0


class KnownLogins:
    """The last logins by session and user; in one session, a client may try one account after another.

    For use in the event loop only.
    """

    def __init__(self, most: int = MOST_KNOWN, seconds: float = KNOWN_SECONDS) -> None:
        """Remember at most the last ``most`` logins, each for ``seconds``."""
        self._most = most
        self._seconds = seconds
        # Only hashes, from the oldest to the latest, with the time until which each counts: names can be long.
        self._until: collections.OrderedDict[int, float] = collections.OrderedDict()

    def __len__(self) -> int:
        return len(self._until)

    def note(self, session: str, user: str) -> bool:
        """Note a login of ``user`` in ``session``; return whether it is new. Without a session, each login is new.

        Dovecot makes a session's identifier of the time, the addresses and the ports, so that no two instances use the same.
        """
        if not session:
            return True
        login, now = hash((session, user)), time.monotonic()
        is_new = self._until.get(login, 0.0) < now
        if is_new:
            while self._until and (len(self._until) >= self._most or next(iter(self._until.values())) < now):
                self._until.popitem(last=False)
            self._until.pop(login, None)
            self._until[login] = now + self._seconds
        return is_new
