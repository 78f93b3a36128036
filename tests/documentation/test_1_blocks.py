# SPDX-License-Identifier: GPL-3.0-or-later
"""Every block of code of every page does what the page says."""

from __future__ import annotations

import pytest

from .blocks import blocks_of, pages
from .rules import rule_of

BLOCKS = [block for page in pages() for block in blocks_of(page)]


def test_the_pages_have_blocks():
    assert len(BLOCKS) > 10


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_block(bed, block):
    rule_of(block)(bed, block)
