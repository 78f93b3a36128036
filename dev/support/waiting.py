# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait until something is so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


def wait_until(condition: Callable[[], object], timeout: float = 30) -> None:
    """Return as soon as ``condition()`` is true; raise AssertionError if it is not within ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout} s: {condition}"
        time.sleep(0.05)


async def until(condition: Callable[[], object], timeout: float = 10) -> None:
    """Do as wait_until() in an event loop, in which others go on meanwhile."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout} s: {condition}"
        await asyncio.sleep(0.001)
