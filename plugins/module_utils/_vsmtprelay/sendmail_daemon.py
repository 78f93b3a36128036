# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The running sendmail daemon of a sendmail.cf: find it, and have it reread its configuration.

A daemon writes its process id into the first line of the file that the option PidFile names, and on SIGHUP starts itself
anew with the old command line, under another process id (restart_daemon() and log_sendmail_pid() in sendmail's source).
Sessions that are open go on.
"""

from __future__ import annotations

import os
import re
import signal
import time

from . import text_file
from .errors import BusyError, UnreadableError, UnwritableError

DEFAULT_PID_FILE = "/var/run/sendmail.pid"
RESTART_SECONDS = 20.0
POLL_SECONDS = 0.05


def pid_file_of(sendmail_cf: str) -> str:
    """Return the path that ``sendmail_cf`` (a path) gives as PidFile. Raises UnreadableError if it cannot be read."""
    content = text_file.read(sendmail_cf)
    if content is None:
        raise UnreadableError(f"{sendmail_cf}: no such file; check the path")
    found = re.findall(r"^O +PidFile=(\S+)", content.decode("utf-8", "surrogateescape"), re.MULTILINE)
    return found[-1] if found else DEFAULT_PID_FILE


def running(pid_file: str) -> int | None:
    """Return the process id of the sendmail daemon that wrote ``pid_file``, or None if there is none."""
    content = text_file.read(pid_file) or b""
    first = content.partition(b"\n")[0].strip()
    if not first.isdigit():
        return None
    try:
        program = os.readlink(f"/proc/{int(first)}/exe")
    except OSError:
        return None
    # A process id can be somebody else's by now.
    return int(first) if "sendmail" in os.path.basename(program) else None


def reload(pid_file: str) -> bool:
    """Have the daemon of ``pid_file`` reread its configuration, and wait until it has; return False if none is running.

    Raises BusyError if it does not come back within RESTART_SECONDS.
    """
    before = running(pid_file)
    if before is None:
        return False
    try:
        os.kill(before, signal.SIGHUP)
    except ProcessLookupError:
        return False
    except PermissionError:
        raise UnwritableError(f"{pid_file}: no permission to signal the sendmail daemon {before}; run this as root") from None
    end = time.monotonic() + RESTART_SECONDS
    while running(pid_file) in (None, before):
        if time.monotonic() > end:
            raise BusyError(
                f"{pid_file}: the sendmail daemon {before} did not come back within {RESTART_SECONDS:g} seconds "
                "after SIGHUP; look into the mail log"
            )
        time.sleep(POLL_SECONDS)
    return True
