# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which pages of a file in memory changed: libdb does not say, so what they held before is kept."""

from __future__ import annotations

import mmap
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# Compared at once, and reported at once.
COMPARED_BYTES = 1 << 15
PAGE_BYTES = 1 << 12


class ChangedPages:
    """The pages of an open file, which other code writes, as they were the last time."""

    def __init__(self, descriptor: int) -> None:
        """Remember the file behind ``descriptor`` as it is."""
        self._descriptor = descriptor
        self._map: mmap.mmap | None = None
        self._pieces: list[bytearray] = []
        for _page in self.take():
            pass

    def take(self) -> Iterator[tuple[int, bytes]]:
        """Yield the offset and the content of each page that is new or has changed since the last time."""
        size = os.fstat(self._descriptor).st_size
        if self._map is None or len(self._map) != size:
            # Mapped once, it costs no more copies and no more page faults.
            self._map = mmap.mmap(self._descriptor, size, access=mmap.ACCESS_READ) if size else None
        if self._map is None:
            return
        with memoryview(self._map) as now:
            for number, start in enumerate(range(0, size, COMPARED_BYTES)):
                with now[start : start + COMPARED_BYTES] as piece:
                    if number == len(self._pieces):
                        self._pieces.append(bytearray())
                    before = self._pieces[number]
                    # In this order: to compare a memoryview with something takes a thousand times as long.
                    if before == piece:
                        continue
                    for at in range(0, len(piece), PAGE_BYTES):
                        page = bytes(piece[at : at + PAGE_BYTES])
                        if before[at : at + PAGE_BYTES] != page:
                            yield start + at, page
                    before[:] = piece
