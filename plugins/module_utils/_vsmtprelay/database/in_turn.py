# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The same work on many databases: an owner who keeps one of them locked does not keep the others waiting.

Those that are locked come again when all others are done, and all of them wait at the same time. So a thousand locked
databases take no longer than one.
"""

from __future__ import annotations

import time

from ..errors import LockedError, RelayError
from .locks import LOCK_RETRY_SECONDS, LONGEST_LOCK_RETRY_SECONDS, Deadline, OneTry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypeVar

    Item = TypeVar("Item")
    Result = TypeVar("Result")


def in_turn(
    items: Sequence[Item], work: Callable[[Item, Deadline], Result], seconds: float
) -> Iterator[tuple[int, Result | RelayError]]:
    """Call ``work`` for each of ``items``, of one database each; yield the number of the item and its result or RelayError.

    Locked databases are waited for at most ``seconds``, all of them together. ``work`` may be called more than once: whenever
    it meets a lock, it has to pass on the LockedError of the deadline that it is given.
    """
    left = list(enumerate(items))
    deadline = Deadline(seconds) if len(left) == 1 else OneTry(seconds)
    end, pause = None, LOCK_RETRY_SECONDS
    while left:
        locked = []
        for number, item in left:
            result: Result | RelayError
            try:
                result = work(item, deadline)
            except LockedError as error:
                if len(items) > 1 and (end is None or time.monotonic() < end):
                    locked.append((number, item))
                    continue
                result = error
            except RelayError as error:
                result = error
            yield number, result
        left = locked
        if left:
            end = time.monotonic() + seconds if end is None else end
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_LOCK_RETRY_SECONDS)
