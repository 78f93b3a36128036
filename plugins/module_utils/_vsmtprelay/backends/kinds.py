# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kind of a file that is not a database of sendmail's type ``hash``, by its content, and how to import its entries.

A database may lie in the place of relayers.db that another program wrote, or that makemap made of another type. A kind
is certain: a magic number, or a structure that covers the whole file. So a damaged hash file is not taken for another kind.
"""

from __future__ import annotations

import struct
from shlex import quote

from .berkeley_pages import HASH_MAGIC

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .berkeley_pages import Data

BTREE_MAGIC = 0x053162  # that of recno, too
QUEUE_MAGIC = 0x042253
HEAP_MAGIC = 0x074582
MAGIC_AT = 12  # in the first page, since version 2.0
MAGIC_AT_VERSION_1 = 0
VERSION_AT = 16
FLAGS_AT = 48
RECNO_FLAG = 0x02  # BTM_RECNO
NAMED_FLAG = 0x20  # BTM_SUBDB: the btree lists databases in the same file
# The oldest format versions that libdb 5.3 reads.
OLDEST_HASH, OLDEST_BTREE = 7, 8
GDBM_MAGICS = range(0x13579ACD, 0x13579AD2)
LMDB_MAGIC = 0xBEEFC0DE
LMDB_MAGIC_AT = (16, 12)  # after the page header of a 64-bit host, or of a 32-bit one
# A cdb file begins with the position and the number of slots of 256 tables, which stand one after the other at its end.
CDB_TABLES, CDB_SLOT_BYTES = 256, 8
CDB_HEADER = struct.Struct(f"<{2 * CDB_TABLES}I")
DUMP_HEADERS = (b"VERSION=3\nformat=", b"format=bytevalue\n", b"format=print\n")  # the latter of db_dump185
TEXT_BYTES = bytes({*b"\t\n\f\r", *range(32, 256)} - {127})
PIECE_BYTES = 1 << 20


class Kind:
    """A kind of file: its ``name``, with an article, and how the addresses get from such a file into a database.

    ``command`` is the shell command that imports them, where {file} is the file, and {to} the options of vsmtprelay with a
    space behind. It is empty if such a file holds no addresses. ``hint`` says what to adapt in it.

    Root may type the command for a file in another user's directory. So it creates files elsewhere, and mv -T does not
    move the file into a directory that the user put there under the new name.
    """

    __slots__ = ("command", "hint", "name")

    def __init__(self, name: str, command: str = "", hint: str = "") -> None:
        self.name = name
        self.command = command
        self.hint = hint

    def refusal(self, path: str) -> str:
        """Return the message that the database at ``path`` is of this kind: one line with the remedy."""
        moved = f"{path}.before"
        move = f"mv -T {quote(path)} {quote(moved)}"
        if not self.command:
            return (
                f"{path}: is {self.name}, not a Berkeley DB hash, nothing was changed; check the path, or move it away, and "
                f"the next login or vsmtprelay add creates a new one: {move}"
            )
        command = self._filled(self.command, moved, f"--database {quote(path)} ")
        return (
            f"{path}: is {self.name}, not a Berkeley DB hash, nothing was changed; move it away and import it: "
            f"{move} && {command}{self._filled(self.hint, moved)}"
        )

    def refusal_of_source(self, path: str) -> str:
        """Return the message that vsmtprelay import does not read the file at ``path``: one line with the remedy."""
        if not self.command:
            return f"{path}: is {self.name}, nothing was imported; it holds no addresses: check the path"
        command = self._filled(self.command, path)
        return f"{path}: is {self.name}, nothing was imported; convert it: {command}{self._filled(self.hint, path)}"

    def _filled(self, template: str, file: str, to: str = "") -> str:
        return template.format(file=quote(file), to=to)


IMPORT = "vsmtprelay {to}import"
IMPORT_FILE = IMPORT + " {file}"
# What goes before and after the program that writes a converted file.
TEMPORARY = "new=$(mktemp -d)/new && "
CONVERT = '"$new" && ' + IMPORT + ' "$new"'

HASH = Kind("a Berkeley DB hash")
BTREE = Kind(
    "a Berkeley DB btree, as DRAC writes",
    IMPORT_FILE,
    "; the times of DRAC are those of the expiry: write import --expires-after 30 {file}",
)
TEXT = Kind("text, as makemap reads", IMPORT_FILE)
NAMED = Kind(
    "a Berkeley DB file of several named databases",
    TEMPORARY + "db5.3_dump -s NAME {file} | db5.3_load " + CONVERT,
    "; db5.3_dump -l {file} lists the names",
)
RECNO = Kind("a Berkeley DB recno, which holds numbered records")
QUEUE = Kind("a Berkeley DB queue, which holds numbered records")
HEAP = Kind("a Berkeley DB heap, which holds numbered records")
OLD_HASH = Kind(
    "a Berkeley DB hash of an old format, which libdb 5.3 cannot read",
    TEMPORARY + 'cp {file} "$new" && db5.3_upgrade ' + CONVERT,
)
OLD_BTREE = Kind(
    "a Berkeley DB btree of an old format, which libdb 5.3 cannot read",
    TEMPORARY + 'cp {file} "$new" && db5.3_upgrade ' + CONVERT,
)
VERSION_1 = Kind(
    "a Berkeley DB 1.85 file, which libdb 5.3 cannot read",
    TEMPORARY + "db_dump185 {file} | db5.3_load " + CONVERT,
)
DUMP = Kind("the output of db5.3_dump or db_dump", TEMPORARY + "db5.3_load -f {file} " + CONVERT)
GDBM = Kind("a GNU dbm file", "gdbmtool -N -q -r {file} list | " + IMPORT)
CDB = Kind("a cdb file", "cdb -d -m {file} | " + IMPORT)
LMDB = Kind("an LMDB file", r"mdb_dump -n -p {file} | sed -n '/^ /{{s///;s/\\00$//;p}}' | paste - - | " + IMPORT)
SQLITE = Kind(
    "an SQLite database",
    "sqlite3 -separator ' ' {file} 'SELECT address, time FROM relayers' | " + IMPORT,
    "; sqlite3 {file} .schema shows the names of its tables and columns",
)
GZIP = Kind("compressed with gzip", TEMPORARY + "gunzip -c {file} > " + CONVERT)
BZIP2 = Kind("compressed with bzip2", TEMPORARY + "bunzip2 -c {file} > " + CONVERT)
XZ = Kind("compressed with xz", TEMPORARY + "unxz -c {file} > " + CONVERT)
ZSTD = Kind("compressed with zstd", TEMPORARY + "unzstd -q -c {file} > " + CONVERT)
ZEROS = Kind("a file of zeros, which holds no entries")

OF_BERKELEY_DB = {QUEUE_MAGIC: QUEUE, HEAP_MAGIC: HEAP}
# Where a file of that kind has these bytes.
MAGIC_BYTES = (
    (0, b"SQLite format 3\0", SQLITE),
    (0, b"\x1f\x8b\x08", GZIP),
    (4, b"1AY&SY", BZIP2),
    (0, b"\xfd7zXZ\0", XZ),
    (0, b"\x28\xb5\x2f\xfd", ZSTD),
)


def kind_of(data: Data) -> Kind | None:
    """Return the kind of the file with the content ``data``, or None if it is empty or of no known kind.

    HASH is what begins as a hash of a version that libdb 5.3 reads; the rest of it may be damaged.
    """
    beginning = data[: CDB_HEADER.size]
    kind = _berkeley(beginning) or _other_magic(beginning)
    if kind is not None or not beginning:
        return kind
    if _is_cdb(beginning, len(data)):
        return CDB
    if all(piece.count(0) == len(piece) for piece in _pieces(data)):
        return ZEROS
    if any(piece.translate(None, TEXT_BYTES) for piece in _pieces(data)):
        return None
    return DUMP if beginning.startswith(DUMP_HEADERS) else TEXT


def other_kind_of(data: Data) -> Kind | None:
    """Return the kind of a file that is certainly not a hash, damaged or not; None for a hash and for no known kind."""
    kind = kind_of(data)
    return None if kind is HASH else kind


def _berkeley(beginning: bytes) -> Kind | None:
    if _number_at(beginning, MAGIC_AT_VERSION_1) & {HASH_MAGIC, BTREE_MAGIC}:
        return VERSION_1
    for order in "<>":
        (magic,) = _number_at(beginning, MAGIC_AT, order) or (0,)
        (version,) = _number_at(beginning, VERSION_AT, order) or (OLDEST_BTREE,)
        (flags,) = _number_at(beginning, FLAGS_AT, order) or (0,)
        if magic == HASH_MAGIC:
            # Version 0 and 1 never existed: they are damage.
            return OLD_HASH if 1 < version < OLDEST_HASH else HASH
        if magic == BTREE_MAGIC:
            if version < OLDEST_BTREE:
                return OLD_BTREE
            return RECNO if flags & RECNO_FLAG else NAMED if flags & NAMED_FLAG else BTREE
        if magic in OF_BERKELEY_DB:
            return OF_BERKELEY_DB[magic]
    return None


def _other_magic(beginning: bytes) -> Kind | None:
    for at, magic, kind in MAGIC_BYTES:
        if beginning.startswith(magic, at):
            return kind
    if any(number in GDBM_MAGICS for number in _number_at(beginning, 0)):
        return GDBM
    if any(LMDB_MAGIC in _number_at(beginning, at) for at in LMDB_MAGIC_AT):
        return LMDB
    return None


def _number_at(beginning: bytes, at: int, orders: str = "<>") -> set[int]:
    """Return the number of four bytes at ``at`` in each byte order; none if ``beginning`` ends before."""
    if len(beginning) < at + 4:
        return set()
    return {struct.unpack_from(order + "I", beginning, at)[0] for order in orders}


def _is_cdb(beginning: bytes, size: int) -> bool:
    """Return whether the tables that ``beginning`` lists fill the file of ``size`` bytes to its end without a gap."""
    if len(beginning) < CDB_HEADER.size:
        return False
    numbers = CDB_HEADER.unpack(beginning)
    end = numbers[0]
    if end < CDB_HEADER.size:
        return False
    for position, slots in zip(numbers[::2], numbers[1::2]):
        if position != end:
            return False
        end += slots * CDB_SLOT_BYTES
    return end == size


def _pieces(data: Data) -> Iterator[bytes]:
    for start in range(0, len(data), PIECE_BYTES):
        yield data[start : start + PIECE_BYTES]
