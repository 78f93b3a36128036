# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The running sendmail daemon of a sendmail.cf: find it, check whether it has read the present file, reload it.

After reading its configuration, a daemon writes its process id and its command line into the file that the
option PidFile names. On SIGHUP it executes itself again with the same command line, under a new process id
unless it runs in the foreground (-bD), and rewrites that file (restart_daemon() and log_sendmail_pid() in
sendmail's source). Open sessions continue. A daemon that does not come back is started as it was before, by
its systemd unit or its command line.

The owner of a virtual server can write any process id and any command into a PidFile, and can make root's own
files appear under its name. So a PidFile in their tree, or named by a sendmail.cf there, only says which process
to look at. That process is the daemon if it runs root's sendmail program, and runs either as that owner or in a
systemd unit of root's that names the sendmail.cf with -C. /proc/PID/cmdline says nothing about that, because a
daemon overwrites it with a title (setproctitle() in conf/conf.c). Nothing of such a PidFile is run.
"""

from __future__ import annotations

import os
import re
import signal
import stat
import time

from .. import programs
from ..errors import BusyError, RelayError, UnreadableError, UnwritableError
from ..files import text_file
from ..files.owner import RightsOfOwner, writer_of
from . import processes

DEFAULT_PID_FILE = "/var/run/sendmail.pid"
DEFAULT_CONFIGURATION = "/etc/mail/sendmail.cf"
SYSTEMCTL = "systemctl"
SECONDS_TO_SHOW = 10.0
RESTART_SECONDS = 20.0
POLL_SECONDS = 0.05
LARGEST_PID_FILE = 1 << 20
LONGEST_PATH = 4096  # PATH_MAX; a longer name takes long to look up

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class Daemon:
    """The daemon that serves the sendmail.cf at ``path``, running or not."""

    def __init__(self, path: str) -> None:
        """Look up its PidFile.

        Raises UnreadableError if the configuration is missing, or if it or its PidFile cannot be read, and
        UnwritableError if one of them lies in a tree of several users.
        """
        # One block for each file: its owner is looked for once.
        with RightsOfOwner(path):
            content = text_file.read(path, text_file.LARGEST_CONFIGURATION)
            writer = writer_of(path)
        if content is None:
            raise UnreadableError(f"{path}: no such file; check the path")
        self.path = path
        self.pid_file = _pid_file_in(content) or DEFAULT_PID_FILE
        if len(self.pid_file) > LONGEST_PATH:
            raise UnreadableError(f"{path}: the name of its PidFile has {len(self.pid_file)} characters; correct that option")
        # The other user who can write what is read here, if there is one.
        owners = [uid for uid in (writer, writer_of(self.pid_file)) if uid not in (None, os.geteuid())]
        self._owner = owners[0] if owners else None
        self._start: Sequence[str] = ()
        # Whether a systemd unit names this file.
        self._units: dict[str, bool] = {}
        self._noted()

    def process_id(self) -> int | None:
        """Return the process id of the daemon, or None if no daemon runs with this configuration.

        Copied files can name the same PidFile; ``-C`` on the command line decides which of them the daemon serves.
        """
        process_id = self._claimed()
        return None if process_id is None or self._doubt(process_id) else process_id

    def is_claimed(self) -> bool:
        """Return whether the PidFile names a sendmail process as the daemon, which refusal() may doubt."""
        return self._claimed() is not None

    def refusal(self) -> str:
        """Return the message that the process in the PidFile is not proven to be the daemon, or an empty string."""
        process_id = self._claimed()
        doubt = "" if process_id is None else self._doubt(process_id)
        if not doubt:
            return ""
        return f"{self.path}: a sendmail daemon (process {process_id}) seems to serve it, but {doubt}; restart it by hand"

    def is_behind(self) -> bool:
        """Return whether the daemon runs and started before the file last changed; it may be one that reload() refuses.

        It compares ctime, the time of the last change of name or content, which cannot be set by hand as mtime can.
        """
        try:
            changed = os.stat(self.path).st_ctime_ns
        except OSError:
            return False
        return 0 < self._written() <= changed and self._claimed() is not None

    def request_reload(self) -> tuple[int, int] | None:
        """Send SIGHUP; return the argument for wait_until_back(), or None if no daemon runs.

        Raises UnwritableError if this process may not signal the daemon, or must not.
        """
        refusal = self.refusal()
        if refusal:
            raise UnwritableError(refusal)
        self._wait_until_started()
        process_id, written = self._claimed(), self._written()
        if process_id is None:
            return None
        self._start = self._command_to_start(process_id)
        return (process_id, written) if self._send(process_id, signal.SIGHUP) else None

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

    def _wait_until_started(self) -> None:
        """Wait while the daemon starts, RESTART_SECONDS at most.

        SIGHUP ends it until it catches that signal (main() in sendmail's source), while the PidFile of its last start still
        names it. systemd calls such an end a success, and leaves the service stopped.
        """
        is_starting, end = False, time.monotonic() + RESTART_SECONDS
        while time.monotonic() < end:
            process_id = self._claimed()
            if process_id is None and not is_starting:
                return
            if process_id is not None and (processes.survives(process_id, signal.SIGHUP) or self._doubt(process_id)):
                return
            is_starting = True
            time.sleep(POLL_SECONDS)

    def start_again(self) -> None:
        """Start the daemon that did not come back after SIGHUP, as it was started before, and wait until it is back.

        Raises BusyError after RESTART_SECONDS, UnwritableError or UnreadableError if it cannot be started.
        """
        process_id, written = self.process_id(), self._written()
        if not self._start:
            raise UnwritableError(f"{self.pid_file}: root does not run the command in it, which another user can write")
        if process_id is not None and self._start[0] != SYSTEMCTL:
            self._send(process_id, signal.SIGTERM)
        programs.start(self._start)
        self.wait_until_back((process_id or 0, written))

    def _noted(self) -> tuple[int | None, str]:
        """Return the process id and the command line in the PidFile. Raises UnreadableError or UnwritableError."""
        try:
            content = text_file.read(self.pid_file, LARGEST_PID_FILE)
        except UnreadableError:
            content = _file_of_root(self.pid_file) if self._owner is not None else None
            if content is None:
                raise
        lines = (content or b"").splitlines()
        number = re.fullmatch(rb"\s*([0-9]{1,9})\s*", lines[0]) if lines else None
        if number is None:
            return None, ""
        return int(number.group(1)), os.fsdecode(lines[1]) if len(lines) > 1 else ""

    def _written(self) -> int:
        """Return the mtime of the PidFile, in nanoseconds since the epoch, or 0 if there is no file."""
        try:
            return os.stat(self.pid_file).st_mtime_ns
        except OSError:
            return 0

    def _claimed(self) -> int | None:
        """Return the id of the sendmail process that serves this file according to the PidFile, or None."""
        try:
            process_id, command = self._noted()
        except RelayError:
            return None
        # By now the process id can belong to another program.
        if process_id is None or not processes.runs_sendmail(process_id):
            return None
        served = _configuration_in(command) or DEFAULT_CONFIGURATION
        return process_id if os.path.realpath(served) == os.path.realpath(self.path) else None

    def _doubt(self, process_id: int) -> str:
        """Return the reason why this sendmail process may not be the daemon of this file, or an empty string."""
        if self._owner is None:
            return ""
        if not processes.runs_program_of_root(process_id):
            return "its program does not belong to root alone"
        # The owner could signal it as well: kill(2) compares the real user id.
        if processes.real_uid(process_id) == self._owner or self._unit(process_id):
            return ""
        return "it runs neither as the owner of that tree nor in a systemd unit that names this file with -C"

    def _unit(self, process_id: int) -> str:
        """Return the systemd service that the daemon was started by, or an empty string."""
        group = processes.control_group_of(process_id)
        unit = processes.service_of(group)
        if self._owner is None:
            # A daemon started by hand is in the control group of its starter.
            return unit if "sendmail" in unit else ""
        # What a daemon starts, the programs of its users included, is in its control group.
        if not unit or processes.control_group_of(processes.parent_of(process_id)) == group:
            return ""
        if unit not in self._units:
            self._units[unit] = self._is_named_by(unit, group)
        return unit if self._units[unit] else ""

    def _is_named_by(self, unit: str, group: str) -> bool:
        """Return whether root's ``unit`` starts a daemon with this file, in the control group ``group``."""
        names = "--property=ControlGroup,DropInPaths,ExecStart,FragmentPath"
        try:
            shown = programs.run([SYSTEMCTL, "show", names, "--", unit], SECONDS_TO_SHOW)
            properties = dict(line.partition("=")[::2] for line in shown.text.splitlines())
            files = [properties.get("FragmentPath", ""), *properties.get("DropInPaths", "").split()]
            # A user's unit can have the same name in a manager of their own; and "systemctl link" takes a file from anywhere.
            if properties.get("ControlGroup") != group or not files[0] or any(writer_of(file) is not None for file in files):
                return False
            started = re.search(r"argv\[\]=(.*?) ; ignore_errors=", properties.get("ExecStart", ""))
            served = _configuration_in(started.group(1)) if started else ""
            # Their own links may lead to their own files only: not from their sendmail.cf to the one of the host.
            return (
                os.path.isabs(served)
                and os.path.realpath(served) == os.path.realpath(self.path)
                and writer_of(served) == writer_of(self.path)
            )
        except RelayError:
            return False

    def _command_to_start(self, process_id: int) -> Sequence[str]:
        """Return the command that starts the daemon with this process id again, empty if that is left to its owner."""
        unit = self._unit(process_id)
        if unit:
            return [SYSTEMCTL, "restart", unit]
        try:
            noted = os.stat(self.pid_file)
            if self._owner is not None or noted.st_uid not in (0, os.geteuid()) or noted.st_mode & stat.S_IWOTH:
                return []
            command = self._noted()[1].split()
        except (OSError, RelayError):
            return []
        program = command[0] if command and os.path.isabs(command[0]) else processes.program_of(process_id)
        return [program, *command[1:]]

    def _send(self, process_id: int, number: int) -> bool:
        """Send the signal ``number`` to the daemon; return whether there still was one. Raises UnwritableError."""
        descriptor = -1
        try:
            # From here on the descriptor stands for this process, even if another one gets its id (pidfd_open(2)).
            descriptor = processes.descriptor_of(process_id)
            if not processes.runs_sendmail(process_id) or self._doubt(process_id):
                return False
            if descriptor >= 0:
                signal.pidfd_send_signal(descriptor, number)
            else:
                os.kill(process_id, number)
        except ProcessLookupError:
            return False
        except PermissionError:
            raise UnwritableError(
                f"{self.pid_file}: no permission to signal the sendmail daemon {process_id}; run this as root"
            ) from None
        finally:
            if descriptor >= 0:
                os.close(descriptor)
        return True


def _file_of_root(path: str) -> bytes | None:
    """Return the beginning of root's file at ``path`` in another user's tree, who may not read it; None if it is not root's.

    That is the PidFile of a daemon of root's: it has the mode TempFileMode, in Debian 0640.
    """
    looked_at = opened = -1
    try:
        # The owner can put anything there at any time. To open a device does something to it, which O_PATH avoids (open(2)).
        looked_at = os.open(path, os.O_PATH | os.O_CLOEXEC)
        status = os.fstat(looked_at)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != 0 or status.st_size > LARGEST_PID_FILE:
            return None
        # The same is true of reading some of the files of the kernel, such as /proc/kmsg; they have no blocks.
        if status.st_blocks == 0:
            return None
        opened = os.open(f"/proc/self/fd/{looked_at}", os.O_RDONLY | os.O_CLOEXEC)
        return os.read(opened, LONGEST_PATH)
    except OSError:
        return None
    finally:
        for descriptor in (looked_at, opened):
            if descriptor >= 0:
                os.close(descriptor)


def _pid_file_in(content: bytes) -> str:
    """Return the last PidFile that the configuration names, or an empty string."""
    # Backwards from the end, and only matching lines, since a host can have a thousand files of two thousand lines each.
    at = content.rfind(b"PidFile=")
    while at >= 0:
        line = content.rfind(b"\n", 0, at) + 1
        found = re.compile(rb"O +PidFile=([^\s#\0]+)").match(content, line)
        if found:
            return os.fsdecode(found.group(1))
        at = content.rfind(b"PidFile=", 0, line)
    return ""


def _configuration_in(command: str) -> str:
    """Return the sendmail.cf that a command line of sendmail names, or an empty string."""
    named = re.findall(r"\s-C\s*([^\s\0]+)", command)
    return named[-1] if named and len(named[-1]) <= LONGEST_PATH else ""
