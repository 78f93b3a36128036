# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command vsmtprelay-pam, which pam_exec(8) runs: hands a login to the recorder, as Dovecot does of its own accord.

PAM comes to the account phase when the password was right, waits for this command, and is told to go on whatever its result is.
"""

from __future__ import annotations

import http.client
import json
import signal
import socket
import syslog

from .login import PATH, SOCKET

# As long as Dovecot waits, for all that is done here.
ANSWER_SECONDS = 0.25


class _Connection(http.client.HTTPConnection):
    """A connection to the recorder's own socket; the host name only stands in the request."""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(SOCKET)


def main(environment: dict[bytes, bytes]) -> int:
    """Report the login that ``environment`` (pam_exec(8)) describes; returns the exit status, 0 unless nobody was there."""
    # Ends this process, whatever it waits for.
    signal.setitimer(signal.ITIMER_REAL, ANSWER_SECONDS)
    report = report_of(environment)
    try:
        connection = _Connection("vsmtprelay.invalid")
        connection.request("POST", f"{PATH}?command=allow", json.dumps(report), {"Content-Type": "application/json"})
        connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        syslog.openlog("vsmtprelay-pam", 0, syslog.LOG_AUTH)
        syslog.syslog(syslog.LOG_ERR, f"{SOCKET}: {error}; see systemctl status vsmtprelay-recorder.socket")
        return 1
    return 0


def report_of(environment: dict[bytes, bytes]) -> dict[str, str]:
    """Return the report of the login that pam_exec(8) describes in ``environment``, as login.py reads it.

    The service is pop3 or imap where PAM's name of it begins so: servers call it pop3, pop, imap4 ...
    """
    user, service, client = (
        environment.get(name, b"").decode("utf-8", "backslashreplace") for name in (b"PAM_USER", b"PAM_SERVICE", b"PAM_RHOST")
    )
    for protocol, start in (("pop3", "pop"), ("imap", "imap")):
        if service.startswith(start):
            service = protocol
    return {"rip": client, "service": service, "user": user, "domain": user.rpartition("@")[2] if "@" in user else ""}
