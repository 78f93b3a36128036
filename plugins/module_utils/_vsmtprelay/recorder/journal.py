# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the recorder tells people: a line in the systemd journal for each login, and counters in the state of its unit."""

from __future__ import annotations

import asyncio
import collections

from .libraries import daemon, journal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..servers.virtual_servers import VirtualServer
    from .login import Login

IDENTIFIER = "vsmtprelay-recorder"
# syslog(3): information, warning, notice, error. Somebody who tries out secrets is to be noticed.
PRIORITIES = {"recorded": "6", "delayed": "4", "ignored": "6", "refused": "5", "failed": "3"}
# Systemd and whoever listens to it have better things to do than to follow every login.
STATUS_SECONDS = 1.0
# Any local user can make the recorder refuse as many reports as he likes; the journal gets one line for those of a second.
REFUSED_SECONDS = 1.0
# Delayed logins of which a second line tells when they were written.
MOST_DELAYED = 10_000
LONGEST_USER = 200  # characters of a user name
LONGEST_MESSAGE = 1000  # characters; some quote what was reported


class RecorderLog:
    """Counts and tells what becomes of the reports. To be used from the event loop only."""

    def __init__(self) -> None:
        self.counters: collections.Counter[str] = collections.Counter(dict.fromkeys(PRIORITIES, 0))
        self._status_is_due = False
        self._refused_lines_wait = False
        self._refused_without_line = 0
        self._delayed = 0

    def count(self, what: str, message: str, **fields: str) -> None:
        """Count one event of the kind ``what`` (a key of PRIORITIES) and write a line, with ``fields`` of its own."""
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
        """Tell that ``login`` is in the database of ``server``."""
        self._tell_of_login("recorded", login, server)

    def recorded_from_spool(self, key: str, server: str, _written: asyncio.Future[None]) -> None:
        """Tell that a login from ``key`` that an earlier recorder took is in the database of ``server``."""
        self.count("recorded", f"recorded {key} from the spool server={server}", RELAY_ADDRESS=key, RELAY_SERVER=server)

    def delayed(self, login: Login, server: VirtualServer, written: asyncio.Future[None]) -> None:
        """Tell that ``login`` has to wait for the database, and later, when ``written`` is done, that it is there."""
        self._tell_of_login("delayed", login, server)
        if self._delayed < MOST_DELAYED:
            self._delayed += 1
            written.add_done_callback(lambda done: self._tell_of_delayed(login, server, done))

    def _tell_of_delayed(self, login: Login, server: VirtualServer, written: asyncio.Future[None]) -> None:
        self._delayed -= 1
        if not written.cancelled():
            self._tell_of_login("recorded", login, server)

    def _tell_of_login(self, what: str, login: Login, server: VirtualServer) -> None:
        # A user name may hold anything. The message quotes it; the journal takes the field as it is.
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
        # Without a CODE_ field, the library looks for the line of source that it was called from, for longer than it sends.
        fields.update(SYSLOG_IDENTIFIER=IDENTIFIER, PRIORITY=PRIORITIES[what], CODE_FUNC=what)
        journal.send(message[:LONGEST_MESSAGE], **fields)

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
