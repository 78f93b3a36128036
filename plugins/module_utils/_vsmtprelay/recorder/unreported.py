# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Dovecot 2.3 says of each successful login besides its report: an event, through its event exporter.

Dovecot 2.3 opens 100 connections to a policy server, so that it reports 100 logins while the recorder is away. Its statistics
process keeps the events of all logins meanwhile, and posts them when the recorder is back (Dovecot manual, "Event export").
The body is a JSON object with the member ``fields``, in which all text is escaped, and ``end_time``.
"""

from __future__ import annotations

from ..errors import MalformedError
from .login import object_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Where the recorder accepts events: the path of the request.
PATH = "/unreported"
# The members of a report, and the fields of an event that they come from. A missing field makes an empty member.
FIELDS = {
    "rip": "remote_ip",
    "lip": "local_ip",
    "service": "service",
    "user": "user",
    "session": "session",
    "mechanism": "mechanism",
}


class Event:
    """A successful login, as an event describes it.

    ``report`` is what Dovecot would have reported, for LoginReader; ``ended`` is when the login ended, in epoch seconds.
    """

    __slots__ = ("ended", "report")

    def __init__(self, body: bytes, now: int) -> None:
        """Parse the ``body`` of a request at the time ``now`` (epoch seconds). Raises MalformedError.

        ``ended`` is never later than ``now``, whatever the event says.
        """
        event = object_of(body)
        fields = event.get("fields")
        if not isinstance(fields, dict):
            raise MalformedError("the event has no fields")
        report: dict[str, Any] = {name: fields.get(field, "") for name, field in FIELDS.items()}
        port, user = fields.get("local_port", ""), report["user"]
        # A number, or text in case another version quotes it.
        report["lport"] = str(port) if isinstance(port, int) else port
        # As %{domain} of Dovecot 2.3.
        report["domain"] = user.partition("@")[2] if isinstance(user, str) else ""
        self.report = report
        self.ended = min(_seconds(event.get("end_time", now)), now)


def _seconds(value: object) -> int:
    # Dovecot writes microseconds as well; JSON also allows numbers that are none (NaN) or have no end.
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1 << 40:
        return int(value)
    raise MalformedError("the event's end_time is no time")
