# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine: QEMU, without any hardware to help it, and the drive behind it.

It is booted once, up to the moment before the database's disk is connected, and saved. Each round goes on from there.
"""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .disk import BYTES, Disk
from .errors import PowerCutError
from .image import Parts

MEMORY = "384M"
BOOT_SECONDS = 300.0
SERVER_SECONDS = 30.0
END_SECONDS = 30.0
SERVER = Path(__file__).with_name("disk_server.py")
LARGEST_READ = 1 << 16


class Lines:
    """What the guest says, a JSON object a line, over a serial port of virtio's. The guest waits until it is taken."""

    def __init__(self, connection: socket.socket, log: Path) -> None:
        """Read from CONNECTION, and add everything to the file LOG."""
        self._connection = connection
        self._log = open(log, "ab")  # noqa: SIM115 # closed by close()
        self._left = b""
        self.ended = False

    def close(self) -> None:
        """Close the connection and the log."""
        self._connection.close()
        self._log.close()

    def send(self, what: Mapping[str, Any]) -> None:
        """Send one object. Raises OSError."""
        self._connection.sendall(json.dumps(what).encode() + b"\n")

    def next(self, deadline: float) -> dict[str, Any] | None:
        """Return the next object; None after the end, or at DEADLINE (of time.monotonic())."""
        while b"\n" not in self._left:
            if self.ended:
                return None
            ready, _, _ = select.select([self._connection], [], [], max(deadline - time.monotonic(), 0))
            if not ready:
                return None
            try:
                data = self._connection.recv(LARGEST_READ)
            except ConnectionResetError:
                data = b""
            self.ended = not data
            self._log.write(data)
            self._log.flush()
            self._left += data
        line, _, self._left = self._left.partition(b"\n")
        said = json.loads(line)
        assert isinstance(said, dict)
        return said


class Machine:
    """One running machine. ``lines`` is what it says, ``pid`` its process."""

    def __init__(self, process: subprocess.Popen[bytes], lines: Lines) -> None:
        """PROCESS is QEMU's."""
        self._process = process
        self.pid = process.pid
        self.lines = lines

    def cut(self) -> None:
        """Take the power away, at once."""
        self._process.send_signal(signal.SIGKILL)


