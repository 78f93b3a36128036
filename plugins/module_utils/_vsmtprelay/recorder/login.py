# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One login, as a POP or IMAP server reports it, and whether to record it.

The report is a JSON object with the text members ``rip`` (the client's address), ``lip`` (the local address),
``service``, ``user`` and ``domain``. Dovecot sends it as an auth policy request after a correct password
(Dovecot manual, "Authentication policy server"); the role configures Dovecot to send these members. It sends more of them:

- ``mechanism``: the SASL mechanism;
- ``nologin``: the field of this name of the passdb, ``absent`` without it. Dovecot 2.4 sends that, too, for some values of it;
- ``proxy``: the same with Dovecot 2.3;
- ``prefetched``: fields of the userdb that the passdb gave; if there are some, no userdb is asked;
- ``lport`` and ``session``: the local port, and the identifier of the session.
"""

from __future__ import annotations

import json

from ..entries.addresses import LOOPBACK, Networks, key_of, without_scope
from ..errors import MalformedError, RelayError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Where the recorder accepts reports: the path of the request, and the socket for clients that can use one.
PATH = "/login"
SOCKET = "/run/vsmtprelay-recorder.sock"

# Dovecot also asks for SMTP AUTH, ManageSieve and its own tools, whose users do not read mail.
SERVICES = ("pop3", "imap")
# These need no password: ANONYMOUS has none (RFC 4505). A token stands for a login that was recorded, and its owner chooses
# the address (db_dovecot_token.c; any local mail user can use a token from Dovecot 2.4.4 on).
WITHOUT_PASSWORD = ("ANONYMOUS", "DOVECOT-TOKEN")
ABSENT = "absent"
LOCKED = "the account is locked (nologin)"
ELSEWHERE = "the login goes to another host (proxy), which has to record it"
# The user name in reports that proof.py causes. They record nothing.
PROBE_USER = "vsmtprelay-probe"


class NotRecorded(RelayError):
    """A login that is not to be recorded; the message gives the reason."""


class Probe(RelayError):
    """A report that proof.py caused; ``session`` (str) is its identifier, ``mechanism`` (str) the SASL mechanism."""

    def __init__(self, session: str, mechanism: str) -> None:
        super().__init__(f"probe {session!r}")
        self.session = session
        self.mechanism = mechanism
        # To be asked about: nobody has that name.
        self.login = Login("127.0.0.1", SERVICES[0], PROBE_USER, "")


class Login:
    """A login with a correct password.

    ``key`` is that of the client's address, ``local_key`` that of the server's. The other text is as it was reported.
    """

    __slots__ = ("address", "domain", "is_prefetched", "key", "local_address", "local_key", "local_port", "service", "user")

    def __init__(
        self, address: str, service: str, user: str, domain: str, local_address: str = "", local_port: str = ""
    ) -> None:
        """Raises MalformedError if ``address`` or ``local_address`` is none."""
        self.address = address
        self.key = key_of(without_scope(address))
        self.local_address = local_address
        self.local_key = key_of(without_scope(local_address)) if local_address else None
        self.local_port = local_port
        self.service = service
        self.user = user
        self.domain = domain
        self.is_prefetched = False

    @classmethod
    def of_account(cls, account: Sequence[str]) -> Login:
        """Return the login with what account() returned. Raises MalformedError, ValueError."""
        address, service, user, local_address, local_port, prefetched = account
        login = cls(address, service, user, "", local_address, local_port)
        login.is_prefetched = bool(prefetched)
        return login

    def account(self) -> tuple[str, ...]:
        """Return what Dovecot is asked about, as text."""
        prefetched = "prefetched" if self.is_prefetched else ""
        return (self.address, self.service, self.user, self.local_address, self.local_port, prefetched)


class LoginReader:
    """Parses reports, and rejects logins that are not to be recorded."""

    def __init__(self, ignored: Iterable[str] = ()) -> None:
        """``ignored`` are networks whose logins are not recorded; loopback never is. Raises MalformedError."""
        self._ignored = Networks((*LOOPBACK, *ignored))

    def is_ignored(self, key: str) -> bool:
        """Return whether logins from ``key``, a result of key_of(), are not recorded."""
        return key in self._ignored

    def login_in(self, report: dict[str, object]) -> Login:
        """Return the login in ``report``, the members of a report.

        Raises MalformedError if it is not a report, NotRecorded if the login is not to be recorded, Probe.
        """
        user, mechanism = _text(report, "user"), _text(report, "mechanism")
        # Dovecot can complete and change names (auth_default_realm, auth_username_format).
        if user.partition("@")[0].lower() == PROBE_USER:
            raise Probe(_text(report, "session"), mechanism)
        service = _text(report, "service")
        if service not in SERVICES:
            raise NotRecorded(f"service {service!r}")
        if mechanism.upper() in WITHOUT_PASSWORD:
            raise NotRecorded(f"mechanism {mechanism!r} needs no password, user={user!r}")
        # Without a value, too, they say that the field is there.
        if _text(report, "nologin", ABSENT) != ABSENT:
            raise NotRecorded(f"{LOCKED} user={user!r}")
        if _text(report, "proxy", ABSENT) != ABSENT:
            raise NotRecorded(f"{ELSEWHERE} user={user!r}")
        address = _text(report, "rip")
        if not address:
            raise NotRecorded("no client address")
        login = Login(
            address,
            service,
            user,
            _text(report, "domain"),
            local_address=_text(report, "lip"),
            local_port=_text(report, "lport"),
        )
        if login.key in self._ignored:
            raise NotRecorded("ignored network")
        login.is_prefetched = bool(_text(report, "prefetched"))
        return login


def object_of(body: bytes) -> dict[str, object]:
    """Return the members of the JSON object in ``body``. Raises MalformedError if it is none."""
    try:
        report = json.loads(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        raise MalformedError("the report is not JSON") from None
    if not isinstance(report, dict):
        raise MalformedError("the report is not a JSON object")
    return report


def _text(report: dict[str, object], name: str, missing: str = "") -> str:
    value = report.get(name, missing)
    if not isinstance(value, str):
        raise MalformedError(f"the report's {name} is not text")
    # JSON can encode half of a surrogate pair, which neither the journal nor a file name accepts.
    return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()
