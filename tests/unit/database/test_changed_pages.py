# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages of a file in memory that changed: each that did, and no other."""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database.changed_pages import (
    COMPARED_BYTES,
    PAGE_BYTES,
    ChangedPages,
)

PAGES = 3 * COMPARED_BYTES // PAGE_BYTES + 1


def memory_file(content):
    descriptor = os.memfd_create("test")
    os.pwrite(descriptor, content, 0)
    return descriptor


def test_nothing_changed_at_first():
    assert list(ChangedPages(memory_file(b"x" * (2 * COMPARED_BYTES))).take()) == []


def test_an_empty_file_has_no_pages_until_it_has():
    descriptor = memory_file(b"")
    pages = ChangedPages(descriptor)
    assert list(pages.take()) == []
    os.pwrite(descriptor, b"x" * PAGE_BYTES, 0)
    assert list(pages.take()) == [(0, b"x" * PAGE_BYTES)]


@given(st.lists(st.dictionaries(st.integers(0, PAGES + 20), st.binary(min_size=1, max_size=1)), max_size=4))
def test_each_page_is_told_once_that_changed_also_where_the_file_grows(changes):
    descriptor = memory_file(bytes(PAGES * PAGE_BYTES))
    pages, copy = ChangedPages(descriptor), bytearray(PAGES * PAGE_BYTES)
    for change in changes:
        before = bytes(copy)
        for number, byte in change.items():
            os.pwrite(descriptor, byte, number * PAGE_BYTES + 77)
        size = os.fstat(descriptor).st_size
        if size % PAGE_BYTES:
            os.truncate(descriptor, size + PAGE_BYTES - size % PAGE_BYTES)
        copy.extend(bytes(os.fstat(descriptor).st_size - len(copy)))
        for offset, page in pages.take():
            assert before[offset : offset + PAGE_BYTES] != page
            copy[offset : offset + PAGE_BYTES] = page
        assert bytes(copy) == os.pread(descriptor, len(copy), 0)
    os.close(descriptor)
