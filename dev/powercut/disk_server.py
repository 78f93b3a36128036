# SPDX-License-Identifier: GPL-3.0-or-later
"""A drive with a write cache, as a plugin of nbdkit's: nbdkit python disk_server.py directory=DIRECTORY [cut_at=NUMBER].

In DIRECTORY, ``now`` is what the machine reads, ``durable`` what a flush has made last, and ``waiting`` the writes since,
in their order: offset and length (64 bits each), then the data. disk.py decides at a cut what becomes of these. Once there
is a file ``armed`` with the process id of the machine, the request number NUMBER (a write or a flush) cuts the power: the
machine is killed before the answer.

Writes with FUA are not offered: virtio's disks have none either, and send a flush instead.
"""

import io
import os
import signal
import struct

API_VERSION = 2
HEADER = struct.Struct("<QQ")


class Drive:
    """The open files, and how many requests are left until the cut."""

    def __init__(self, directory: str) -> None:
        """Open the files in ``directory``. Raises OSError."""
        self.now, self.durable = (os.open(f"{directory}/{name}", os.O_RDWR) for name in ("now", "durable"))
        self.waiting = os.open(f"{directory}/waiting", os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self.size = os.fstat(self.durable).st_size
        self.armed = f"{directory}/armed"

    def count(self) -> None:
        """Cut the power if this request is the one to do so."""
        if Settings.cut_at and os.path.exists(self.armed):
            Settings.cut_at -= 1
            if not Settings.cut_at:
                with io.open(self.armed, encoding="ascii") as file:  # noqa: UP020 # open() is the plugin's own
                    os.kill(int(file.read()), signal.SIGKILL)


class Settings:
    """The settings of the command line; ``cut_at`` counts down."""

    directory = ""
    cut_at = 0


def config(key: str, value: str) -> None:
    """Take one setting of the command line."""
    setattr(Settings, key, int(value) if key == "cut_at" else value)


def open(readonly: bool) -> Drive:  # pylint: disable=redefined-builtin
    """Serve a machine."""
    return Drive(Settings.directory)


def get_size(drive: Drive) -> int:
    """Return the size in bytes."""
    return drive.size


def pread(drive: Drive, buffer: bytearray, offset: int, flags: int) -> None:
    """Read what was written last, flushed or not."""
    data = os.pread(drive.now, len(buffer), offset)
    buffer[:] = data


def pwrite(drive: Drive, buffer: bytes, offset: int, flags: int) -> None:
    """Take a write into the cache."""
    os.write(drive.waiting, HEADER.pack(offset, len(buffer)) + bytes(buffer))
    os.pwrite(drive.now, buffer, offset)
    drive.count()


def flush(drive: Drive, flags: int) -> None:
    """Make all writes durable."""
    drive.count()
    length = os.fstat(drive.waiting).st_size
    log = os.pread(drive.waiting, length, 0)
    at = 0
    while at < length:
        offset, size = HEADER.unpack_from(log, at)
        at += HEADER.size
        os.pwrite(drive.durable, log[at : at + size], offset)
        at += size
    os.ftruncate(drive.waiting, 0)
