# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What other hosts have said and one database does not have yet: logins or revocations, and who waits for them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    # Called with an empty text when it is on the disk, else with the reason why it is not.
    Done = Callable[[str], None]


class Received:
    """Epoch seconds by key, and what is to be called afterwards."""

    __slots__ = ("seconds", "then")

    def __init__(self) -> None:
        self.seconds: dict[str, int] = {}
        self.then: list[Done] = []

    def __bool__(self) -> bool:
        return bool(self.seconds or self.then)

    def add(self, seconds: Mapping[str, int], done: Done) -> None:
        """Add ``seconds``; the later time of a key counts."""
        for key, second in seconds.items():
            if self.seconds.get(key, -1) < second:
                self.seconds[key] = second
        self.then.append(done)


def not_revoked(logins: Mapping[str, int], revoked: Mapping[str, int]) -> dict[str, int]:
    """Return those of ``logins`` that are later than the revocation of their key; both are epoch seconds by key."""
    return {key: second for key, second in logins.items() if second > revoked.get(key, -1)}


def call(then: Sequence[Done], reason: str) -> None:
    """Call all of ``then`` with ``reason``."""
    for done in then:
        done(reason)
