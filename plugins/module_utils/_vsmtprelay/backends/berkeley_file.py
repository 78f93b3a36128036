# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hash file: keys and values through libdb. No other module of the library writes Berkeley DB.

libdb only opens copies, through their file descriptors. Opening and closing the live file would drop the
record locks that this process holds on it (fcntl(2)), and a writer killed half-way would leave it corrupt.
"""

from __future__ import annotations

import itertools
import marshal
import os

from ..errors import UnreadableError, UnwritableError
from . import berkeley_pages
from .berkeley_binding import binding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from mmap import mmap
    from typing import Any

# libdb's cache, in bytes. With its default of 256 KiB a bulk change reads and writes pages all the time. More than this
# gains nothing, since the copy is in memory, not on a disk. Reading goes through the pages once, in order.
READING_CACHE = 1 << 20
WRITING_CACHE = 8 << 20
# To check its pages, a file of up to this many bytes is read. A larger one is mapped, since it is in memory already.
LARGEST_READ = 4 << 20
# The least bytes that an entry takes in a page: two offsets, two types, an address and a digit.
SMALLEST_ITEM = 8
# Number of entries that decide whether makemap -N wrote the file.
PROBED_ENTRIES = 16


class HashFile:
    """The entries of the hash file behind a file descriptor. Keys and values are bytes."""

    def __init__(self, descriptor: int, path: str, writable: bool = False, known_sound: bool = False) -> None:
        """Open the file behind ``descriptor``; ``path`` (str) is its name in messages.

        Its pages are checked first, unless it is ``known_sound``. If ``writable``, an empty file becomes a hash
        file without entries.

        Raises UnreadableError if it is not a sound Berkeley DB hash file, UnwritableError if it is to be
        written and its keys end in NUL, MissingBindingError if Python has no binding.
        """
        self._path = path
        self._descriptor = descriptor
        self._libdb = binding()
        size = os.fstat(descriptor).st_size
        self._most_items = size // SMALLEST_ITEM
        self._can_be_split: bool | None = None
        if size and not known_sound:
            self._check_pages()
        if not writable:
            flags = self._libdb.DB_RDONLY
        elif size == 0:
            flags = self._libdb.DB_CREATE
        else:
            flags = 0
        self._db = self._libdb.DB()
        if size == 0:
            # A checksum in each page: sendmail gets an error instead of a wrong answer from a damaged page, and a repair
            # knows which pages to trust.
            self._db.set_flags(self._libdb.DB_CHKSUM)
        self._db.set_cachesize(0, min(max(READING_CACHE, 2 * size), WRITING_CACHE) if writable else READING_CACHE)
        try:
            self._db.open(f"/proc/self/fd/{descriptor}", dbtype=self._libdb.DB_HASH, flags=flags)
        except self._libdb.DBError as error:
            self._db.close()
            raise self._unsound(error) from None
        self._duplicates = bool(self._db.get_flags() & self._libdb.DB_DUP)
        if writable and size and not known_sound:
            self._refuse_nul_terminated()

    def __enter__(self) -> HashFile:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def close(self) -> None:
        """Write out the changes and close the file. Raises UnreadableError if libdb finds it damaged."""
        try:
            self._db.close()
        except self._libdb.DBError as error:
            raise self._damaged(error) from None

    def sync(self) -> None:
        """Write out the changes. Raises UnreadableError if libdb finds the file damaged."""
        try:
            self._db.sync()
        except self._libdb.DBError as error:
            raise self._damaged(error) from None

    def get(self, key: bytes) -> bytes | None:
        """Return the value of ``key``, or None."""
        try:
            value: bytes | None = self._db.get(key)
        except self._libdb.DBError as error:
            raise self._damaged(error) from None
        return value

    def put(self, key: bytes, value: bytes) -> None:
        """Store ``value`` under ``key``, in place of all values that it had."""
        try:
            if self._duplicates and self._db.exists(key):
                self._db.delete(key)
            self._db.put(key, value)
        except self._libdb.DBError as error:
            raise self._damaged(error) from None

    def delete(self, key: bytes) -> None:
        """Remove ``key``. Raises KeyError if it is missing."""
        try:
            self._db.delete(key)
        except self._libdb.DBNotFoundError:
            raise KeyError(key) from None
        except self._libdb.DBError as error:
            raise self._damaged(error) from None

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield every key with its value, in the order of the file."""
        return itertools.chain.from_iterable(itertools.starmap(zip, self.pages()))

    def pages(self) -> Iterator[tuple[list[bytes], list[bytes]]]:
        """Yield the keys and their values page by page, or one by one if only libdb can read them."""
        if self._have_pages_only_plain_items():
            yield from berkeley_pages.items(self._content())
        else:
            yield from (([key], [value]) for unused, (key, value) in self._walk())

    def delete_where(self, choose: Callable[[list[bytes], list[bytes]], list[bytes]]) -> None:
        """Remove every entry whose key ``choose`` returns; it is called with the keys and values of one page at a time."""
        if self._duplicates:
            # Deleting a key would remove all its values.
            for cursor, (key, value) in self._walk():
                if choose([key], [value]):
                    cursor.delete()
            return
        # All keys are chosen first, since libdb moves entries between pages when it deletes. They are marshalled, since half
        # a million bytes objects take more memory than the file.
        chosen = [marshal.dumps(keys) for keys in itertools.starmap(choose, self.pages()) if keys]
        try:
            for keys in chosen:
                for key in marshal.loads(keys):
                    self._db.delete(key)
        except self._libdb.DBNotFoundError:
            raise self._damaged("a key lies in a wrong bucket") from None
        except self._libdb.DBError as error:
            raise self._damaged(error) from None

    def _have_pages_only_plain_items(self) -> bool:
        """Write out the changes, compare the checksums; return whether all items lie plainly in their pages."""
        try:
            self.sync()
            if self._can_be_split is None:
                self._check_pages()
            if self._can_be_split and self._db.get_flags() & self._libdb.DB_CHKSUM:
                self._db.stat()  # reads all pages, and libdb compares the checksum of each
        except self._libdb.DBError as error:
            raise self._damaged(error) from None
        return bool(self._can_be_split)

    def _walk(self) -> Iterator[tuple[Any, tuple[bytes, bytes]]]:
        """Yield libdb's cursor and the key and value at it, for every entry, whatever the type of its items."""
        left = self._most_items
        try:
            cursor = self._db.cursor()
            try:
                item = cursor.first()
                while item is not None:
                    yield cursor, item
                    left -= 1
                    if left < 0:
                        raise self._damaged("its pages go in a circle")
                    item = cursor.next()
            finally:
                cursor.close()
        except self._libdb.DBError as error:
            raise self._damaged(error) from None

    def _check_pages(self) -> None:
        data = self._content()
        try:
            self._can_be_split = berkeley_pages.check_pages(data, len(data))
        except berkeley_pages.Fault as fault:
            raise self._unsound(str(fault)) from None
        if not self._can_be_split:
            # Only other programs write overflow pages and duplicates. libdb follows a damaged chain of them in a circle.
            from .berkeley_verify import libdb_finds_sound

            if not libdb_finds_sound(self._descriptor):
                raise self._damaged("db5.3_verify finds fault with it")

    def _content(self) -> bytes | mmap:
        size = os.fstat(self._descriptor).st_size
        if size <= LARGEST_READ:
            return os.pread(self._descriptor, size, 0)
        import mmap  # start-up: see __init__

        return mmap.mmap(self._descriptor, size, access=mmap.ACCESS_READ)

    def _refuse_nul_terminated(self) -> None:
        keys = [key for unused, (key, value) in itertools.islice(self._walk(), PROBED_ENTRIES)]
        if keys and all(key.endswith(b"\0") for key in keys):
            from shlex import quote  # start-up: see __init__

            path = quote(self._path)
            raise UnwritableError(
                f"{self._path}: its keys end in NUL, as makemap -N writes them, nothing was changed; rebuild it without -N: "
                f"vsmtprelay --database {path} dump > relayers && makemap hash {path} < relayers"
            )

    def _unsound(self, error: Exception | str) -> UnreadableError:
        """Return the error for a file that cannot be opened: it is damaged, or of another kind."""
        from .kinds import other_kind_of  # start-up: see __init__

        kind = other_kind_of(self._content())
        return self._damaged(error) if kind is None else UnreadableError(kind.refusal(self._path))

    def _damaged(self, error: Exception | str) -> UnreadableError:
        if isinstance(error, self._libdb.DBRunRecoveryError):
            # This is how libdb reports a wrong checksum in a database without a log to recover from.
            error = "a page does not fit its checksum"
        reason = error if isinstance(error, str) else error.args[-1]
        return UnreadableError(
            f"{self._path}: not a sound Berkeley DB hash file ({reason}), nothing was changed; "
            f"see what vsmtprelay --database {self._path} repair can save"
        )
