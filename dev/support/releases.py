# SPDX-License-Identifier: GPL-3.0-or-later
"""The Debian releases that tests run on: those that they name, or the one that $RELEASE names (make test-next)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")
NEWEST = "trixie"


def releases(named: Mapping[str, T]) -> dict[str, T]:
    """Return release → what a test knows of it: as NAMED, or for $RELEASE alone what is known of the newest one."""
    chosen = os.environ.get("RELEASE")
    return {chosen: named[NEWEST]} if chosen else dict(named)


def release(named: str) -> str:
    """Return the release NAMED, or $RELEASE."""
    return os.environ.get("RELEASE") or named
