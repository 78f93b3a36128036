# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The file of what the recorder counts, which it writes, and the status and ``vsmtprelay metrics`` read: a JSON object.

- ``version``; ``started`` and ``written`` in epoch seconds;
- ``logins``: lists of a result, a virtual server, a service and their number;
- ``bounds``: upper bounds in seconds; ``records``: the number of logins between each and the one before, and beyond the last;
- ``record_seconds``: the sum of their times.

There are no user names in it and no addresses, and its size is bounded by the number of virtual servers.

It is a file of its own so that readers do without asyncio, whose import takes longer than the rest of their start.
"""

from __future__ import annotations

import json
import os

from ..errors import MalformedError
from ..files import text_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# As RuntimeDirectory= in the unit, which systemd removes with the recorder: no counts outlive it.
PATH = "/run/vsmtprelay-recorder/counts.json"
KINDS = ("recorded", "delayed", "ignored", "refused", "failed")


def save(path: str, members: Mapping[str, Any]) -> None:
    """Write what Counts.members() returned; without fsync, since nobody needs it after a crash of the host. Raises OSError."""
    temporary = f"{path}.new"
    logins = [[*key, number] for key, number in members["logins"].items()]
    with open(temporary, "w", encoding="ascii") as file:
        # Not dumps(), which yields to no login until it is done.
        json.dump({**members, "logins": logins}, file)
    os.rename(temporary, path)


def load(path: str = PATH) -> dict[str, Any] | None:
    """Return the members of the file, or None if there is none. Raises UnreadableError, MalformedError."""
    content = text_file.read(path)
    if content is None:
        return None
    try:
        members = json.loads(content)
        logins = [(str(what), str(server), str(service), int(number)) for what, server, service, number in members["logins"]]
        bounds, records = [float(bound) for bound in members["bounds"]], [int(number) for number in members["records"]]
        if len(records) != len(bounds) + 1:
            raise ValueError
        return {
            "started": int(members["started"]),
            "logins": logins,
            "bounds": bounds,
            "records": records,
            "record_seconds": float(members["record_seconds"]),
        }
    except (KeyError, TypeError, ValueError):
        raise MalformedError(f"{path}: is not what the recorder counts; run systemctl restart vsmtprelay-recorder") from None


def totals_of(members: Mapping[str, Any]) -> dict[str, int]:
    """Return the number of each of KINDS in what load() returned, of all virtual servers and services."""
    totals = dict.fromkeys(KINDS, 0)
    for result, _server, _service, number in members["logins"]:
        if result in totals:
            totals[result] += number
    return totals
