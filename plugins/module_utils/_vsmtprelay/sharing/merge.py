# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The merge: what is known of an address, and whether it may relay.

The stamps of an address are joined by taking the greater of each. That is commutative, associative and idempotent: hosts that
have heard the same agree, whatever the order and however often they heard it. What nobody says takes nothing away.

A renewal makes a login last longer, and is none: a host that is cut off renews the entries of its open sessions, and does not
know what was revoked meanwhile. So a revocation closes an address, whatever was renewed since, until the next login.
"""

from __future__ import annotations

from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

    # What the database of a virtual server should have: LOGIN or REVOKED, and epoch seconds.
    Wanted = Optional[tuple[str, int]]

LOGIN = "logins"
REVOKED = "revoked"
MS_OF_A_SECOND = 1000
MS_OF_A_MINUTE = 60_000


class Stamps(NamedTuple):
    """The newest login, the newest revocation and the newest renewal of an address, in ms; 0 is none."""

    login: int = 0
    revoked: int = 0
    renewed: int = 0

    @property
    def latest(self) -> int:
        """From when on the window counts."""
        return max(self.login, self.renewed)

    @property
    def is_revoked(self) -> bool:
        """Whether there was no login after the revocation; one in its very millisecond is none."""
        return 0 < self.revoked >= self.login

    @property
    def revoked_until(self) -> int:
        """Up to when entries of the database are revoked: also those that were renewed since."""
        return max(self.revoked, self.renewed) if self.is_revoked else self.revoked


NOTHING = Stamps()


def join(first: Stamps, second: Stamps) -> Stamps:
    """Return what both say."""
    return Stamps(max(first.login, second.login), max(first.revoked, second.revoked), max(first.renewed, second.renewed))


def is_open(stamps: Stamps, now: int, window: int) -> bool:
    """Return whether the address may relay at ``now``; ``window`` is how long a login lasts, in ms."""
    return not stamps.is_revoked and now - stamps.latest < window


def wanted(stamps: Stamps, now: int, window: int) -> Wanted:
    """Return what the database should have, or None if the stamps are too old to matter.

    An entry is stamped with whole seconds, and a revocation removes those of its own second and of those before.
    """
    if is_open(stamps, now, window):
        return LOGIN, min(stamps.latest, now) // MS_OF_A_SECOND
    if stamps.is_revoked and now - stamps.revoked_until < window:
        return REVOKED, min(stamps.revoked_until, now) // MS_OF_A_SECOND
    return None


def shares_a_second(stamps: Stamps) -> bool:
    """Return whether login and revocation have the same second, so that the database cannot keep them apart."""
    return stamps.login // MS_OF_A_SECOND == stamps.revoked // MS_OF_A_SECOND
