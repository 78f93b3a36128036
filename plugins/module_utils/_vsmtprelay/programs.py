# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running other programs: the modules, the command and the recorder run them here alone.

A child never gets the standard input of its parent. Without pipelining, as Ansible comes, ssh gives a module a terminal
(ssh -tt), and a program that reads from it waits for ever. For the same reason a child has a session of its own, so that it
cannot open /dev/tty either, and a time limit.
"""

from __future__ import annotations

import os
import signal
import subprocess

from .errors import BusyError, UnreadableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# The PATH that su leaves to root can be a user's, without these; dpkg, for one, wants them.
SYSTEM_DIRECTORIES = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin")
# How long a program may take that only tells something, in seconds.
SECONDS_TO_TELL = 60.0
# How long systemd may take to stop a unit and start it again: twice its own 90 seconds, and some (systemd-system.conf(5)).
SECONDS_TO_START = 240.0
# How long a package manager may take.
SECONDS_TO_INSTALL = 1800.0


class Ended:
    """What became of a program: its exit status, negative for a signal, and what it wrote."""

    __slots__ = ("errors", "output", "status")

    def __init__(self, status: int, output: bytes, errors: bytes) -> None:
        self.status = status
        self.output = output
        self.errors = errors

    @property
    def text(self) -> str:
        """What it wrote to the standard output, as text."""
        return self.output.decode("utf-8", "replace")

    @property
    def complaint(self) -> str:
        """What it said against what it was asked: its error output, else its output, else its status."""
        said = self.errors.decode("utf-8", "replace").strip() or self.text.strip()
        return said or f"exit status {self.status}"


def run(
    command: Sequence[str], seconds: float, data: bytes = b"", directory: str = "/", descriptors: Sequence[int] = ()
) -> Ended:
    """Run ``command`` in ``directory`` with ``data`` as its standard input, and wait for its end.

    ``descriptors`` are files that it may use as well, under the same numbers.

    Raises BusyError if it, or a child of it that has its output, did not end after ``seconds``: then both are killed.
    Raises UnreadableError if there is no such program.
    """
    try:
        # AnsibleModule.run_command() has no time limit, hands the terminal on, and is not there in the programs on targets.
        # pylint: disable-next=ansible-bad-function
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE if data else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=directory,
            env=_environment(),
            pass_fds=descriptors,
            start_new_session=True,
        )
    except OSError as error:
        raise _not_run(command, error) from None
    with process:
        try:
            output, errors = process.communicate(data or None, timeout=seconds)
        except BaseException as error:
            _kill_session(process)
            if isinstance(error, subprocess.TimeoutExpired):
                raise BusyError(f"{' '.join(command)}: did not end within {seconds:g} seconds") from None
            raise
    return Ended(process.returncode, output, errors)


def start(command: Sequence[str]) -> None:
    """Start ``command``, which is to outlive this process and its session, and return at once.

    Raises UnreadableError if there is no such program.
    """
    try:
        # pylint: disable-next=ansible-bad-function,consider-using-with
        subprocess.Popen(
            command,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=_environment(),
            start_new_session=True,
        )
    except OSError as error:
        raise _not_run(command, error) from None


def _environment() -> dict[str, str]:
    """Return the environment of a child: messages in English, and a PATH in which administration finds its programs."""
    known = os.environ.get("PATH", "").split(os.pathsep)
    path = [*filter(None, known), *(directory for directory in SYSTEM_DIRECTORIES if directory not in known)]
    return {**os.environ, "LC_ALL": "C", "PATH": os.pathsep.join(path)}


def _kill_session(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _not_run(command: Sequence[str], error: OSError) -> UnreadableError:
    return UnreadableError(f"{command[0]}: cannot be run: {error.strerror}; install it, or check the PATH")
