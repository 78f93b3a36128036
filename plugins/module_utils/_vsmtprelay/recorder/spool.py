# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The spool: login entries that are accepted and not yet written. A killed recorder finds them at its next start.

Each is a line of JSON: the path of the database, the key of the client's address, epoch seconds, and the account that
Dovecot is still to be asked about. A NUL ends what counts: what was there before is overwritten and not cut off, since the
file system has to note that a file becomes shorter or longer, many times a second.

The lines are written without fsync: they survive the process, not a power failure. Neither does it survive that the file was
emptied: after a power cut it can hold entries again that were recorded, and revoked, long before. So the first line names the
start of the host that the entries belong to (boot_id in random(4)), and those of another start count only if the recorder
ended regularly and left them on purpose.
"""

from __future__ import annotations

import json
import os

from .login_entry import LoginEntry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Once it has grown to this size without a moment at which no login waited, only the waiting entries are kept.
LARGEST_SPOOL_BYTES = 1 << 20
END = b"\0"
BOOT_ID = "/proc/sys/kernel/random/boot_id"
HEADER_BEGIN = b'["boot", '
# In place of the identifier of a start.
ANY_BOOT = "any"


class Spool:
    """The spool file at ``path`` (str); without a path nothing is kept."""

    def __init__(self, path: str = "", boot: str | None = None) -> None:
        """Open the file, or create it with mode 0600; ``boot`` is the identifier of this start of the host. Raises OSError."""
        self._kept = 0
        self._descriptor = -1
        self._header = _header_of(this_boot() if boot is None else boot)
        self._size = len(self._header)
        if path:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            content = self._content()
            if content.startswith(self._header):
                self._size = len(content)
                if not content.endswith(b"\n"):
                    self._write(b"\n")  # a line that is not whole must not spoil the next
            else:
                self._take_over(content)

    def entries(self) -> Iterator[LoginEntry]:
        """Yield each entry in it; a truncated line is ignored."""
        yield from _entries_in(self._content())

    def append(self, entry: LoginEntry) -> None:
        """Add one entry. On a full disk the entry is in memory only: users still read mail."""
        self._write(b"%b\n" % json.dumps(entry).encode())

    def is_full(self) -> bool:
        """Return whether it has grown large enough for replace()."""
        return self._size > max(LARGEST_SPOOL_BYTES, 2 * self._kept)

    def replace(self, entries: Iterable[LoginEntry]) -> None:
        """Keep ``entries`` and nothing else."""
        was_large = self._size > LARGEST_SPOOL_BYTES
        self._size = len(self._header)
        self._write(_lines_of(entries))
        self._kept = self._size
        if was_large:
            try:
                os.ftruncate(self._descriptor, self._size + len(END))
            except OSError:
                pass

    def leave(self) -> None:
        """Leave what is in it for the next recorder, also for one after another start of the host."""
        left = list(self.entries())
        if left:
            self._rewrite(_header_of(ANY_BOOT), left)

    def _take_over(self, content: bytes) -> None:
        """Begin anew with those entries in ``content``, which is from another start of the host, that were left on purpose."""
        first = content.partition(b"\n")[0]
        # An earlier version of the recorder wrote no header.
        counts = first + b"\n" == _header_of(ANY_BOOT) or not first.startswith(HEADER_BEGIN)
        self._rewrite(self._header, list(_entries_in(content)) if counts else [])

    def _rewrite(self, header: bytes, entries: Iterable[LoginEntry]) -> None:
        """Write the whole file anew, so that a power cut brings nothing back. Full disks and others are ignored."""
        self._size = 0
        self._write(header + _lines_of(entries))
        self._size = max(self._size, len(header))
        try:
            os.fsync(self._descriptor)
        except OSError:
            pass

    def _content(self) -> bytes:
        if self._descriptor < 0:
            return b""
        content = os.pread(self._descriptor, os.fstat(self._descriptor).st_size, 0)
        return content.partition(END)[0]

    def _write(self, lines: bytes) -> None:
        """Write ``lines`` behind those that are there."""
        if self._descriptor >= 0:
            try:
                written = os.pwrite(self._descriptor, lines + END, self._size)
            except OSError:
                return
            # On a disk that has just become full, the rest is missing; the next lines overwrite what is not whole.
            if written > len(lines):
                self._size += len(lines)


def this_boot() -> str:
    """Return the identifier of this start of the host (boot_id in random(4))."""
    with open(BOOT_ID, encoding="ascii") as file:
        return file.read().strip()


def _header_of(boot: str) -> bytes:
    return b'%b"%b"]\n' % (HEADER_BEGIN, boot.encode())


def _lines_of(entries: Iterable[LoginEntry]) -> bytes:
    return b"".join(b"%b\n" % json.dumps(entry).encode() for entry in entries)


def _entries_in(content: bytes) -> Iterator[LoginEntry]:
    for line in content.splitlines():
        try:
            path, key, timestamp, *more = json.loads(line)
            account = tuple(map(str, more[0])) if more else ()
        except (ValueError, TypeError):
            continue
        if isinstance(path, str) and isinstance(key, str) and isinstance(timestamp, int):
            yield LoginEntry(path, key, timestamp, account)
