# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Child processes: the modules, the command and the recorder start every program through this module.

A child never inherits standard input. Without pipelining, Ansible's default, ssh gives a module a terminal
(ssh -tt), and a program that reads from it blocks forever. For the same reason a child runs in a new
session, so that it cannot open /dev/tty either, and under a deadline.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time

from .errors import BusyError, MalformedError, UnreadableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# After su, root's PATH can be a user's PATH without these directories. dpkg, for one, needs them.
SYSTEM_DIRECTORIES = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin")
# The size of a pipe (pipe(7)).
PIPE_BYTES = 65536
# Deadline of a program that only reports something, in seconds.
SECONDS_TO_REPORT = 60.0
# Deadline for systemd to restart a unit: twice its default of 90 seconds, plus a margin (systemd-system.conf(5)).
SECONDS_TO_START = 240.0
# Deadline of a package manager.
SECONDS_TO_INSTALL = 1800.0


class Ended:
    """The result of a program: its exit status, negative for a signal, its output and its error output."""

    __slots__ = ("errors", "output", "status")

    def __init__(self, status: int, output: bytes, errors: bytes) -> None:
        self.status = status
        self.output = output
        self.errors = errors

    @property
    def text(self) -> str:
        """Its standard output, as text."""
        return self.output.decode("utf-8", "replace")

    @property
    def complaint(self) -> str:
        """The reason of a failure: its error output, else its output, else its exit status."""
        said = self.errors.decode("utf-8", "replace").strip() or self.text.strip()
        return said or f"exit status {self.status}"


def run(
    command: Sequence[str],
    seconds: float,
    data: bytes = b"",
    directory: str = "/",
    descriptors: Sequence[int] = (),
    most: int | None = None,
) -> Ended:
    """Run ``command`` in ``directory`` with ``data`` as its standard input, and wait for it to end.

    The program inherits ``descriptors`` under the same numbers. ``most`` is the largest output, in bytes, of a program
    that is not trusted to have an end; standard output and error output count together.

    Raises BusyError if the program, or a child that inherited its output, runs for more than ``seconds``,
    and MalformedError if it prints more than ``most``: its session is killed. Raises UnreadableError if there is no
    such program.
    """
    try:
        # AnsibleModule.run_command() has no deadline, passes the terminal on, and does not exist in the programs on targets.
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
            if most is None:
                output, errors = process.communicate(data or None, timeout=seconds)
            else:
                printed = _communicate(process, data, seconds, most)
                if printed is None:
                    raise MalformedError(f"{' '.join(command)}: printed more than {most} bytes")
                output, errors = printed
        except BaseException as error:
            _kill_session(process)
            if isinstance(error, subprocess.TimeoutExpired):
                raise BusyError(f"{' '.join(command)}: did not end within {seconds:g} seconds") from None
            raise
    return Ended(process.returncode, output, errors)


def start(command: Sequence[str]) -> None:
    """Start ``command`` so that it outlives this process and its session, and return at once.

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
    """Return the environment of a child: English messages, and a PATH with the system directories."""
    known = os.environ.get("PATH", "").split(os.pathsep)
    path = [*filter(None, known), *(directory for directory in SYSTEM_DIRECTORIES if directory not in known)]
    return {**os.environ, "LC_ALL": "C", "PATH": os.pathsep.join(path)}


def _communicate(process: subprocess.Popen[bytes], data: bytes, seconds: float, most: int) -> tuple[bytes, bytes] | None:
    """Return the output and the error output, as Popen.communicate(), or None if they are larger than ``most``.

    Popen.communicate() keeps whatever a program prints. Raises TimeoutExpired.
    """
    deadline = time.monotonic() + seconds
    printed: dict[int, list[bytes]] = {}
    room = most
    with selectors.DefaultSelector() as selector:
        if process.stdin is not None:
            os.set_blocking(process.stdin.fileno(), False)
            selector.register(process.stdin, selectors.EVENT_WRITE)
        for stream in filter(None, (process.stdout, process.stderr)):
            selector.register(stream, selectors.EVENT_READ)
            printed[stream.fileno()] = []
        while selector.get_map():
            left = deadline - time.monotonic()
            if left <= 0:
                raise subprocess.TimeoutExpired(process.args, seconds)
            for key, _events in selector.select(left):
                if key.fd in printed:
                    chunk = os.read(key.fd, PIPE_BYTES)
                    room -= len(chunk)
                    if room < 0:
                        return None
                    printed[key.fd].append(chunk)
                    if not chunk:
                        selector.unregister(key.fd)
                    continue
                try:
                    data = data[os.write(key.fd, data[:PIPE_BYTES]) :]
                except BrokenPipeError:
                    data = b""  # the program reads no further
                if not data and process.stdin is not None:
                    selector.unregister(key.fd)
                    process.stdin.close()
    process.wait(max(0.0, deadline - time.monotonic()))
    output, errors = (b"".join(chunks) for chunks in printed.values())
    return output, errors


def _kill_session(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _not_run(command: Sequence[str], error: OSError) -> UnreadableError:
    return UnreadableError(f"{command[0]}: cannot be run: {error.strerror}; install it, or check the PATH")
