# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pages of a Berkeley DB hash file, read without libdb: check the file, and iterate over its items.

The layout is that of libdb 5.3, unchanged since version 4.0 (``dbinc/db_page.h``): a page of metadata, then
pages of items. An item page holds a header of 26 bytes, the offsets of its items, and the items from its
end downwards: a key, its value, the next key, and so on, each after one byte for its type. Items as short
as addresses and timestamps always lie plainly in the page.

libdb may crash on a damaged file; this module cannot. It is also faster: Python splits all items of a page
in one call, where the binding needs one call for each.
"""

from __future__ import annotations

import struct

# What operator re-exports; start-up: see __init__
from _operator import gt, itemgetter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from mmap import mmap
    from typing import Union

    Data = Union[bytes, mmap]

META_BYTES = 512
HASH_MAGIC = 0x061561
HASH_META_PAGE = 8
UNUSED_PAGE = 0  # P_INVALID: free, or of a bucket that was never used
ITEM_PAGES = (2, 13)  # P_HASH_UNSORTED, P_HASH
# P_LBTREE, P_LRECNO, P_OVERFLOW, P_LDUP: many duplicates of a key, and items larger than a page. Only in files of other
# programs.
OTHER_PAGES = (3, 4, 5, 6, 7, 12)
PLAIN_ITEM = 1  # H_KEYDATA
PLAIN_TYPE = bytes([PLAIN_ITEM])
PAGE_SIZES = tuple(1 << bits for bits in range(9, 17))
HEADER_BYTES = 26
CHECKSUMMED_HEADER_BYTES = 32  # with PG_CHKSUM, whose last four bytes are the checksum
HERE = b"\1\2"  # H_KEYDATA, H_DUPLICATE: items in the page itself
CHECKSUM_FLAG = 1  # DBMETA_CHKSUM
DUPLICATES_FLAG = 1  # DB_HASH_DUP
MASK_32 = 0xFFFFFFFF


class Meta:
    """The metadata in the first page of a hash file.

    ``order`` is the byte order as in struct, ``header_bytes`` the size of a page header, ``item_types`` the
    item types that may occur; then come ``page_size``, ``last_page`` and the table of buckets.
    """

    __slots__ = (
        "header_bytes",
        "high_mask",
        "item_types",
        "last_page",
        "low_mask",
        "max_bucket",
        "order",
        "page_size",
        "spares",
    )

    def __init__(self, order: str, checksummed: bool, duplicates: bool, fields: tuple[int, ...]) -> None:
        self.order = order
        self.header_bytes = CHECKSUMMED_HEADER_BYTES if checksummed else HEADER_BYTES
        # H_KEYDATA and H_OFFPAGE; H_DUPLICATE and H_OFFDUP.
        self.item_types = b"\1\3" + (b"\2\4" if duplicates else b"")
        self.page_size, self.last_page, self.max_bucket, self.high_mask, self.low_mask, *self.spares = fields

    def bucket_of(self, key: bytes) -> int:
        """Return the number of the bucket to which libdb hashes ``key`` (__ham_func5() and __ham_call_hash())."""
        value = 0
        for byte in key:
            value = ((value * 16777619) & MASK_32) ^ byte
        bucket = value & self.high_mask
        return bucket & self.low_mask if bucket > self.max_bucket else bucket

    def page_of(self, bucket: int) -> int:
        """Return the number of the first page of ``bucket`` (BS_TO_PAGE in dbinc/hash.h)."""
        return bucket + self.spares[bucket.bit_length()]

    def buckets_fit(self) -> bool:
        """Return whether every bucket has a page, and the masks match the number of buckets."""
        bits = self.max_bucket.bit_length()
        if self.max_bucket >= self.last_page or bits >= len(self.spares):
            return False
        if (self.high_mask, self.low_mask) != ((1 << max(bits, 1)) - 1, ((1 << max(bits, 1)) - 1) >> 1):
            return False
        # Buckets come in groups that double in size; the pages of a group are consecutive.
        ends = {end for bit in range(bits + 1) for end in ((1 << bit) >> 1, (1 << bit) - 1)}
        return not any(self.spares[bits + 1 :]) and all(
            1 <= self.page_of(min(end, self.max_bucket)) <= self.last_page for end in ends
        )


def meta_of(page: Data) -> Meta | None:
    """Return the metadata in ``page``, the first META_BYTES or more of a file; None if it is not a hash file."""
    if len(page) < META_BYTES or page[25] != HASH_META_PAGE:
        return None
    for order in "<>":
        (magic,) = struct.unpack_from(order + "I", page, 12)
        page_size, last_page = struct.unpack_from(order + "I8xI", page, 20)
        if magic == HASH_MAGIC and page_size in PAGE_SIZES:
            checksummed = bool(page[26] & CHECKSUM_FLAG)
            duplicates = bool(struct.unpack_from(order + "I", page, 48)[0] & DUPLICATES_FLAG)
            return Meta(
                order, checksummed, duplicates, (page_size, last_page, *struct.unpack_from(order + "III12x32I", page, 72))
            )
    return None


class Fault(Exception):
    """The fault that a check of the pages found in a hash file."""


def fault_of(data: Data, size: int) -> str | None:
    """Return the fault that check_pages() finds in a hash file of ``size`` bytes, or None."""
    try:
        check_pages(data, size)
    except Fault as fault:
        return str(fault)
    return None


def check_pages(data: Data, size: int) -> bool:
    """Check the pages of a hash file of ``size`` bytes; return whether items() can iterate over it. Raises Fault.

    It checks everything that libdb follows unchecked: a wrong offset or link makes libdb crash, or run in a
    circle. db5.3_verify checks more, and takes ten times as long.
    """
    meta = meta_of(data[:META_BYTES])
    if meta is None:
        raise Fault("it does not begin as one")
    if size != (meta.last_page + 1) * meta.page_size:
        raise Fault(f"it should have {(meta.last_page + 1) * meta.page_size} bytes and has {size}")
    if not meta.buckets_fit():
        raise Fault("its table of buckets is wrong")
    header = struct.Struct(meta.order + "IIIHHxB").unpack_from
    offsets_of: dict[int, Callable[[Data, int], tuple[int, ...]]] = {}
    links: dict[int, tuple[int, int]] = {}
    plain_items = PLAIN_TYPE * meta.page_size
    end_of_empty = meta.page_size & 0xFFFF
    others = elsewhere = False
    plain = True
    for number in range(1, meta.last_page + 1):
        start = number * meta.page_size
        own, previous, following, count, free_end, kind = header(data, start + 8)
        if kind == UNUSED_PAGE:
            if count or free_end not in (0, end_of_empty):
                raise Fault(f"page {number} is malformed")
            continue
        if own != number or (kind not in ITEM_PAGES and kind not in OTHER_PAGES):
            raise Fault(f"page {number} is malformed")
        if kind in OTHER_PAGES:
            others = True
            continue
        if previous or following:
            links[number] = (previous, following)
        if count == 0 and free_end == end_of_empty:
            continue
        if count == 0 or count % 2 or meta.header_bytes + 2 * count > meta.page_size:
            raise Fault(f"page {number} is malformed")
        if count not in offsets_of:
            offsets_of[count] = struct.Struct(f"{meta.order}{count}H").unpack_from
        offsets = offsets_of[count](data, start + meta.header_bytes)
        if (
            offsets[0] >= meta.page_size
            or offsets[-1] < meta.header_bytes + 2 * count
            or offsets[-1] != free_end
            or not all(map(gt, offsets, offsets[1:]))
        ):
            raise Fault(f"the items of page {number} are misplaced")
        types = bytes(itemgetter(*offsets)(data[start : start + meta.page_size]))
        if types != plain_items[:count]:
            if types.strip(meta.item_types):
                raise Fault(f"page {number} holds items of no known type")
            plain = False
            elsewhere = elsewhere or bool(types.strip(HERE))
    if others != elsewhere:
        raise Fault("items refer to overflow pages that are missing, or overflow pages belong to no item")
    _follow(links, meta)
    return plain and not others


def _follow(links: dict[int, tuple[int, int]], meta: Meta) -> None:
    """Check the chains of pages: one that agrees in both directions and begins at a bucket cannot be a circle."""
    for number, (previous, following) in links.items():
        if (following and links.get(following, (0, 0))[0] != number) or (previous and links.get(previous, (0, 0))[1] != number):
            raise Fault(f"page {number} is linked to a wrong one")
    for bucket in range(meta.max_bucket + 1):
        if links.get(meta.page_of(bucket), (0, 0))[0]:
            raise Fault(f"bucket {bucket} does not begin at the first page of a chain")


def items(data: Data) -> Iterator[tuple[list[bytes], list[bytes]]]:
    """Yield the keys and their values, page by page and bucket by bucket, of a file for which check_pages() is true."""
    meta = meta_of(data[:META_BYTES])
    if meta is None:
        return
    layout = struct.Struct(meta.order + "IHH").unpack_from
    for bucket in range(meta.max_bucket + 1):
        number = meta.page_of(bucket)
        while number:
            page = data[number * meta.page_size : (number + 1) * meta.page_size]
            number, count, free_end = layout(page, 16) if page[25] in ITEM_PAGES else (0, 0, 0)
            if count:
                # From the end of the page downwards: a key, its value, the next key, each after the byte for its type.
                backwards = page[free_end + 1 :].split(PLAIN_TYPE)
                if len(backwards) != count:  # an item contains that byte
                    offsets = struct.unpack_from(f"{meta.order}{count}H", page, meta.header_bytes)
                    backwards = [page[at + 1 : end] for at, end in zip(offsets, (len(page), *offsets))][::-1]
                yield backwards[::-2], backwards[-2::-2]


def has_misplaced_keys(data: bytes) -> bool:
    """Return whether a file without other faults holds a key that libdb would look up in another bucket."""
    meta = meta_of(data[:META_BYTES])
    if meta is None:
        return True
    for bucket in range(meta.max_bucket + 1):
        number = meta.page_of(bucket)
        while number:
            page = data[number * meta.page_size : (number + 1) * meta.page_size]
            if len(page) < meta.page_size or page[25] in OTHER_PAGES:
                return True
            if page[25] == UNUSED_PAGE:
                break
            if any(meta.bucket_of(key) != bucket for key in _keys(page, meta)):
                return True
            (number,) = struct.unpack_from(meta.order + "I", page, 16)
    return False


def _keys(page: bytes, meta: Meta) -> Iterator[bytes]:
    """Yield the keys that lie plainly in a page without faults."""
    (count,) = struct.unpack_from(meta.order + "H", page, 20)
    offsets = struct.unpack_from(f"{meta.order}{count}H", page, meta.header_bytes)
    for key_at, end in zip(offsets[::2], (len(page), *offsets[1::2])):
        if page[key_at] == PLAIN_ITEM:
            yield page[key_at + 1 : end]
