# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The recorder's log: a line in the journal for each login, and counters in the status of its unit and for monitoring."""

from __future__ import annotations

import asyncio
import collections
import functools
import select
import socket

from ..errors import printable
from .counts import Counts
from .counts_file import KINDS
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
# Lines are sent together, so long after the first of them: journald takes a fifth of the time for each, and so does sending.
LINES_SECONDS = 0.2
# The most lines that wait for a journal that takes none; each takes about 500 bytes.
MOST_LINES = 20_000
JOURNAL = "/run/systemd/journal/socket"
LONGEST_USER = 200  # characters of a user name
LONGEST_MESSAGE = 1000  # characters; some messages quote the report


class RecorderLog:
    """Counts and logs the results of reports. For use in the event loop only."""

    def __init__(self, counts_path: str = "") -> None:
        """Keep the counts for monitoring at ``counts_path``, or only in memory if it is empty."""
        self.counts = Counts(counts_path, functools.partial(self._send, "failed"))
        self.counters: collections.Counter[str] = collections.Counter(dict.fromkeys(KINDS, 0))
        self._status_is_due = False
        self._refused_lines_wait = False
        self._refused_without_line = 0
        self._lines: list[list[str]] = []
        self._dropped = 0
        self._probe: socket.socket | None = None

    def count(self, what: str, message: str, server: str = "", service: str = "", **fields: str) -> None:
        """Count one event of the kind ``what`` (a key of PRIORITIES) and log a line with the journal ``fields``.

        ``server`` is the name of the virtual server and ``service`` that of the login, as far as they are known.
        """
        self.counters[what] += 1
        self.counts.add(what, server, service)
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

    def recorded_from_spool(self, key: str, server: str) -> None:
        """Log that a login from ``key``, accepted by an earlier recorder, is in the database of ``server``."""
        message = f"recorded {key} from the spool server={server}"
        self.count("recorded", message, server, RELAY_ADDRESS=key, RELAY_SERVER=server)

    def delayed(self, login: Login, server: VirtualServer) -> None:
        """Log that ``login`` was let in and has to wait for the database of ``server``."""
        self._tell_of_login("delayed", login, server)

    def renewal(self, message: str, is_fault: bool = False) -> None:
        """Log ``message`` about renewals; they are not counted."""
        self._send("failed" if is_fault else "renewed", message)

    def shared(self, message: str, is_fault: bool = False) -> None:
        """Log ``message`` about what is shared with other hosts; it is not counted."""
        self._send("failed" if is_fault else "shared", message)

    def _tell_of_login(self, what: str, login: Login, server: VirtualServer) -> None:
        # A user name may contain any character. The message quotes it; the journal stores the field unchanged.
        user = login.user[:LONGEST_USER]
        self.count(
            what,
            f"{what} {login.key} user={user!r} service={login.service} server={server.name}",
            server.name,
            login.service,
            RELAY_ADDRESS=login.key,
            RELAY_USER=user,
            RELAY_SERVICE=login.service,
            RELAY_SERVER=server.name,
        )

    def flush(self) -> None:
        """Send the lines that wait to the journal, as far as it takes them."""
        sent = 0
        for line in self._lines:
            if not self._takes_lines():
                break
            journal.sendv(*line)
            sent += 1
        del self._lines[:sent]
        if self._lines:
            asyncio.get_running_loop().call_later(LINES_SECONDS, self.flush)
        elif self._dropped:
            dropped, self._dropped = self._dropped, 0
            self._send("failed", f"{dropped} lines are missing here, since the journal took none for some time")

    def _takes_lines(self) -> bool:
        """Return whether the journal takes a line at once. To send one waits, with the whole process, while journald hangs."""
        if self._probe is None:
            self._probe = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
            try:
                self._probe.connect(JOURNAL)
            except OSError:
                self._probe.close()
                self._probe = None
                return True  # without a journal, sending does nothing
        poll = select.poll()
        poll.register(self._probe, select.POLLOUT)
        return any(event & select.POLLOUT for _descriptor, event in poll.poll(0))

    def _send(self, what: str, message: str, **fields: str) -> None:
        line = [f"MESSAGE={printable(message)[:LONGEST_MESSAGE]}", f"PRIORITY={PRIORITIES.get(what, INFORMATION)}"]
        line += [f"SYSLOG_IDENTIFIER={IDENTIFIER}", *(f"{name}={value}" for name, value in fields.items())]
        if not self._lines:
            asyncio.get_running_loop().call_later(LINES_SECONDS, self.flush)
        if len(self._lines) < MOST_LINES:
            self._lines.append(line)
        else:
            self._dropped += 1

    def _have_status_told(self) -> None:
        if not self._status_is_due:
            self._status_is_due = True
            asyncio.get_running_loop().call_later(STATUS_SECONDS, self._tell_status)

    def _tell_status(self) -> None:
        self._status_is_due = False
        daemon.notify("STATUS=" + ", ".join(f"{kind} {number}" for kind, number in self.counters.items()))

    def _let_refused_lines_pass(self) -> None:
        self._refused_lines_wait = False
        if self._refused_without_line:
            self._send("refused", f"{self._refused_without_line} more reports refused")
            self._refused_without_line = 0
