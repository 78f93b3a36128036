# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The running sendmail daemon of a sendmail.cf: find it, check whether it has read the present file, reload it.

After reading its configuration, a daemon writes its process id and its command line into the file that the
option PidFile names. On SIGHUP it executes itself again with the same command line, under a new process id
unless it runs in the foreground (-bD), and rewrites that file (restart_daemon() and log_sendmail_pid() in
sendmail's source). Open sessions continue. A daemon that does not come back is started as it was before, by
its systemd unit or its command line.
"""

from __future__ import annotations

import os
import re
import signal
import time

from .. import programs
from ..errors import BusyError, RelayError, UnreadableError, UnwritableError
from ..files import text_file

DEFAULT_PID_FILE = "/var/run/sendmail.pid"
DEFAULT_CONFIGURATION = "/etc/mail/sendmail.cf"
SYSTEMCTL = "systemctl"
RESTART_SECONDS = 20.0
POLL_SECONDS = 0.05

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


class Daemon:
    """The daemon that serves the sendmail.cf at ``path``, running or not."""

    def __init__(self, path: str) -> None:
        """Look up its PidFile. Raises UnreadableError if the configuration is missing or cannot be read."""
        content = text_file.read(path)
        if content is None:
            raise UnreadableError(f"{path}: no such file; check the path")
        self.path = path
        self.pid_file = _pid_file_in(content) or DEFAULT_PID_FILE
        self._start: Sequence[str] = ()

    def process_id(self) -> int | None:
        """Return the process id of the daemon, or None if no daemon runs with this configuration.

        Copied files can name the same PidFile; ``-C`` on the command line decides which of them the daemon serves.
        """
        process_id, command = self._noted()
        # By now the process id can belong to another program.
        if process_id is None or "sendmail" not in os.path.basename(_program(process_id)):
            return None
        named = re.findall(r"\s-C\s*(\S+)", command)
        served = named[-1] if named else DEFAULT_CONFIGURATION
        return process_id if os.path.realpath(served) == os.path.realpath(self.path) else None

    def is_behind(self) -> bool:
        """Return whether the daemon runs and started before the file last changed.

        It compares ctime, the time of the last change of name or content, which cannot be set by hand as mtime can.
        """
        if self.process_id() is None:
            return False
        return 0 < self._written() <= os.stat(self.path).st_ctime_ns

    def request_reload(self) -> tuple[int, int] | None:
        """Send SIGHUP; return the argument for wait_until_back(), or None if no daemon runs. Raises UnwritableError."""
        process_id, written = self.process_id(), self._written()
        if process_id is None:
            return None
        # A sendmail.cf can name any file as its PidFile.
        trusted = os.stat(self.pid_file).st_uid in (0, os.geteuid())
        self._start = _start_of(process_id, self._noted()[1].split()) if trusted else ()
        try:
            os.kill(process_id, signal.SIGHUP)
        except ProcessLookupError:
            return None
        except PermissionError:
            raise UnwritableError(
                f"{self.pid_file}: no permission to signal the sendmail daemon {process_id}; run this as root"
            ) from None
        return process_id, written

    def wait_until_back(self, before: tuple[int, int]) -> None:
        """Wait until the daemon has rewritten its PidFile; ``before`` is the result of request_reload().

        Raises BusyError after RESTART_SECONDS.
        """
        process_id, written = before
        end = time.monotonic() + RESTART_SECONDS
        while self._written() == written or self.process_id() is None:
            if time.monotonic() > end:
                raise BusyError(
                    f"{self.path}: the sendmail daemon {process_id} did not come back within {RESTART_SECONDS:g} seconds"
                )
            time.sleep(POLL_SECONDS)

    def start_again(self) -> None:
        """Start the daemon that did not come back after SIGHUP, as it was started before, and wait until it is back.

        Raises BusyError after RESTART_SECONDS, UnwritableError or UnreadableError if it cannot be started.
        """
        process_id, written = self.process_id(), self._written()
        if not self._start:
            raise UnwritableError(f"{self.pid_file}: does not belong to root, so root does not run the command in it")
        if process_id is not None and self._start[0] != SYSTEMCTL:
            os.kill(process_id, signal.SIGTERM)
        programs.start(self._start)
        self.wait_until_back((process_id or 0, written))

    def _noted(self) -> tuple[int | None, str]:
        """Return the process id and the command line in the PidFile."""
        lines = (text_file.read(self.pid_file) or b"").splitlines()
        if not lines or not lines[0].strip().isdigit():
            return None, ""
        return int(lines[0]), os.fsdecode(lines[1]) if len(lines) > 1 else ""

    def _written(self) -> int:
        """Return the mtime of the PidFile, in nanoseconds since the epoch, or 0 if there is no file."""
        try:
            return os.stat(self.pid_file).st_mtime_ns
        except FileNotFoundError:
            return 0


def _pid_file_in(content: bytes) -> str:
    """Return the last PidFile that the configuration names, or an empty string."""
    # Backwards from the end, and only matching lines, since a host can have a thousand files of two thousand lines each.
    at = content.rfind(b"PidFile=")
    while at >= 0:
        found = re.compile(rb"O +PidFile=([^\s#]+)").match(content, content.rfind(b"\n", 0, at) + 1)
        if found:
            return os.fsdecode(found.group(1))
        at = content.rfind(b"PidFile=", 0, at)
    return ""


def _program(process_id: int) -> str:
    """Return the path of the executable of the process, or an empty string if there is no such process."""
    try:
        return os.readlink(f"/proc/{process_id}/exe")
    except OSError:
        return ""


def _start_of(process_id: int, command: Sequence[str]) -> Sequence[str]:
    """Return the command that starts the daemon with this process id and this command line."""
    unit = _unit_of(process_id)
    if unit:
        return [SYSTEMCTL, "restart", unit]
    program = command[0] if command and os.path.isabs(command[0]) else _program(process_id)
    return [program, *command[1:]]


def _unit_of(process_id: int) -> str:
    """Return the systemd service of sendmail that the process belongs to (systemd.unit(5)), or an empty string."""
    control_groups = os.fsdecode(text_file.read(f"/proc/{process_id}/cgroup") or b"")
    # A daemon started by hand is in the control group of its starter.
    units = re.findall(r"/([^/\n]*sendmail[^/\n]*[.]service)$", control_groups, re.MULTILINE)
    return units[0] if units else ""


def _nothing(_path: str) -> bool:
    return False


def reload(daemons: Iterable[Daemon], restore: Callable[[str], bool] = _nothing) -> tuple[list[str], list[str]]:
    """Reload all ``daemons`` in parallel, and wait for them.

    Returns the paths of the configurations that were reread, and a message for each daemon that could not be
    signalled or did not come back. Daemons that do not run are left alone. ``restore`` is called with the
    configuration of each daemon that did not come back: it restores the old file and returns whether there
    was one, and the daemon is started with it.
    """
    waiting, done, failures = [], [], []
    for daemon in daemons:
        try:
            before = daemon.request_reload()
        except UnwritableError as error:
            failures.append(str(error))
            continue
        if before is not None:
            waiting.append((daemon, before))
    for daemon, before in waiting:
        try:
            daemon.wait_until_back(before)
            done.append(daemon.path)
        except BusyError as error:
            failures.append(f"{error} after SIGHUP; {_outcome(daemon, restore)}; look into the mail log")
    return done, failures


def _outcome(daemon: Daemon, restore: Callable[[str], bool]) -> str:
    """Restore the old configuration of a daemon that did not come back, and return the outcome as text."""
    try:
        if not restore(daemon.path):
            return "start it by hand"
        daemon.start_again()
    except RelayError as error:
        return f"with the old file it does not come back either ({error}): start it by hand"
    return "the old file is in place again, and it runs with that"
