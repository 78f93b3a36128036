# SPDX-License-Identifier: GPL-3.0-or-later
"""One guest: a Debian system in systemd-nspawn over an image, with a disk of its own."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import disk, image, journal, process, readiness, recipe, remains, trouble
from .errors import GuestsError
from .namespace import run_command
from .network import Network
from .nspawn import Nspawn
from .process import Process
from .state import State, read_record, write_record

SHUTDOWN_SECONDS = 25

# Until then, systemd-nspawn makes the container; on a busy machine that takes seconds.
PROCESS_1_SECONDS = 30


class Guest:
    """A guest by name; what is known of it lies in the state directory, not in this object."""

    def __init__(self, state: State, network: Network, name: str) -> None:
        """Stand for the guest NAME of STATE, which Lab.guest() has recorded."""
        self._state = state
        self._network = network
        self.name = name
        self.machine = state.full_name(name)
        self.directory = state.guests / name
        self.launched = Nspawn(self.directory, self.machine)
        self.namespace = network.namespace(name)
        self._record_file = self.directory / "guest.json"
        self._leader: tuple[Process, Process] | None = None
        self._turn = threading.RLock()

    @property
    def record(self) -> dict[str, str]:
        """What was decided for this guest: release, address4, address6, image (all text)."""
        record = read_record(self._record_file)
        if record is None:
            raise GuestsError(f"there is no guest {self.name}: boot it first (up {self.name})")
        return record

    @property
    def release(self) -> str:
        """The Debian release, such as "bookworm"."""
        return self.record["release"]

    @property
    def address4(self) -> str:
        """The IPv4 address, without a prefix length."""
        return self.record["address4"]

    @property
    def address6(self) -> str:
        """The IPv6 address, without a prefix length."""
        return self.record["address6"]

    # Running and stopping

    def boot(self, fresh: bool = True) -> None:
        """Start the guest and return as soon as it has a process 1; nothing happens where it already runs.

        A guest that is ending is waited for, and started then. With fresh it starts with the disk of the image, else with the
        disk as it was left. Builds the image where it is missing. Raises GuestsError, with all that is known where the guest
        ends at once.
        """
        with self._turn, self._state.locked(f"guest-{self.name}"):
            if self._stays():
                return
            self._clear_remains()
            upper = self.directory / "upper"
            fresh = fresh or not upper.is_dir() or not Path(self.record.get("image") or "-").is_dir()
            if fresh:
                built = image.ensure_image(self._state, self.release)
                write_record(self._record_file, {**self.record, "image": str(built)})
                disk.make(self._state, self.name, self.record)
            with self._state.locked("network"):
                self._network.up()
                record = self.record
                self._network.attach(self.name, [record["address4"], record["address6"]], answers_everyone=True)
            disk.lay_over(self.directory, self.record["image"])
            self._launch()

    def wait_until_ready(self, timeout: float = 90) -> None:
        """Return once systemd has reached multi-user and ssh, sendmail and Dovecot answer.

        Raises GuestsError with all that is known after TIMEOUT seconds, or at once if the guest has ended.
        """
        readiness.wait(self, self._network.controller, timeout)

    def stop(self) -> None:
        """Power the guest off, by force if it does not obey in time; its disk is kept.

        No error where it is not running: what a crash left of it is cleared away then. Raises GuestsError where that does
        not end.
        """
        with self._turn, self._state.locked(f"guest-{self.name}"):
            nspawn = self.nspawn()
            if nspawn is not None:
                self._close_ssh()
                if self.leader() is not None:
                    nspawn.send(signal.SIGTERM)
                    nspawn.wait(SHUTDOWN_SECONDS)
                self._kill()
            self._clear_remains()

    def kill(self) -> None:
        """Cut the power: everything in the guest ends at once, unwritten; its disk is kept."""
        with self._turn, self._state.locked(f"guest-{self.name}"):
            self._close_ssh()
            self._kill()
            self._clear_remains()

    def reboot(self, timeout: float = 90) -> None:
        """Power off, start again with the same disk and wait until ready; raises GuestsError."""
        self.stop()
        self.boot(fresh=False)
        self.wait_until_ready(timeout)

    def remove(self) -> None:
        """Stop the guest and delete its disk and its record."""
        self.stop()
        self._state.remove_tree(self.directory)

    def is_running(self) -> bool:
        """Return whether the guest's systemd-nspawn is alive."""
        return self.nspawn() is not None

    def nspawn(self) -> Process | None:
        """Return the guest's systemd-nspawn, None where it does not run."""
        return self.launched.process()

    def leader(self) -> Process | None:
        """Return the guest's process 1 as the host sees it; None if there is none."""
        nspawn = self.nspawn()
        if nspawn is None:
            self._leader = None
        elif self._leader is None or self._leader[0] != nspawn or not self._leader[1].is_alive():
            found = process.leader_of(nspawn)
            self._leader = (nspawn, found) if found is not None else None
        return self._leader[1] if self._leader else None

    # Reaching inside

    def enter(self) -> list[str]:
        """Return the words to put before a command so that it runs in the guest as root.

        Raises GuestsError where the guest does not run.
        """
        return [
            *("nsenter", f"--target={self._require_leader().pid}", "--mount", "--uts", "--ipc", "--net", "--pid"),
            *("--cgroup", "--root", "--wd", "--", "env", "--ignore-environment", "LC_ALL=C", "HOME=/root", "USER=root"),
            *("TERM=dumb", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ]

    def run(self, command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
        """Run COMMAND as root in the guest; options (input, check, timeout) as in run_command.

        The environment is small: PATH, HOME, USER, TERM, LC_ALL=C; the directory is /. Raises
        CommandFailed, TimeoutExpired, or GuestsError where the guest does not run.
        """
        return run_command([*self.enter(), *command], **options)

    def popen(self, command: Sequence[str]) -> subprocess.Popen[str]:
        """Start COMMAND as root in the guest; its input and its output are pipes of text."""
        return subprocess.Popen([*self.enter(), *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def path(self, path: str | os.PathLike[str]) -> Path:
        """Return the guest's absolute PATH as it is seen from the host while the guest runs.

        A symbolic link with an absolute target leads astray (to the host). Raises GuestsError.
        """
        return Path(f"/proc/{self._require_leader().pid}/root") / str(path).lstrip("/")

    def write(self, path: str | os.PathLike[str], text: str, mode: int | None = None) -> None:
        """Write TEXT (UTF-8) into the guest's file PATH; MODE is None (keep it, or 0644) or bits."""
        file = self.path(path)
        existed = file.exists()
        file.write_text(text, encoding="utf-8")
        if mode is not None or not existed:
            file.chmod(0o644 if mode is None else mode)

    def read(self, path: str | os.PathLike[str]) -> str:
        """Return the text (UTF-8) of the guest's file PATH; raises OSError."""
        return self.path(path).read_text(encoding="utf-8", errors="replace")

    def journal(self, *options: str) -> str:
        """Return what journalctl with OPTIONS prints of the guest's journal, whether the guest runs or not."""
        if self.leader() is not None:
            # What was logged up to now may not have been written yet.
            with contextlib.suppress(GuestsError, subprocess.TimeoutExpired):
                self.run(["journalctl", "--sync"], check=False, timeout=5)
        return journal.read(self.directory / "upper", options)

    # Pieces

    def _require_leader(self) -> Process:
        """Return the leader; raises GuestsError where there is none, after a short deadline, with what is known if it died."""
        deadline = time.monotonic() + 5
        while self.nspawn() is not None and time.monotonic() < deadline:
            leader = self.leader()
            if leader is not None:
                return leader
            time.sleep(0.05)
        if self.launched.has_died():
            raise GuestsError(f"the guest {self.name} has ended\n{trouble.report(self)}")
        raise GuestsError(f"the guest {self.name} is not running")

    def _stays(self) -> bool:
        """Return whether the guest runs and is not about to end; waits for one that is, and kills it if that takes too long.

        One whose systemd answers nothing for that time, and does not end, stays.
        """
        deadline = time.monotonic() + SHUTDOWN_SECONDS
        while self.nspawn() is not None:
            leader = self.leader()
            ending = leader is None or readiness.is_ending(self, leader)
            if ending is False:
                return True
            if time.monotonic() > deadline:
                if ending is None:
                    return True
                self._kill()
                return False
            time.sleep(0.05)
        return False

    def _launch(self) -> None:
        """Start systemd-nspawn and wait for process 1; raises GuestsError, with all that is known, where that does not come."""
        supervisor = self.launched.start(self.name, self.namespace.file, self.release in recipe.UNIFIED_ONLY)
        deadline = time.monotonic() + PROCESS_1_SECONDS
        while self.leader() is None:
            if supervisor.poll() is not None and self.nspawn() is None:
                raise GuestsError(f"the guest {self.name} ended as soon as it was started\n{trouble.report(self)}")
            if time.monotonic() > deadline:
                words = f"the guest {self.name} has no process 1 after {PROCESS_1_SECONDS} s"
                raise GuestsError(f"{words}\n{trouble.report(self)}")
            time.sleep(0.02)

    def _kill(self) -> None:
        """End the guest's process 1 (and with it all others) and its nspawn, if they still run."""
        nspawn = self.nspawn()
        if nspawn is None:
            return
        leader = process.leader_of(nspawn)
        if leader is not None:
            leader.send(signal.SIGKILL)
            nspawn.wait(5)
        nspawn.send(signal.SIGKILL)
        nspawn.wait(5)

    def _clear_remains(self) -> None:
        """Take away what a stopped or crashed guest leaves on the host; raises GuestsError where it does not go."""
        self.launched.forget()
        remains.clear(self.machine, self.namespace.file)
        with self._state.locked("network"):
            self.namespace.delete()

    def _close_ssh(self) -> None:
        """End the ssh connections that ControlPersist keeps open to this guest."""
        address = (read_record(self._record_file) or {}).get("address4", "none")
        for socket in self._state.control_sockets.glob(f"{address}-*"):
            command = ["ssh", "-o", f"ControlPath={socket}", "-O", "exit", "guest"]
            run_command(command, check=False, timeout=5)
            socket.unlink(missing_ok=True)
