# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk on which the database lies: its file system, and what a power cut leaves of what was not flushed."""

import os
import random
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

from .errors import PowerCutError

FILE_SYSTEMS = ("ext4", "xfs", "btrfs")
MAKE = {
    "ext4": ("mkfs.ext4", "-q", "-F"),
    "xfs": ("mkfs.xfs", "-q", "-f"),
    "btrfs": ("mkfs.btrfs", "-q", "-f"),
}
# mkfs.xfs makes nothing smaller than 300 MiB.
BYTES = 384 << 20
SECTOR = 512
HEADER = struct.Struct("<QQ")
# Superblocks are kept or forgotten as a whole: a drive that tears one takes the whole file system away, whatever programs do.
SUPERBLOCKS = ((1024, 2048), (64 << 10, 68 << 10), (64 << 20, (64 << 20) + 4096))
# How likely an unflushed write is to last, chosen for each cut: all are forgotten, most of them, half, few, none.
LASTING = (0.0, 0.15, 0.5, 0.85, 1.0)


class Disk:
    """A disk in a directory; see disk_server."""

    def __init__(self, directory: Path) -> None:
        """The files are made by format()."""
        self.directory = directory

    def format(self, kind: str) -> None:
        """Make an empty file system of the KIND (of FILE_SYSTEMS). Raises PowerCutError."""
        self.directory.mkdir(parents=True, exist_ok=True)
        durable = self.directory / "durable"
        durable.unlink(missing_ok=True)
        with open(durable, "wb") as file:
            file.truncate(BYTES)
        environment = {**os.environ, "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"}
        command = [*MAKE[kind], str(durable)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
        if done.returncode:
            raise PowerCutError(f"{' '.join(command)} failed: {done.stderr.strip()}")
        (self.directory / "waiting").unlink(missing_ok=True)
        self._copy(durable, self.directory / "now")

    def keep_copy(self, target: Path) -> None:
        """Copy what is durable to TARGET, for a later look."""
        self._copy(self.directory / "durable", target)

    def settle(self, chance: random.Random) -> dict[str, int]:
        """Let the power be gone: keep, forget or tear each write that was not flushed, by CHANCE.

        Of writes to one sector the earlier never lasts over the later, as in a drive. Returns how many were ``kept``,
        ``forgotten`` and ``torn``.
        """
        counts = {"kept": 0, "forgotten": 0, "torn": 0}
        lasting = chance.choice(LASTING)
        tearing = chance.choice((0.0, 0.3))
        touched = []
        durable, now = self.directory / "durable", self.directory / "now"
        with open(durable, "r+b") as drive:
            for offset, data in self._waiting():
                touched.append((offset, len(data)))
                start, end = 0, len(data)
                whole = any(offset < last and offset + len(data) > first for first, last in SUPERBLOCKS)
                if len(data) > SECTOR and not whole and chance.random() < tearing:
                    border = chance.randrange(1, len(data) // SECTOR) * SECTOR
                    start, end = chance.choice(((0, border), (border, end)))
                    counts["torn"] += 1
                elif chance.random() < lasting:
                    counts["kept"] += 1
                else:
                    counts["forgotten"] += 1
                    continue
                drive.seek(offset + start)
                drive.write(data[start:end])
        with open(durable, "rb") as drive, open(now, "r+b") as copy:
            for offset, length in touched:
                drive.seek(offset)
                copy.seek(offset)
                copy.write(drive.read(length))
        for name in ("waiting", "armed"):
            (self.directory / name).unlink(missing_ok=True)
        return counts

    def arm(self, machine: int) -> None:
        """Have the server count requests from now on; MACHINE is the process that it may kill."""
        made = self.directory / "arming"
        made.write_text(str(machine), encoding="ascii")
        made.rename(self.directory / "armed")

    def _waiting(self) -> Iterator[tuple[int, bytes]]:
        """Yield offset and data of each write that was not flushed. The last one may have been cut off."""
        try:
            log = (self.directory / "waiting").read_bytes()
        except FileNotFoundError:
            return
        at = 0
        while at + HEADER.size <= len(log):
            offset, size = HEADER.unpack_from(log, at)
            at += HEADER.size
            yield offset, log[at : at + size]
            at += size

    @staticmethod
    def _copy(source: Path, target: Path) -> None:
        command = ["cp", "--sparse=always", "--", str(source), str(target)]
        if shutil.which("cp") is None or subprocess.run(command, check=False, timeout=60).returncode:
            raise PowerCutError(f"{source} cannot be copied to {target}: is the disk full?")
