# SPDX-License-Identifier: GPL-3.0-or-later
"""The systemd-nspawn of one guest: how it is started, known again, and how it ended."""

import signal
import subprocess
import time
from pathlib import Path

from . import cgroup, memory
from .process import Process
from .state import read_record, write_record

# Waits outside of the guest's control group, which systemd-nspawn wants for itself. The file is opened first, so that
# nothing appears in a directory that is being deleted when systemd-nspawn ends.
SUPERVISE = """
exec 3> "$GUEST_STATUS_FILE"
status=0
"$@" 3>&- || status=$?
echo "$status" >&3
"""

# The id and the start of a process stay the same when it becomes another program, here systemd-nspawn.
# The overlay is mounted in a mount namespace that ends with the guest: a crash leaves no mount.
# The names are relative, so that no character of the path has a meaning in the options.
LAUNCH = """
set -eu
start_in() { shift 21; echo "$1"; }
read -r stat < "/proc/$$/stat"
read -r boot < /proc/sys/kernel/random/boot_id
echo "$$ $(start_in $stat) $boot" > "$GUEST_PID_FILE"
for file in $GUEST_CGROUPS; do echo $$ > "$file"; done
cd "$GUEST_LAYERS"
mount -t overlay overlay -o "lowerdir=lower,upperdir=upper,workdir=work" root
exec "$@"
"""
# A shell says 128 and the number of the signal, and so does a program that ends with such a status.
SIGNALLED = 128
# What systemd-nspawn ends with where the guest was to be booted again: it leaves that to others.
REBOOT = 133


class Nspawn:
    """The systemd-nspawn of a guest; what is known of it lies in the guest's directory, where any process can read it."""

    def __init__(self, directory: Path, machine: str) -> None:
        """Stand for that of MACHINE, the guest of DIRECTORY."""
        self._directory = directory
        self._machine = machine
        self.console = directory / "console.log"
        self.words_file = directory / "nspawn.log"
        self._pid_file = directory / "nspawn.pid"
        self._status_file = directory / "nspawn.status"
        self._launch_file = directory / "launch.json"

    def start(self, hostname: str, namespace: Path, needs_unified: bool) -> subprocess.Popen[bytes]:
        """Start it as a daemon with the network NAMESPACE; return the process that waits for its end.

        Its layers lie in the guest's directory. With NEEDS_UNIFIED the guest's systemd knows control groups of version 2 only.
        Raises OSError.
        """
        self.forget()
        write_record(self._launch_file, {"time": time.time(), "memory_kills": memory.kills_on_host()})
        command = [
            *("sh", "-c", SUPERVISE, "sh", *cgroup.launch_prefix(self._machine)),
            *("unshare", "--mount", "--propagation", "slave", "sh", "-c", LAUNCH, "sh", "systemd-nspawn"),
            *(f"--directory={self._directory / 'root'}", f"--machine={self._machine}", f"--hostname={hostname}"),
            *("--register=no", "--keep-unit", "--resolv-conf=off", "--timezone=off", "--link-journal=no", "--console=pipe"),
            *(f"--network-namespace-path={namespace}", "--boot"),
        ]
        environment = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL": "C",
            "GUEST_PID_FILE": str(self._pid_file),
            "GUEST_STATUS_FILE": str(self._status_file),
            "GUEST_CGROUPS": " ".join(str(file) for file in cgroup.create(self._machine)),
            "GUEST_LAYERS": str(self._directory),
            # Else it has what this host has.
            **({"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"} if needs_unified else {}),
        }
        with open(self.console, "wb") as console, open(self.words_file, "wb") as words:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=console, stderr=words, env=environment, start_new_session=True
            )

    def process(self) -> Process | None:
        """Return it as a process, None where it does not run."""
        recorded = Process.recorded_in(self._pid_file)
        return recorded if recorded is not None and recorded.is_alive() else None

    def has_died(self) -> bool:
        """Return whether it was started and has ended, and nobody stopped it."""
        recorded = Process.recorded_in(self._pid_file)
        # What comes before systemd-nspawn may fail, and then there is a status only.
        return not recorded.is_alive() if recorded is not None else self._written_status() is not None

    def status(self, patience: float = 2) -> int | None:
        """Return its exit status as a shell has it; None while it runs, and where what waited for it was killed as well.

        The status is written after the end: waits up to PATIENCE seconds for it.
        """
        deadline = time.monotonic() + patience
        while self.process() is None:
            status = self._written_status()
            if status is not None or time.monotonic() > deadline:
                return status
            time.sleep(0.02)
        return None

    def started_at(self) -> float:
        """Return when it was started, in seconds of the epoch; 0 where that is not known."""
        return (read_record(self._launch_file) or {}).get("time", 0.0)

    def memory_kills_before(self) -> int | None:
        """Return how many processes of this host had been killed for want of memory when it was started; None: not known."""
        return (read_record(self._launch_file) or {}).get("memory_kills")

    def forget(self) -> None:
        """Delete what says that it was started, and how it ended. Its words are kept until the next start."""
        for file in (self._pid_file, self._status_file, self._launch_file):
            file.unlink(missing_ok=True)

    def _written_status(self) -> int | None:
        """Return the exit status that was written, None where none was."""
        try:
            return int(self._status_file.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None


def status_in_words(status: int | None) -> str:
    """Return the exit STATUS of a shell's child in words, with what it may stand for."""
    if status is None:
        return "with a status that nobody saw"
    if status == REBOOT:
        return f"with status {status}: the guest asked to be booted again"
    try:
        return f"with status {status}, which stands for {signal.Signals(status - SIGNALLED).name} if a signal ended it"
    except ValueError:
        return f"with status {status}"
