# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The spool: login entries that are accepted and not yet written. A killed recorder finds them at its next start.

Each is a line of JSON: the path of the database, the key of the client's address, epoch seconds, and the account that
Dovecot is still to be asked about. The
lines are written without fsync: they survive the process, not a power failure.
"""

from __future__ import annotations

import json
import os

from .login_entry import LoginEntry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# Once it has grown to this size without a moment at which no login waited, only the waiting entries are kept.
LARGEST_SPOOL_BYTES = 1 << 20


class Spool:
    """The spool file at ``path`` (str); without a path nothing is kept."""

    def __init__(self, path: str = "") -> None:
        """Open the file, or create it with mode 0600. Raises OSError."""
        self._size = self._kept = 0
        self._descriptor = -1
        if path:
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
            self._descriptor = os.open(path, flags, 0o600)
            self._size = os.fstat(self._descriptor).st_size

    def entries(self) -> Iterator[LoginEntry]:
        """Yield each entry in it; a truncated line is ignored."""
        if self._size:
            for line in os.pread(self._descriptor, self._size, 0).splitlines():
                try:
                    path, key, timestamp, *more = json.loads(line)
                    account = tuple(map(str, more[0])) if more else ()
                except (ValueError, TypeError):
                    continue
                if isinstance(path, str) and isinstance(key, str) and isinstance(timestamp, int):
                    yield LoginEntry(path, key, timestamp, account)

    def append(self, entry: LoginEntry) -> None:
        """Add one entry. On a full disk the entry is in memory only: users still read mail."""
        if self._descriptor >= 0:
            try:
                self._size += os.write(self._descriptor, b"%b\n" % json.dumps(entry).encode())
            except OSError:
                pass

    def is_full(self) -> bool:
        """Return whether it has grown large enough for replace()."""
        return self._size > max(LARGEST_SPOOL_BYTES, 2 * self._kept)

    def replace(self, entries: Iterator[LoginEntry]) -> None:
        """Keep ``entries`` and nothing else."""
        if self._size:
            os.ftruncate(self._descriptor, 0)
            self._size = 0
        for entry in entries:
            self.append(entry)
        self._kept = self._size