class Bed:
    """A place for machines that start from the same saved state."""

    def __init__(self, parts: Parts) -> None:
        """Boot the machine, and save it beside the programs of PARTS; only once for the same ones. Raises PowerCutError."""
        self._parts = parts
        self._directory = parts.programs.parent
        self._saved = self._directory / "saved"
        # What another QEMU has saved may mean something else.
        version = subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, text=True, check=True).stdout
        recipe = repr((version, self._command("", "", "")))
        noted = self._directory / "saved-by"
        if not self._saved.is_file() or not noted.is_file() or noted.read_text(encoding="utf-8") != recipe:
            noted.unlink(missing_ok=True)
            self._save()
            noted.write_text(recipe, encoding="utf-8")

    @contextlib.contextmanager
    def machine(self, disk: Disk, log: Path, cut_at: int = 0) -> Iterator[Machine]:
        """Run a machine with DISK until the block ends; then its drive's server is gone, too.

        LOG is the directory for what they print. CUT_AT is as for disk_server; 0 never cuts. Raises PowerCutError.
        """
        log.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="powercut-") as place:
            drive = f"{place}/drive"
            with _server(disk, drive, log, cut_at) as server:
                backend = f"driver=nbd,node-name=database,server.type=unix,server.path={drive}"
                with self._qemu(Path(place), log, backend, ("-incoming", f"exec:cat {self._saved}")) as machine:
                    yield machine
                _end(server)

    def _command(self, log: str, port: str, backend: str) -> list[str]:
        """Return the command of a machine that prints into the directory LOG and speaks through the socket PORT.

        BACKEND is the database's disk, as QEMU describes block devices.
        """
        command = [
            # It ends with the process that started it, however that ends.
            *("setpriv", "--pdeathsig", "KILL", "--"),
            *("qemu-system-x86_64", "-machine", "q35,accel=tcg", "-cpu", "max", "-smp", "1", "-m", MEMORY),
            *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
            *("-kernel", str(self._parts.kernel), "-initrd", str(self._parts.initrd)),
            *("-append", "console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable"),
            *("-serial", f"file:{log}/console"),
            *("-device", "virtio-serial-pci,addr=0x5", "-chardev", f"socket,id=port,path={port}"),
            *("-device", "virtserialport,chardev=port,name=powercut"),
        ]
        for name, image, place in (("root", self._parts.root, "0x6"), ("programs", self._parts.programs, "0x7")):
            file = f"file.driver=file,file.locking=off,file.filename={image}"
            command += ("-blockdev", f"driver=raw,node-name={name},read-only=on,{file}")
            command += ("-device", f"virtio-blk-pci,drive={name},addr={place}")
        cache = "write-cache=on,discard=off,write-zeroes=off"
        return [*command, "-blockdev", backend, "-device", f"virtio-blk-pci,drive=database,addr=0x8,{cache}"]

    def _save(self) -> None:
        with tempfile.TemporaryDirectory(prefix="powercut-") as place:
            control = f"{place}/control"
            options = ("-qmp", f"unix:{control},server=on,wait=off")
            log = self._directory / "boot"
            log.mkdir(exist_ok=True)
            backend = f"driver=null-co,node-name=database,size={BYTES},read-zeroes=on"
            with self._qemu(Path(place), log, backend, options) as machine:
                said = machine.lines.next(time.monotonic() + BOOT_SECONDS)
                if said is None or said.get("say") != "ready":
                    raise PowerCutError(f"the machine does not boot: {said}; see {log}")
                _migrate(control, f"exec:cat > {self._saved}")

    @contextlib.contextmanager
    def _qemu(self, place: Path, log: Path, backend: str, options: tuple[str, ...]) -> Iterator[Machine]:
        port = place / "port"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(port))
            listener.listen(1)
            listener.settimeout(SERVER_SECONDS)
            command = [*self._command(str(log), str(port), backend), *options]
            with open(log / "qemu", "wb") as output:
                process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
                try:
                    try:
                        connection, _ = listener.accept()
                    except TimeoutError:
                        raise PowerCutError(f"QEMU does not start: see {log}/qemu") from None
                    lines = Lines(connection, log / "lines")
                    try:
                        yield Machine(process, lines)
                    finally:
                        lines.close()
                finally:
                    process.kill()
                    process.wait(END_SECONDS)


@contextlib.contextmanager
def _server(disk: Disk, path: str, log: Path, cut_at: int) -> Iterator[subprocess.Popen[bytes]]:
    """Serve DISK at the socket PATH."""
    command = ["nbdkit", "--foreground", "--exit-with-parent", "--unix", path, "--pidfile", f"{path}.pid"]
    command += ["python", str(SERVER), f"directory={disk.directory}", f"cut_at={cut_at}"]
    with open(log / "drive", "wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            deadline = time.monotonic() + SERVER_SECONDS
            # nbdkit writes the file when the socket is there.
            while not os.path.exists(f"{path}.pid"):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise PowerCutError(f"nbdkit does not start: see {log}/drive")
                time.sleep(0.01)
            yield process
        finally:
            process.kill()
            process.wait(END_SECONDS)


def _end(server: subprocess.Popen[bytes]) -> None:
    """Let the server finish the requests that it has got, and end it."""
    server.terminate()
    try:
        server.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        raise PowerCutError("nbdkit does not end") from None


def _migrate(control: str, target: str) -> None:
    """Have the QEMU at the socket CONTROL write its state to TARGET while the guest waits."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(SERVER_SECONDS)
        connection.connect(control)
        stream = connection.makefile("rw", encoding="utf-8")

        def ask(command: str, **arguments: Any) -> Any:
            stream.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
            stream.flush()
            for line in stream:
                answer = json.loads(line)
                if "return" in answer or "error" in answer:
                    if "error" in answer:
                        raise PowerCutError(f"QEMU refuses {command}: {answer['error']}")
                    return answer["return"]
            raise PowerCutError(f"QEMU does not answer to {command}")

        ask("qmp_capabilities")
        ask("migrate-set-parameters", **{"max-bandwidth": 1 << 40})
        ask("migrate", uri=target)
        deadline = time.monotonic() + BOOT_SECONDS
        while (status := ask("query-migrate").get("status")) != "completed":
            if status in ("failed", "cancelled") or time.monotonic() > deadline:
                raise PowerCutError(f"QEMU cannot save the machine: {status}")
            time.sleep(0.05)
