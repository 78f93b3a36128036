# SPDX-License-Identifier: GPL-3.0-or-later
"""The drive keeps what was flushed, and any part of what was not."""

from __future__ import annotations

import random
import struct

import pytest

from powercut import Disk

BLOCK = 4096


@pytest.fixture
def drive(tmp_path):
    """A drive of zeros, with two writes of a block each that were not flushed."""
    for name in ("now", "durable"):
        (tmp_path / name).write_bytes(bytes(256 << 10))
    log = b"".join(struct.pack("<QQ", place, BLOCK) + letter * BLOCK for place, letter in ((BLOCK, b"a"), (3 * BLOCK, b"b")))
    (tmp_path / "waiting").write_bytes(log)
    return Disk(tmp_path)


def blocks_after_a_cut(drive, seed):
    drive.settle(random.Random(seed))
    data = (drive.directory / "durable").read_bytes()
    assert data == (drive.directory / "now").read_bytes()
    assert not (drive.directory / "waiting").exists()
    return data[BLOCK : 2 * BLOCK], data[3 * BLOCK : 4 * BLOCK]


@pytest.mark.parametrize("seed", range(30))
def test_a_write_that_was_not_flushed_is_there_or_not_or_torn_between_sectors(drive, seed):
    for data in blocks_after_a_cut(drive, seed):
        sectors = [data[at : at + 512] for at in range(0, BLOCK, 512)]
        assert all(len(set(sector)) == 1 for sector in sectors)


def test_a_later_write_may_be_there_without_an_earlier_one(tmp_path, drive):
    outcomes = set()
    log = (tmp_path / "waiting").read_bytes()
    for seed in range(60):
        for name in ("now", "durable"):
            (tmp_path / name).write_bytes(bytes(256 << 10))
        (tmp_path / "waiting").write_bytes(log)
        outcomes.add(tuple(max(data) > 0 for data in blocks_after_a_cut(drive, seed)))
    assert outcomes == {(False, False), (False, True), (True, False), (True, True)}


def test_nothing_is_written_elsewhere(drive):
    drive.settle(random.Random(3))
    data = (drive.directory / "durable").read_bytes()
    assert not any(data[:BLOCK] + data[2 * BLOCK : 3 * BLOCK] + data[4 * BLOCK :])
