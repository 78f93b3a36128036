# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Entries and keys in the form in which the modules return them and ``vsmtprelay --json`` prints them."""

from __future__ import annotations

import json

from .addresses import address_of
from .makemap_text import printable_text
from .timestamps import timestamp_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

# A key of these characters alone is its own address, and JSON takes it as it is.
PLAIN = b"0123456789."


def relayer_of(key: bytes, timestamp: int | None, now: int) -> dict[str, Any]:
    """Return one entry; ``now`` is epoch seconds."""
    text = printable_text(key)
    age = None if timestamp is None else now - timestamp
    return {"address": address_of(text), "key": text, "timestamp": timestamp, "age": age}


def json_entries(
    pages: Iterable[tuple[Sequence[bytes], Sequence[bytes]]], now: int, limit: int | None = None
) -> Iterator[list[bytes]]:
    """Yield, page by page, the JSON text of all entries, or of those stamped at ``limit`` (epoch seconds) or before.

    Each of ``pages`` is a sequence of keys and the sequence of their values; ``now`` is epoch seconds.
    """
    for keys, values in pages:
        texts = []
        for key, value in zip(keys, values):
            timestamp = timestamp_of(value)
            if limit is not None and (timestamp is None or timestamp > limit):
                continue
            if timestamp is None or key.translate(None, PLAIN):
                texts.append(json.dumps(relayer_of(key, timestamp, now)).encode())
            else:
                # The same text in a tenth of the time, for a million entries.
                texts.append(
                    b'{"address": "%b", "key": "%b", "timestamp": %d, "age": %d}' % (key, key, timestamp, now - timestamp)
                )
        yield texts


def json_keys(keys: Iterable[bytes]) -> list[bytes]:
    """Return the JSON text of each key."""
    return [json.dumps(printable_text(key)).encode() if key.translate(None, PLAIN) else b'"%b"' % key for key in keys]


def names(keys: Iterable[bytes]) -> list[str]:
    """Return keys as text, sorted."""
    return sorted(printable_text(key) for key in keys)
