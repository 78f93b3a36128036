# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command vsmtprelay-pam, which pam_exec(8) runs: it reports a login to the recorder, as Dovecot does by itself.

PAM reaches the account phase after a correct password and waits for this command. Its configuration makes it
continue whatever the result is. The command runs for every login, so it uses no HTTP client (start-up: see
the ``__init__`` of the library).
"""

from __future__ import annotations

import json
import signal
import socket
import syslog

from .login import PATH, SOCKET

# Deadline of the whole command, the same as Dovecot's.
ANSWER_SECONDS = 0.25


def main(environment: dict[bytes, bytes], path: str = SOCKET) -> int:
    """Report the login that ``environment`` (pam_exec(8)) describes to the recorder at ``path``.

    Returns the exit status, 0 if there was an answer. Ends the process by SIGALRM after ANSWER_SECONDS.
    """
    # The server that uses PAM may ignore or block the signal, and this process inherits that.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])
    signal.setitimer(signal.ITIMER_REAL, ANSWER_SECONDS)
    try:
        _deliver(json.dumps(report_of(environment)).encode(), path)
    except OSError as error:
        syslog.openlog("vsmtprelay-pam", 0, syslog.LOG_AUTH)
        syslog.syslog(syslog.LOG_ERR, f"{path}: {error}; see systemctl status vsmtprelay-recorder.socket")
        return 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return 0


def report_of(environment: dict[bytes, bytes]) -> dict[str, str]:
    """Return the report of the login that pam_exec(8) describes in ``environment``, as login.py reads it.

    The service is pop3 or imap if the PAM service name contains pop or imap: pop3, pop, imap4, gnu-pop3d ...
    """
    user, service, client = (
        environment.get(name, b"").decode("utf-8", "backslashreplace") for name in (b"PAM_USER", b"PAM_SERVICE", b"PAM_RHOST")
    )
    for protocol, part in (("pop3", "pop"), ("imap", "imap")):
        if part in service:
            service = protocol
    return {"rip": client, "service": service, "user": user, "domain": user.rpartition("@")[2] if "@" in user else ""}


def _deliver(report: bytes, path: str) -> None:
    """Send ``report`` and wait for any answer. Raises OSError if there is none."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(path)
        connection.sendall(
            b"POST %s?command=allow HTTP/1.1\r\nHost: vsmtprelay.invalid\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\nConnection: close\r\n\r\n%s" % (PATH.encode(), len(report), report)
        )
        if not connection.recv(1):
            raise ConnectionResetError("closed without an answer")
