# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are not a Berkeley DB hash, each made by the program that makes such files, with two entries."""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import sqlite3
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.backends import kinds

ENTRIES = {"198.51.100.7": "1700000000", "203.0.113.9": "1700000005"}
TEXT = "".join(f"{key}\t{value}\n" for key, value in ENTRIES.items())
LINES = TEXT.replace("\t", "\n")
HASH_MAGIC, BTREE_MAGIC = 0x061561, 0x053162


class Maker:
    """What makes a file of ``kind`` at a path. It skips the test if the host lacks one of the ``programs``."""

    def __init__(self, kind: kinds.Kind, make: Callable[[Path], object], *programs: str) -> None:
        self.kind = kind
        self._make = make
        self._programs = programs

    def make(self, path: str | Path) -> bytes:
        """Write the file; return its content."""
        for program in self._programs:
            if shutil.which(program) is None:
                pytest.skip(f"{program} is not installed")
        self._make(Path(path))
        return Path(path).read_bytes()


def by_program(text: str, *command: str) -> Callable[[Path], object]:
    """Return what runs ``command`` with the path behind it and ``text`` as its input."""
    return lambda path: subprocess.run([*command, str(path)], input=text, text=True, check=True, capture_output=True)


def loaded(*options: str, text: str = LINES) -> Callable[[Path], object]:
    """Return what runs db5.3_load with ``options``."""
    return by_program(text, "db5.3_load", "-T", *options)


def with_word(make: Callable[[Path], object], at: int, number: int) -> Callable[[Path], object]:
    """Return what makes a file and puts ``number`` in its four bytes ``at``."""

    def made(path: Path) -> None:
        make(path)
        content = bytearray(path.read_bytes())
        struct.pack_into("<I", content, at, number)
        path.write_bytes(content)

    return made


def of_content(content: bytes) -> Callable[[Path], object]:
    """Return what writes ``content``."""
    return lambda path: path.write_bytes(content)


def compressed(content: bytes) -> bytes:
    """Return ``content`` as zstd(1) compresses it."""
    return subprocess.run(["zstd", "-q", "-c"], input=content, capture_output=True, check=True).stdout


def dumped(path: Path) -> None:
    """Write what db5.3_dump prints of a hash."""
    loaded("-t", "hash")(path)
    dump = subprocess.run(["db5.3_dump", str(path)], capture_output=True, check=True).stdout
    path.write_bytes(dump)


def gdbm(path: Path) -> None:
    """Write a file of GNU dbm."""
    for number, (key, value) in enumerate(ENTRIES.items()):
        subprocess.run(["gdbmtool", "-N", "-q", *["-n"][number:], str(path), "store", key, value], check=True)


def cdb(path: Path) -> None:
    """Write a cdb file."""
    text = "".join(f"+{len(key)},{len(value)}:{key}->{value}\n" for key, value in ENTRIES.items())
    subprocess.run(["cdb", "-c", str(path)], input=f"{text}\n", text=True, check=True)


def lmdb(path: Path) -> None:
    """Write an LMDB file, one entry of which ends in NUL, as Postfix may write them."""
    data = LINES.replace("7\n1700000000\n", "7\\00\n1700000000\\00\n")
    text = "VERSION=3\nformat=print\ntype=btree\nmapsize=1048576\nHEADER=END\n"
    text += "".join(f" {line}\n" for line in data.splitlines()) + "DATA=END\n"
    subprocess.run(["mdb_load", "-n", str(path)], input=text, text=True, check=True)
    Path(f"{path}-lock").unlink(missing_ok=True)


def sqlite(path: Path) -> None:
    """Write an SQLite database."""
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE relayers (address TEXT, time INTEGER)")
        connection.executemany("INSERT INTO relayers VALUES (?, ?)", ENTRIES.items())
    connection.close()


def version_1(magic: int, order: str) -> bytes:
    """Return the beginning of a file of Berkeley DB 1.85, and zeros."""
    return struct.pack(order + "II", magic, 3).ljust(8192, b"\0")


# Files with ENTRIES. Each begins with what its kind is recognised by.
COMPLETE = {
    "btree": Maker(kinds.BTREE, loaded("-t", "btree")),
    "btree of the other byte order": Maker(kinds.BTREE, loaded("-t", "btree", "-c", "db_lorder=4321")),
    "text": Maker(kinds.TEXT, of_content(TEXT.encode())),
    "text in UTF-8": Maker(kinds.TEXT, of_content(f"# für alle\n{TEXT}".encode())),
    "several databases": Maker(kinds.NAMED, loaded("-t", "hash", "-c", "database=NAME")),
    "output of db5.3_dump": Maker(kinds.DUMP, dumped),
    "gdbm": Maker(kinds.GDBM, gdbm, "gdbmtool"),
    "cdb": Maker(kinds.CDB, cdb, "cdb"),
    "LMDB": Maker(kinds.LMDB, lmdb, "mdb_load"),
    "sqlite": Maker(kinds.SQLITE, sqlite),
    "gzip": Maker(kinds.GZIP, of_content(gzip.compress(TEXT.encode()))),
    "bzip2": Maker(kinds.BZIP2, of_content(bz2.compress(TEXT.encode()))),
    "xz": Maker(kinds.XZ, of_content(lzma.compress(TEXT.encode()))),
    "zstd": Maker(kinds.ZSTD, lambda path: path.write_bytes(compressed(TEXT.encode())), "zstd"),
}
# Files that hold no addresses.
WITHOUT_ADDRESSES = {
    "recno": Maker(kinds.RECNO, loaded("-t", "recno")),
    "queue": Maker(kinds.QUEUE, loaded("-t", "queue", "-c", "re_len=16")),
    "heap": Maker(kinds.HEAP, of_content(bytes(12) + struct.pack("<II", 0x074582, 1) + bytes(4076))),
    "zeros": Maker(kinds.ZEROS, of_content(bytes(16384))),
    "one zero": Maker(kinds.ZEROS, of_content(bytes(1))),
}
# The beginning of files whose programs are seldom installed, or no longer exist.
BEGINNINGS = {
    "hash of format version 5": Maker(kinds.OLD_HASH, with_word(loaded("-t", "hash"), 16, 5)),
    "btree of format version 7": Maker(kinds.OLD_BTREE, with_word(loaded("-t", "btree"), 16, 7)),
    "hash of version 1.85": Maker(kinds.VERSION_1, of_content(version_1(HASH_MAGIC, ">"))),
    "btree of version 1.85": Maker(kinds.VERSION_1, of_content(version_1(BTREE_MAGIC, "<"))),
    "beginning of gdbm": Maker(kinds.GDBM, of_content(struct.pack(">I", 0x13579ACE).ljust(4096, b"\0"))),
    "beginning of LMDB": Maker(kinds.LMDB, of_content(bytes(16) + struct.pack("<II", 0xBEEFC0DE, 1) + bytes(4072))),
    "cdb without entries": Maker(kinds.CDB, of_content(struct.pack("<II", 2048, 0) * 256)),
}
MAKERS = {**COMPLETE, **WITHOUT_ADDRESSES, **BEGINNINGS}
