# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The status as text for people, and whether all is well."""

from __future__ import annotations

import json
import os
import time

from ..errors import MalformedError, UnreadableError
from ..files import text_file
from .status import NAME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Older than the sharer lets the file become, with some room for a busy host.
STALE_SECONDS = 45
FINE, ATTENTION, BROKEN = 0, 1, 2


def load(directory: str) -> dict[str, Any]:
    """Return the members of the status file in ``directory``. Raises UnreadableError, MalformedError."""
    path = os.path.join(directory, NAME)
    content = text_file.read(path)
    if content is None:
        raise UnreadableError(f"{path}: no such file: the sharer does not run; see systemctl status vsmtprelay-share")
    try:
        members = json.loads(content.decode())
        if not isinstance(members["engines"], list):
            raise TypeError
    except (ValueError, KeyError, TypeError):
        raise MalformedError(f"{path}: is not a status; see systemctl status vsmtprelay-share") from None
    return dict(members)


def verdict(members: dict[str, Any], now: int) -> int:
    """Return FINE, ATTENTION or BROKEN; ``now`` is epoch seconds."""
    if now - members["written"] > STALE_SECONDS or not members["recorder"]["reachable"]:
        return BROKEN
    if members["alone_since"] is not None:
        return BROKEN
    is_fine = all(each["connected"] and not each["error"] and not each["refused"] for each in members["engines"])
    return FINE if is_fine and not members["failed_servers"] else ATTENTION


def lines(members: dict[str, Any], now: int) -> list[str]:
    """Return the lines that people read; ``now`` is epoch seconds."""
    text = []
    age = now - members["written"]
    if age > STALE_SECONDS:
        text.append(f"this is {age} seconds old: the sharer does not run; see systemctl status vsmtprelay-share")
    if members["alone_since"] is not None:
        text.append(f"goes on alone since {_time(members['alone_since'])}")
    for engine in members["engines"]:
        text += _engine_lines(engine)
    if not members["recorder"]["reachable"]:
        text.append(f"recorder: {members['recorder']['error']}")
    text += [f"{server}: its database is not written: {why}" for server, why in sorted(members["failed_servers"].items())]
    text.append(f"to be written to the databases: {members['todo']}")
    text += [f"addresses opened by {origin}: {number}" for origin, number in sorted(members["addresses"].items())]
    return text


def _engine_lines(engine: dict[str, Any]) -> list[str]:
    state = "connected" if engine["connected"] else "not connected"
    facts = [f"{state} since {_time(engine['since'])}"]
    if engine["offset_ms"] is not None:
        facts.append(f"clock {engine['offset_ms']:+d} ms")
    published = engine["last_published"]
    facts.append("nothing published yet" if published is None else f"published {_time(published)}")
    facts.append(f"unsent {engine['unsent']}")
    if engine["lag_ms"] is not None:
        facts.append(f"lag {engine['lag_ms']} ms")
    text = [f"{engine['engine']}: {', '.join(facts)}"]
    if engine["error"]:
        text.append(f"  {engine['error']}")
    for origin, reasons in sorted(engine["refused"].items()):
        counts = ", ".join(f"{reason} {number}" for reason, number in sorted(reasons.items()))
        text.append(f"  refused from {origin}: {counts}")
    return text


def _time(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
