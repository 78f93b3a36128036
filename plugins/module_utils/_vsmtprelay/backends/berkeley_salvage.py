# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Salvage of a damaged Berkeley DB hash file: the entries of its pages that can be trusted."""

from __future__ import annotations

import struct

from .berkeley_pages import (
    CHECKSUMMED_HEADER_BYTES,
    HEADER_BYTES,
    ITEM_PAGES,
    MASK_32,
    META_BYTES,
    PAGE_SIZES,
    PLAIN_ITEM,
    meta_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .berkeley_pages import Meta

MASK_16 = 0xFFFF
CHECKSUM_AT = 28  # in the header of a page with PG_CHKSUM


def salvage(data: bytes, plausible: Callable[[bytes, bytes], bool]) -> Iterator[tuple[bytes, bytes]]:
    """Yield the entries of the damaged file ``data`` that can be trusted.

    A file that the library created has a checksum in each page: an entry is trusted if it is plausible and the
    checksum of its page is right.

    A file that makemap created has none. There an entry is trusted if ``plausible(key, value)`` holds for it
    and for its neighbours in the page (bytes that overwrite an entry mostly spoil the next one too), and if
    its key belongs in the bucket of the page. A digit that turned into another digit goes unnoticed.
    """
    meta = meta_of(data[:META_BYTES])
    order, page_size = (meta.order, meta.page_size) if meta else _guess(data)
    pages = [data[start : start + page_size] for start in range(0, len(data) - page_size + 1, page_size)]
    pages = [page for page in pages if page[25] in ITEM_PAGES]
    if meta:
        checksummed = meta.header_bytes == CHECKSUMMED_HEADER_BYTES
    else:
        checksummed = any(_checksum_fits(page, order) for page in pages)
    if checksummed:
        for page in pages:
            if _checksum_fits(page, order):
                for entry in _entries(page, order, CHECKSUMMED_HEADER_BYTES):
                    if entry and plausible(*entry):
                        yield entry
    else:
        for page in pages:
            yield from _trusted(_entries(page, order, HEADER_BYTES), plausible, meta)


def holds_no_entries(data: bytes) -> bool:
    """Return whether the damaged file ``data`` certainly held no entries: it is complete, and each page is free or empty."""
    meta = meta_of(data[:META_BYTES])
    if meta is None or len(data) != (meta.last_page + 1) * meta.page_size:
        return False
    pages = (data[start : start + meta.page_size] for start in range(meta.page_size, len(data), meta.page_size))
    return all(not page.strip(b"\0") or _is_empty_item_page(page, meta) for page in pages)


def _is_empty_item_page(page: bytes, meta: Meta) -> bool:
    count, free_end = struct.unpack_from(meta.order + "HH", page, 20)
    if page[25] not in ITEM_PAGES or count or free_end != meta.page_size & MASK_16:
        return False
    return meta.header_bytes == HEADER_BYTES or _checksum_fits(page, meta.order)


def _checksum_fits(page: bytes, order: str) -> bool:
    """Return whether the checksum of a page (__db_chksum() and __ham_func4()) is right."""
    (wanted,) = struct.unpack_from(order + "I", page, CHECKSUM_AT)
    value = 0
    for byte in page[:CHECKSUM_AT] + bytes(4) + page[CHECKSUM_AT + 4 :]:
        value = (value * 33 + byte) & MASK_32
    return value == wanted


def _guess(data: bytes) -> tuple[str, int]:
    """Return the byte order and page size with which the most pages carry the number of their position."""

    def fits(order: str, page_size: int) -> int:
        starts = range(0, len(data) - page_size + 1, page_size)
        return (
            sum(
                data[start + 25] in ITEM_PAGES and struct.unpack_from(order + "I", data, start + 8)[0] == number
                for number, start in enumerate(starts)
            )
            * page_size
        )

    return max(((order, page_size) for page_size in reversed(PAGE_SIZES) for order in "<>"), key=lambda guess: fits(*guess))


def _entries(page: bytes, order: str, header_bytes: int) -> Iterator[tuple[bytes, bytes] | None]:
    """Yield the keys with their values in one page, and None for each that cannot be decoded."""
    (count,) = struct.unpack_from(order + "H", page, 20)
    count = min(count, (len(page) - header_bytes) // 2) & ~1
    end = len(page)
    for number in range(0, count, 2):
        key_at, value_at = struct.unpack_from(order + "HH", page, header_bytes + 2 * number)
        if not header_bytes + 2 * count <= value_at < key_at < end:
            yield None
            # The end of this entry is unknown, and so is the start of the next.
            end = value_at if header_bytes < value_at < end else 0
            continue
        if page[key_at] == PLAIN_ITEM == page[value_at]:
            yield page[key_at + 1 : end], page[value_at + 1 : key_at]
        else:
            yield None
        end = value_at


def _trusted(
    entries: Iterator[tuple[bytes, bytes] | None], plausible: Callable[[bytes, bytes], bool], meta: Meta | None
) -> Iterator[tuple[bytes, bytes]]:
    found = [entry if entry is not None and plausible(*entry) else None for entry in entries]
    home = None
    if meta:
        buckets = [meta.bucket_of(entry[0]) for entry in found if entry]
        home = max(set(buckets), key=buckets.count) if buckets else None
    for number, entry in enumerate(found):
        neighbours = found[max(number - 1, 0) : number + 2]
        if entry and None not in neighbours and (meta is None or meta.bucket_of(entry[0]) == home):
            yield entry
