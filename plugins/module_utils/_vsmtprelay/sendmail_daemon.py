# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The running sendmail daemon of a sendmail.cf: find it, tell whether it has read the file as it is, have it reread it.

A daemon writes its process id and its command line into the file that the option PidFile names, after it has read its
configuration. On SIGHUP it starts itself anew with the old command line, under another process id unless it runs in the
foreground (-bD), and writes that file again (restart_daemon() and log_sendmail_pid() in sendmail's source). Sessions that are
open go on.
"""

from __future__ import annotations

import os
import re
import signal
import time

from . import text_file
from .errors import BusyError, UnreadableError, UnwritableError

DEFAULT_PID_FILE = "/var/run/sendmail.pid"
DEFAULT_CONFIGURATION = "/etc/mail/sendmail.cf"
RESTART_SECONDS = 20.0
POLL_SECONDS = 0.05

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class Daemon:
    """The daemon that serves the sendmail.cf at ``path``, running or not."""

    def __init__(self, path: str) -> None:
        """Find out where its PidFile is. Raises UnreadableError if there is no such configuration or it cannot be read."""
        content = text_file.read(path)
        if content is None:
            raise UnreadableError(f"{path}: no such file; check the path")
        self.path = path
        self.pid_file = _pid_file_in(content) or DEFAULT_PID_FILE

    def process_id(self) -> int | None:
        """Return the process id of the daemon, or None if none runs with this configuration.

        Files that were copied can name the same PidFile; which of them the daemon serves says ``-C`` on its command line.
        """
        lines = (text_file.read(self.pid_file) or b"").splitlines()
        if not lines or not lines[0].strip().isdigit():
            return None
        process_id, command = int(lines[0]), os.fsdecode(lines[1]) if len(lines) > 1 else ""
        try:
            program = os.readlink(f"/proc/{process_id}/exe")
        except OSError:
            return None
        # A process id can be somebody else's by now.
        if "sendmail" not in os.path.basename(program):
            return None
        named = re.findall(r"\s-C\s*(\S+)", command)
        served = named[-1] if named else DEFAULT_CONFIGURATION
        return process_id if os.path.realpath(served) == os.path.realpath(self.path) else None

    def is_behind(self) -> bool:
        """Tell whether the daemon runs and started before the file became what it is.

        The time at which the file got its name or content (ctime) cannot be set by hand, as that of its content can.
        """
        if self.process_id() is None:
            return False
        return 0 < self._written() <= os.stat(self.path).st_ctime_ns

    def tell(self) -> tuple[int, int] | None:
        """Send SIGHUP; return what wait_until_back() wants to know, or None if no daemon runs. Raises UnwritableError."""
        process_id, written = self.process_id(), self._written()
        if process_id is None:
            return None
        try:
            os.kill(process_id, signal.SIGHUP)
        except ProcessLookupError:
            return None
        except PermissionError:
            raise UnwritableError(
                f"{self.pid_file}: no permission to signal the sendmail daemon {process_id}; run this as root"
            ) from None
        return process_id, written

    def wait_until_back(self, told: tuple[int, int]) -> None:
        """Return once the daemon has written its PidFile anew; ``told`` is what tell() returned.

        Raises BusyError after RESTART_SECONDS.
        """
        process_id, written = told
        end = time.monotonic() + RESTART_SECONDS
        while self._written() == written or self.process_id() is None:
            if time.monotonic() > end:
                raise BusyError(
                    f"{self.path}: the sendmail daemon {process_id} did not come back within {RESTART_SECONDS:g} seconds "
                    "after SIGHUP; look into the mail log"
                )
            time.sleep(POLL_SECONDS)

    def _written(self) -> int:
        """Return when the PidFile was written, in nanoseconds since the epoch, or 0 if there is none."""
        try:
            return os.stat(self.pid_file).st_mtime_ns
        except FileNotFoundError:
            return 0


def _pid_file_in(content: bytes) -> str:
    """Return the last PidFile that the configuration names, or an empty string."""
    # Backwards from the end, and only the lines in question: a host can have a thousand files of two thousand lines each.
    at = content.rfind(b"PidFile=")
    while at >= 0:
        found = re.compile(rb"O +PidFile=([^\s#]+)").match(content, content.rfind(b"\n", 0, at) + 1)
        if found:
            return os.fsdecode(found.group(1))
        at = content.rfind(b"PidFile=", 0, at)
    return ""


def reload(daemons: Iterable[Daemon]) -> tuple[list[str], list[str]]:
    """Have all ``daemons`` reread their configuration side by side, and wait for them.

    Return the paths of the configurations that were reread, and a message for each daemon that could not be told or did
    not come back. Those that do not run are left alone.
    """
    told, done, failures = [], [], []
    for daemon in daemons:
        try:
            before = daemon.tell()
        except UnwritableError as error:
            failures.append(str(error))
            continue
        if before is not None:
            told.append((daemon, before))
    for daemon, before in told:
        try:
            daemon.wait_until_back(before)
            done.append(daemon.path)
        except BusyError as error:
            failures.append(str(error))
    return done, failures
