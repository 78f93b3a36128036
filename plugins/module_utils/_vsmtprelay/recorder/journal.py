# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The recorder's log: a line in the systemd journal for each login, and counters in the status of its unit."""

from __future__ import annotations

import asyncio
import collections

from ..errors import printable
from .libraries import daemon, journal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..servers.virtual_servers import VirtualServer
    from .login import Login

IDENTIFIER = "vsmtprelay-recorder"
# syslog(3): information, warning, notice, error. A process that tries out secrets should be noticed.
PRIORITIES = {"recorded": "6", "delayed": "4", "ignored": "6", "refused": "5", "failed": "3"}
INFORMATION = "6"
# Limits the notifications, so that systemd and its listeners do not handle one for every login.
STATUS_SECONDS = 1.0
# Any local user can cause any number of refused reports; the journal gets one line for those of each second.
REFUSED_SECONDS = 1.0
# The most delayed logins that get a second line when they are written.
MOST_DELAYED = 10_000
LONGEST_USER = 200  # characters of a user name
LONGEST_MESSAGE = 1000  # characters; some messages quote the report


class RecorderLog:
    """Counts and logs the results of reports. For use in the event loop only."""

    def __init__(self) -> None:
        self.counters: collections.Counter[str] = collections.Counter(dict.fromkeys(PRIORITIES, 0))
        self._status_is_due = False
        self._refused_lines_wait = False
        self._refused_without_line = 0
        self._delayed = 0

    def count(self, what: str, message: str, **fields: str) -> None:
        """Count one event of the kind ``what`` (a key of PRIORITIES) and log a line with the journal ``fields``."""
        self.counters[what] += 1
        self._have_status_told()
        if what == "refused":
            if self._refused_lines_wait:
                self._refused_without_line += 1
                return
            self._refused_lines_wait = True
            asyncio.get_running_loop().call_later(REFUSED_SECONDS, self._let_refused_lines_pass)
        self._send(what, message, **fields)

    def recorded(self, login: Login, server: VirtualServer) -> None:
        """Log that ``login`` is in the database of ``server``."""
        self._tell_of_login("recorded", login, server)

    def recorded_from_spool(self, key: str, server: str, _written: asyncio.Future[None]) -> None:
        """Log that a login from ``key``, accepted by an earlier recorder, is in the database of ``server``."""
        self.count("recorded", f"recorded {key} from the spool server={server}", RELAY_ADDRESS=key, RELAY_SERVER=server)

    def delayed(self, login: Login, server: VirtualServer, written: asyncio.Future[None]) -> None:
        """Log that ``login`` has to wait for the database, and once ``written`` is done, that it is there."""
        self._tell_of_login("delayed", login, server)
        if self._delayed < MOST_DELAYED:
            self._delayed += 1
            written.add_done_callback(lambda done: self._tell_of_delayed(login, server, done))

    def renewal(self, message: str, is_fault: bool = False) -> None:
        """Log ``message`` about renewals; they are not counted."""
        self._send("failed" if is_fault else "renewed", message)

    def _tell_of_delayed(self, login: Login, server: VirtualServer, written: asyncio.Future[None]) -> None:
        self._delayed -= 1
        if not written.cancelled():
            self._tell_of_login("recorded", login, server)

    def _tell_of_login(self, what: str, login: Login, server: VirtualServer) -> None:
        # A user name may contain any character. The message quotes it; the journal stores the field unchanged.
        user = login.user[:LONGEST_USER]
        self.count(
            what,
            f"{what} {login.key} user={user!r} service={login.service} server={server.name}",
            RELAY_ADDRESS=login.key,
            RELAY_USER=user,
            RELAY_SERVICE=login.service,
            RELAY_SERVER=server.name,
        )

    def _send(self, what: str, message: str, **fields: str) -> None:
        # Without a CODE_ field, the library looks up the calling source line, which takes longer than sending.
        fields.update(SYSLOG_IDENTIFIER=IDENTIFIER, PRIORITY=PRIORITIES.get(what, INFORMATION), CODE_FUNC=what)
        journal.send(printable(message)[:LONGEST_MESSAGE], **fields)

    def _have_status_told(self) -> None:
        if not self._status_is_due:
            self._status_is_due = True
            asyncio.get_running_loop().call_later(STATUS_SECONDS, self._tell_status)

    def _tell_status(self) -> None:
        self._status_is_due = False
        daemon.notify("STATUS=" + ", ".join(f"{name} {number}" for name, number in self.counters.items()))

    def _let_refused_lines_pass(self) -> None:
        self._refused_lines_wait = False
        if self._refused_without_line:
            self._send("refused", f"{self._refused_without_line} more reports refused")
            self._refused_without_line = 0
