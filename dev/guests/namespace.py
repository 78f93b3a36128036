# SPDX-License-Identifier: GPL-3.0-or-later
"""One network namespace: commands in it, and sockets of this process that belong to it."""

import ctypes
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from .errors import CommandFailed

CLONE_NEWNET = 0x40000000
NAMESPACES = Path("/run/netns")
_LIBC = ctypes.CDLL(None, use_errno=True)


def run_command(
    command: Sequence[str],
    *,
    input: str | None = None,  # pylint: disable=redefined-builtin
    check: bool = True,
    timeout: float | None = 60,
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run COMMAND, give it INPUT (nothing if None), return its status, output and errors as text.

    timeout is in seconds; past it the command and what it started in its process group are killed
    and subprocess.TimeoutExpired is raised. Raises CommandFailed (a CalledProcessError) on another
    status than 0, unless check is False. env is added to the environment.
    """
    with subprocess.Popen(
        [str(word) for word in command],
        stdin=subprocess.PIPE if input is not None else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env={**os.environ, **env} if env else None,
        cwd=cwd,
        start_new_session=True,
    ) as process:
        try:
            output, errors = process.communicate(input, timeout=timeout)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if check and process.returncode != 0:
        raise CommandFailed(process.returncode, command, output, errors)
    return subprocess.CompletedProcess(command, process.returncode, output, errors)


class Namespace:
    """A named network namespace as ip-netns(8) keeps them."""

    def __init__(self, name: str) -> None:
        """Stand for the namespace NAME, which need not exist yet."""
        self.name = name
        self.file = NAMESPACES / name

    def exists(self) -> bool:
        """Return whether the namespace is there and usable (a bare leftover file is not)."""
        if not self.file.exists():
            return False
        return run_command([*self.enter(), "true"], check=False).returncode == 0

    def create(self) -> None:
        """Create the namespace anew, with its loopback interface up."""
        self.delete()
        run_command(["ip", "netns", "add", self.name])
        self.ip("link set lo up")

    def delete(self) -> None:
        """Delete the namespace and the veths in it; no error where it does not exist."""
        if self.file.exists():
            run_command(["ip", "netns", "delete", self.name], check=False)
            self.file.unlink(missing_ok=True)

    def ip(self, *lines: str) -> None:
        """Run the ip(8) commands LINES in the namespace as one batch; raises CommandFailed."""
        run_command(["ip", "-netns", self.name, "-batch", "-"], input="\n".join(lines) + "\n")

    def enter(self) -> list[str]:
        """Return the words to put before a command so that it runs in the namespace.

        Not `ip netns exec`: that makes a mount namespace and remounts /sys for every command.
        """
        return ["nsenter", f"--net={self.file}", "--"]

    def run(self, command: Sequence[str], **options) -> subprocess.CompletedProcess[str]:
        """Run COMMAND in the namespace; options, result and exceptions as in run_command."""
        return run_command([*self.enter(), *command], **options)

    def connect(self, address: str, port: int, timeout: float = 5, source: str = "") -> socket.socket:
        """Return a TCP connection to ADDRESS, made from inside the namespace; raises OSError.

        SOURCE is the address that it comes from, "" for the namespace's usual one.
        """
        result: list[socket.socket | OSError] = []

        def work() -> None:
            try:
                with open(self.file, "rb") as namespace:
                    if _LIBC.setns(namespace.fileno(), CLONE_NEWNET) != 0:
                        code = ctypes.get_errno()
                        raise OSError(code, os.strerror(code))
                result.append(socket.create_connection((address, port), timeout, (source, 0) if source else None))
            except OSError as error:
                result.append(error)

        # setns() moves one thread only, so a thread of its own need not find its way back.
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        if isinstance(result[0], OSError):
            raise result[0]
        return result[0]
