# SPDX-License-Identifier: GPL-3.0-or-later
"""An engine on this machine: redis-server with TLS, users and an append-only file, which can be killed, hung and replaced."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

# One program that goes by its name. Debian's redis-tools has it under this one. The package redis-server has a link to it,
# and a service that nobody wants on the machine of a developer.
PROGRAM, NAME = "redis-check-rdb", "redis-server"
CONFIGURATION = """port 0
tls-port {port}
bind 127.0.0.1
tls-cert-file {directory}/certificate.pem
tls-key-file {directory}/key.pem
tls-ca-cert-file {directory}/certificate.pem
tls-auth-clients no
tls-protocols "TLSv1.2 TLSv1.3"
dir {data}
appendonly yes
appendfsync everysec
save ""
aclfile {directory}/users.acl
maxmemory {maxmemory}
maxmemory-policy noeviction
proto-max-bulk-len 1mb
client-query-buffer-limit 1mb
daemonize no
logfile {directory}/log
"""
# For the tests' own look at what is on the engine.
ADMIN = "admin-of-tests"


class Engine:
    """A server in ``directory``; it starts with start() and ends with stop() or kill()."""

    def __init__(self, directory: Path, acl_lines: Iterable[str], maxmemory: str = "0") -> None:
        """``acl_lines`` has the user default as well (access.DEFAULT_USER)."""
        self.directory = directory
        self.data = directory / "data"
        self.data.mkdir(parents=True)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.ca = str(directory / "certificate.pem")
        self.process: subprocess.Popen[bytes] | None = None
        self._make_certificate("localhost")
        self.set_users(acl_lines)
        text = CONFIGURATION.format(port=self.port, directory=directory, data=self.data, maxmemory=maxmemory)
        (directory / "server.conf").write_text(text)

    def _make_certificate(self, name: str) -> None:
        arguments = [
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=test",
        ]
        files = ["-keyout", str(self.directory / "key.pem"), "-out", self.ca]
        command = ["openssl", "req", *arguments, "-addext", f"subjectAltName=DNS:{name}", *files]
        subprocess.run(command, check=True, capture_output=True, timeout=60)

    def set_users(self, acl_lines: Iterable[str]) -> None:
        """Write the file of users; it counts from the next start on."""
        lines = [f"user {ADMIN} on >{ADMIN} ~* +@all", *acl_lines]
        (self.directory / "users.acl").write_text("".join(f"{line}\n" for line in lines))

    def start(self) -> None:
        """Start the server, and wait until it takes connections."""
        words = [NAME, str(self.directory / "server.conf")]
        self.process = subprocess.Popen(words, executable=PROGRAM, stdout=subprocess.DEVNULL)
        end = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert time.monotonic() < end, (self.directory / "log").read_text()
                assert self.process.poll() is None, (self.directory / "log").read_text()
                time.sleep(0.01)

    def send(self, number: int) -> None:
        """Send a signal to the server."""
        assert self.process is not None
        os.kill(self.process.pid, number)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End the server if it runs."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(number)
            self.process.wait(20)
            self.process = None

    def kill(self) -> None:
        """Kill the server."""
        self.stop(signal.SIGKILL)

    def empty(self) -> None:
        """Take all of its files away; it must not run."""
        shutil.rmtree(self.data)
        self.data.mkdir()

    def copy(self, name: str) -> None:
        """Keep a copy of its files as they are now, under ``name``."""
        shutil.copytree(self.data, self.directory / name)

    def roll_back(self, name: str) -> None:
        """Replace its files by the copy ``name``; it must not run."""
        shutil.rmtree(self.data)
        shutil.copytree(self.directory / name, self.data)
