# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The gate: which entries of other hosts count. It is pure: it looks at one entry, and at nothing else.

Every field comes from a host that may be in wrong hands. What such a host can say is limited to logins and revocations of its
own virtual servers, within the window, and never of the future.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ..entries.addresses import LOOPBACK, Networks, is_key
from ..errors import RelayError
from .configuration import SERVER as NAME_OF_SERVER
from .merge import Stamps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .clock import Moment
    from .configuration import Configuration

# How far a stamp may be ahead of the engine's clock: hosts measure that clock, and their answers take time.
SLACK_MS = 2000
# At most 15 digits: what a sorted set holds is exact up to there, and no number is too large for anything.
DIGITS = re.compile(rb"[0-9]{1,15}")
SERVER_NAME = re.compile(NAME_OF_SERVER.pattern.encode())
LONGEST_KEY = 64
# How many addresses one origin may have opened here at a time.
MOST_ADDRESSES = 100_000
# How many addresses one origin may be the first to say anything of: also a revocation takes room in the store.
MOST_NAMED = 400_000

# The reasons for which entries are refused, as the status shows them.
FORM = "form"
SERVER = "server"
ADDRESS = "address"
LOOPBACK_ADDRESS = "loopback"
NUMBER = "number"
FUTURE = "future"
LIMIT = "limit"


class Refused(RelayError):
    """An entry that does not count; ``reason`` (str) is one of those above."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Entry(NamedTuple):
    """What an origin says of an address: ``stamps`` in ms of this host's clock."""

    server: str
    key: str
    stamps: Stamps


class Gate:
    """Judges the entries of all origins."""

    def __init__(self, configuration: Configuration) -> None:
        self._servers = {server.name.encode(): server for server in configuration.servers}
        self._loopback = Networks(LOOPBACK)

    def judge(
        self, origin: str, server: bytes, key: bytes, stamps: Sequence[bytes], latest: int, moment: Moment
    ) -> Entry | None:
        """Return what ``origin`` says of an address, or None if it does not matter here.

        It does not if all of it is older than the window, or if this host does not have the server: hosts share several.

        ``stamps`` are those of merge.Stamps, as digits: ms of the engine's clock, 0 for none. None of them may be later than
        ``latest`` (ms of the engine's clock): when the engine took the entry, or now. ``moment`` is now. Raises Refused.
        """
        known = self._servers.get(server)
        if known is None and SERVER_NAME.fullmatch(server):
            return None
        if known is None or origin not in known.hosts:
            raise Refused(SERVER)
        address = self._address(key)
        limit = min(latest, moment.engine) + SLACK_MS
        here = Stamps(*(_stamp(digits, limit, known.window, moment) for digits in stamps))
        return Entry(known.name, address, here) if any(here) else None

    def _address(self, key: bytes) -> str:
        if len(key) > LONGEST_KEY:
            raise Refused(ADDRESS)
        try:
            address = key.decode("ascii")
        except UnicodeDecodeError:
            raise Refused(ADDRESS) from None
        if not is_key(address):
            raise Refused(ADDRESS)
        if address in self._loopback:
            raise Refused(LOOPBACK_ADDRESS)
        return address


def may_open(addresses: int) -> bool:
    """Return whether an origin that has opened that many addresses may open another one."""
    return addresses < MOST_ADDRESSES


def may_name(addresses: int) -> bool:
    """Return whether an origin that was the first to name that many addresses, open or not, may name another one."""
    return addresses < MOST_NAMED


def _stamp(digits: bytes, limit: int, window: int, moment: Moment) -> int:
    """Return the stamp in ms of this host's clock, never ahead of it; 0 if it is older than the window. Raises Refused."""
    if not DIGITS.fullmatch(digits):
        raise Refused(NUMBER)
    stamp = int(digits)
    if stamp > limit:
        raise Refused(FUTURE)
    age = max(moment.engine - stamp, 0)
    return max(moment.host - age, 0) if age < window else 0
