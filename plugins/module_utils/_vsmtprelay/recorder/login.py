# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One login, as a POP or IMAP server reports it, and whether to record it.

The report is a JSON object with the text members ``rip`` (the client's address), ``lip`` (the local address),
``service``, ``user`` and ``domain``. Dovecot sends it as an auth policy request after a correct password
(Dovecot manual, "Authentication policy server"); the role configures Dovecot to send these members.
"""

from __future__ import annotations

import json

from ..entries.addresses import LOOPBACK, Networks, key_of
from ..errors import MalformedError, RelayError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# Where the recorder accepts reports: the path of the request, and the socket for clients that can use one.
PATH = "/login"
SOCKET = "/run/vsmtprelay-recorder.sock"

# Dovecot also asks for SMTP AUTH, ManageSieve and its own tools, whose users do not read mail.
SERVICES = ("pop3", "imap")


class NotRecorded(RelayError):
    """A login that is not to be recorded; the message gives the reason."""


class Login:
    """A login with a correct password. ``key`` is that of the client's address, ``local_key`` that of the server's."""

    __slots__ = ("domain", "key", "local_key", "service", "user")

    def __init__(self, key: str, local_key: str | None, service: str, user: str, domain: str) -> None:
        self.key = key
        self.local_key = local_key
        self.service = service
        self.user = user
        self.domain = domain


class LoginReader:
    """Parses reports, and rejects logins that are not to be recorded."""

    def __init__(self, ignored: Iterable[str] = ()) -> None:
        """``ignored`` are networks whose logins are not recorded; loopback never is. Raises MalformedError."""
        self._ignored = Networks((*LOOPBACK, *ignored))

    def parse(self, body: bytes) -> Login:
        """Return the login that ``body`` reports.

        Raises MalformedError if it is not a report, NotRecorded if the login is not to be recorded.
        """
        report = _object(body)
        service = _text(report, "service")
        if service not in SERVICES:
            raise NotRecorded(f"service {service!r}")
        address = _text(report, "rip")
        if not address:
            raise NotRecorded("no client address")
        key = key_of(address)
        if key in self._ignored:
            raise NotRecorded("ignored network")
        local = _text(report, "lip")
        return Login(key, key_of(local) if local else None, service, _text(report, "user"), _text(report, "domain"))


def _object(body: bytes) -> dict[str, object]:
    try:
        report = json.loads(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        raise MalformedError("the report is not JSON") from None
    if not isinstance(report, dict):
        raise MalformedError("the report is not a JSON object")
    return report


def _text(report: dict[str, object], name: str) -> str:
    value = report.get(name, "")
    if not isinstance(value, str):
        raise MalformedError(f"the report's {name} is not text")
    # JSON can encode half of a surrogate pair, which neither the journal nor a file name accepts.
    return value.encode("utf-8", "backslashreplace").decode()
