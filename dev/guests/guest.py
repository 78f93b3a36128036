# SPDX-License-Identifier: GPL-3.0-or-later
"""One guest: a Debian system in systemd-nspawn over an image, with a disk of its own."""

import contextlib
import os
import signal
import stat
import subprocess
import threading
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

from . import cgroup, image, process, readiness
from .errors import GuestsError
from .namespace import run_command
from .network import Network
from .state import State, read_record, write_record

SHUTDOWN_SECONDS = 25

# The overlay is mounted in a mount namespace that ends with the guest: a crash leaves no mount.
# The names are relative, so that no character of the path has a meaning in the options.
LAUNCH = """
set -eu
echo $$ > "$GUEST_PID_FILE"
for file in $GUEST_CGROUPS; do echo $$ > "$file"; done
cd "$GUEST_LAYERS"
mount -t overlay overlay -o "lowerdir=lower,upperdir=upper,workdir=work" root
exec "$@"
"""


class Guest:
    """A guest by name; what is known of it lies in the state directory, not in this object."""

    def __init__(self, state: State, network: Network, name: str) -> None:
        """Stand for the guest NAME of STATE, which Lab.guest() has recorded."""
        self._state = state
        self._network = network
        self.name = name
        self.machine = state.full_name(name)
        self.directory = state.guests / name
        self.log = self.directory / "console.log"
        self.namespace = network.namespace(name)
        self._record_file = self.directory / "guest.json"
        self._pid_file = self.directory / "nspawn.pid"
        self._leader: tuple[int, int] | None = None
        self._turn = threading.RLock()

    @property
    def record(self) -> dict:
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
        """Start the guest and return at once; nothing happens where it already runs.

        With fresh it starts with the disk of the image, else with the disk as it was left. Builds
        the image where it is missing. Raises GuestsError.
        """
        with self._turn, self._state.locked(f"guest-{self.name}"):
            if self.nspawn() is not None:
                return
            self._clear_remains()
            upper = self.directory / "upper"
            fresh = fresh or not upper.is_dir() or not Path(self.record.get("image") or "-").is_dir()
            if fresh:
                built = image.ensure_image(self._state, self.release)
                write_record(self._record_file, {**self.record, "image": str(built)})
                self._make_disk()
            with self._state.locked("network"):
                self._network.up()
                record = self.record
                self._network.attach(self.name, [record["address4"], record["address6"]], answers_everyone=True)
            self._launch()

    def wait_until_ready(self, timeout: float = 90) -> None:
        """Return once systemd has reached multi-user and ssh, sendmail and Dovecot answer.

        Raises GuestsError with the end of the console log after TIMEOUT seconds, or at once if the
        guest has ended.
        """
        readiness.wait(self, self._network.controller, timeout)

    def stop(self) -> None:
        """Power the guest off, by force if it does not obey in time; its disk is kept.

        No error where it is not running: what a crash left of it is cleared away then.
        """
        with self._turn, self._state.locked(f"guest-{self.name}"):
            pid = self.nspawn()
            if pid is not None:
                self._close_ssh()
                if self.leader() is not None:
                    process.send(pid, signal.SIGTERM)
                    process.wait_until_gone(pid, self.machine, SHUTDOWN_SECONDS)
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

    def nspawn(self) -> int | None:
        """Return the process id of the guest's systemd-nspawn, None where it does not run."""
        try:
            pid = int(self._pid_file.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None
        return pid if process.is_nspawn_of(pid, self.machine) else None

    def leader(self) -> int | None:
        """Return the process id, seen from the host, of the guest's process 1; None if none."""
        nspawn = self.nspawn()
        if nspawn is None:
            self._leader = None
        elif self._leader is None or self._leader[0] != nspawn or not process.arguments(self._leader[1]):
            found = process.leader_of(nspawn)
            self._leader = (nspawn, found) if found is not None else None
        return self._leader[1] if self._leader else None

    # Reaching inside

    def enter(self) -> list[str]:
        """Return the words to put before a command so that it runs in the guest as root.

        Raises GuestsError where the guest does not run.
        """
        return [
            *("nsenter", f"--target={self._require_leader()}", "--mount", "--uts", "--ipc", "--net", "--pid"),
            *("--cgroup", "--root", "--wd", "--", "env", "--ignore-environment", "LC_ALL=C", "HOME=/root", "USER=root"),
            *("TERM=dumb", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ]

    def run(self, command: Sequence[str], **options) -> subprocess.CompletedProcess[str]:
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
        return Path(f"/proc/{self._require_leader()}/root") / str(path).lstrip("/")

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

    # Pieces

    def _require_leader(self) -> int:
        """Return the leader; raises GuestsError where there is none, after a short deadline."""
        deadline = time.monotonic() + 5
        while self.nspawn() is not None and time.monotonic() < deadline:
            leader = self.leader()
            if leader is not None:
                return leader
            time.sleep(0.05)
        raise GuestsError(f"the guest {self.name} is not running (its console log: {self.log})")

    def _make_disk(self) -> None:
        """Make a new upper layer, with the few files that differ from guest to guest."""
        for layer in ("upper", "work", "root"):
            self._state.remove_tree(self.directory / layer)
            (self.directory / layer).mkdir(mode=0o755)
        upper = self.directory / "upper"
        # What the layer says about a directory hides what the image says: same owner, same mode.
        lower = Path(self.record["image"])
        for directory in ("etc", "root", "root/.ssh", "etc/mail"):
            (upper / directory).mkdir(parents=True)
            below = lower / directory
            if below.is_dir():
                owner = below.stat()
                os.chown(upper / directory, owner.st_uid, owner.st_gid)
                (upper / directory).chmod(stat.S_IMODE(owner.st_mode))
            else:
                (upper / directory).chmod(0o700)
        public_key = (self._state.ssh / "id_ed25519.pub").read_text(encoding="ascii")
        names = (lower / "etc/mail/local-host-names").read_text(encoding="utf-8")
        for path, text in {
            "etc/hostname": f"{self.name}\n",
            "etc/machine-id": f"{uuid.uuid4().hex}\n",
            "etc/hosts": self._hosts(),
            "etc/mail/local-host-names": names + f"{self.name}.example.test\n",
            "root/.ssh/authorized_keys": public_key,
        }.items():
            (upper / path).write_text(text, encoding="utf-8")
            (upper / path).chmod(0o600 if path.endswith("keys") else 0o644)

    def _hosts(self) -> str:
        """Return the text of /etc/hosts: this guest, all others known, and the outside's names."""
        lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
        own = self.record
        lines += [f"{own[key]} {self.name}.example.test {self.name} example.test" for key in ("address4", "address6")]
        for file in sorted(self._state.guests.glob("*/guest.json")):
            name, other = file.parent.name, read_record(file)
            if other and name != self.name:
                lines += [f"{other[key]} {name}.example.test {name}" for key in ("address4", "address6")]
        return "\n".join([*lines, *readiness.OUTSIDE_NAMES]) + "\n"

    def _launch(self) -> None:
        """Start systemd-nspawn as a daemon of its own; raises GuestsError where it ends at once."""
        lower = self.directory / "lower"
        lower.unlink(missing_ok=True)
        lower.symlink_to(self.record["image"])
        self._pid_file.unlink(missing_ok=True)
        nspawn = [
            *("systemd-nspawn", "--quiet", f"--directory={self.directory / 'root'}", f"--machine={self.machine}"),
            *(f"--hostname={self.name}", "--register=no", "--keep-unit", "--resolv-conf=off", "--timezone=off"),
            *("--link-journal=no", "--console=pipe", f"--network-namespace-path={self.namespace.file}", "--boot"),
        ]
        command = [
            *cgroup.launch_prefix(self.machine),
            *("unshare", "--mount", "--propagation", "slave", "sh", "-c", LAUNCH, "sh", *nspawn),
        ]
        environment = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL": "C",
            "GUEST_PID_FILE": str(self._pid_file),
            "GUEST_CGROUPS": " ".join(str(file) for file in cgroup.create(self.machine)),
            "GUEST_LAYERS": str(self.directory),
        }
        with open(self.log, "wb") as log:
            daemon = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
            )
        deadline = time.monotonic() + 10
        while self.nspawn() is None:
            if daemon.poll() is not None or time.monotonic() > deadline:
                raise GuestsError(f"the guest {self.name} does not start: {self.log_tail()}")
            time.sleep(0.02)

    def log_tail(self, lines: int = 20) -> str:
        """Return the last LINES of the console log."""
        try:
            text = self.log.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return "(no console log)"
        return "\n".join(text.splitlines()[-lines:])

    def _kill(self) -> None:
        """End the guest's process 1 (and with it all others) and its nspawn, if they still run."""
        pid = self.nspawn()
        if pid is None:
            return
        leader = process.leader_of(pid)
        if leader is not None:
            process.send(leader, signal.SIGKILL)
            process.wait_until_gone(pid, self.machine, 5)
        if self.nspawn() is not None:
            process.send(pid, signal.SIGKILL)
            process.wait_until_gone(pid, self.machine, 5)

    def _clear_remains(self) -> None:
        """Take away what a stopped or crashed guest leaves on the host."""
        self._pid_file.unlink(missing_ok=True)
        cgroup.remove(self.machine)
        for base in ("propagate", "unix-export"):
            with contextlib.suppress(OSError):
                (Path("/run/systemd/nspawn") / base / self.machine).rmdir()
        with self._state.locked("network"):
            self.namespace.delete()

    def _close_ssh(self) -> None:
        """End the ssh connections that ControlPersist keeps open to this guest."""
        address = (read_record(self._record_file) or {}).get("address4", "none")
        for socket in self._state.control_sockets.glob(f"{address}-*"):
            command = ["ssh", "-o", f"ControlPath={socket}", "-O", "exit", "guest"]
            run_command(command, check=False, timeout=5)
            socket.unlink(missing_ok=True)
