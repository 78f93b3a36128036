# SPDX-License-Identifier: GPL-3.0-or-later
"""A customer, an ordinary user with a tree; and a daemon of sendmail."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sendmail import sandbox
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sendmail.daemon import Daemon

from .daemons import configuration

# Whoever starts the tests may ignore it (nohup), and a shell cannot set a trap for a signal that it inherits as ignored.
signal.signal(signal.SIGHUP, signal.SIG_DFL)


class Customer:
    """A user without an entry in the user database, and a directory of that user's."""

    def __init__(self, directory):
        # Of this process alone: tests run in several at a time.
        self.uid = 100_000 + os.getpid()
        self.directory = directory
        os.chown(directory, self.uid, -1)

    def sh(self, script):
        """Return what a shell prints that root runs with the rights of this user."""
        return sandbox.run(self.uid, ["sh", "-c", script]).text

    def write(self, name, content):
        """Write a file of this user's; return its path."""
        path = self.directory / name
        path.write_bytes(content)
        os.chown(path, self.uid, -1)
        return str(path)

    def processes(self, name=""):
        """Return the ids of this user's processes, or of those that run ``name``."""
        return [process.name for process in Path("/proc").iterdir() if process.name.isdigit() and self._runs(process, name)]

    def _runs(self, process, name):
        try:
            return process.stat().st_uid == self.uid and (not name or (process / "comm").read_text() == f"{name}\n")
        except OSError:
            return False


@pytest.fixture
def customer():
    """Yield a Customer whose directory is not below /tmp, which a sandbox hides."""
    path = tempfile.mkdtemp(prefix="vsmtprelay-test-", dir="/var/tmp")
    os.chmod(path, 0o755)
    yield Customer(Path(path))
    shutil.rmtree(path)


@pytest.fixture
def start(tmp_path, eventually):
    """Return what starts a program called sendmail, for a sendmail.cf that names its PidFile, and returns its daemon."""
    program, pid_file, fifo = tmp_path / "sendmail", tmp_path / "sendmail.pid", tmp_path / "fifo"
    os.mkfifo(fifo)
    processes = []
    daemon = Daemon(configuration(tmp_path, pid_file))

    def start(script, served=daemon.path, shell="bash"):
        shutil.copy(shutil.which(shell), program)
        (tmp_path / "script").write_text(script)
        processes.append(subprocess.Popen([program, tmp_path / "script", program, pid_file, fifo, served]))
        eventually(pid_file.exists)
        return daemon

    yield start
    last = daemon.process_id()
    pid_file.unlink(missing_ok=True)
    for process in processes:
        process.wait(10)
    if last:
        eventually(lambda: not os.path.exists(f"/proc/{last}/exe"))
