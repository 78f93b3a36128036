# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The entries of a database as pages of JSON, in bytes: whoever passes a page on need not parse a hundred thousand entries."""

from __future__ import annotations

import heapq
from operator import itemgetter

from ..database import relayers_db
from ..database.snapshot import LARGEST_DATABASE_BYTES
from ..entries.addresses import is_key
from ..entries.timestamps import timestamp_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PAGE_ENTRIES = 2000
# The latest entries count. More than these a host does not share, and each takes about 60 bytes.
MOST_ENTRIES = 250_000


def read(path: str, lock_seconds: float, largest: int = LARGEST_DATABASE_BYTES) -> list[bytes]:
    """Return the entries of the database at ``path``, each page a JSON list of ``[key, epoch seconds]``; at least one page.

    An entry that no login makes is left out: its key is no address as sendmail looks it up, or its value no timestamp. Waits
    and raises as relayers_db.read().
    """
    with relayers_db.read(path, lock_seconds, largest) as snapshot:
        entries = list(_logins_in(snapshot.items()))
    if len(entries) > MOST_ENTRIES:
        entries = heapq.nlargest(MOST_ENTRIES, entries, key=itemgetter(1))
    return [_page(entries[start : start + PAGE_ENTRIES]) for start in range(0, len(entries), PAGE_ENTRIES)] or [b"[]"]


def _logins_in(items: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[str, int]]:
    for key, value in items:
        timestamp = timestamp_of(value)
        # What is not ASCII is no address either.
        text = key.decode("latin-1")
        if timestamp is not None and is_key(text):
            yield text, timestamp


def _page(entries: Iterable[tuple[str, int]]) -> bytes:
    texts = [f'["{key}",{timestamp}]' for key, timestamp in entries]
    return f"[{','.join(texts)}]".encode()
