# SPDX-License-Identifier: GPL-3.0-or-later
"""The kind of a file: each is recognised in what its own program wrote, and a hash file is taken for no other kind."""

from __future__ import annotations

import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.vsmtp.relay.dev.support.other_kinds import ENTRIES, MAKERS
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.backends import kinds


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
def test_a_file_is_recognised_by_its_content(tmp_path, maker):
    content = maker.make(tmp_path / "relayers.db")
    assert kinds.kind_of(content) is kinds.other_kind_of(content) is maker.kind


@pytest.mark.parametrize("options", [[], ["-c", "db_lorder=4321"], ["-c", "db_pagesize=512"], ["-c", "duplicates=1"]])
@pytest.mark.parametrize("version", [None, 7, 8, 9])
def test_a_hash_that_libdb_reads_is_no_other_kind(relayers_db, options, version):
    content = bytearray(relayers_db.fill(ENTRIES, *options).content)
    if version:
        order = ">" if "db_lorder=4321" in options else "<"
        struct.pack_into(order + "I", content, 16, version)
    assert kinds.kind_of(bytes(content)) is kinds.HASH
    assert kinds.other_kind_of(bytes(content)) is None


@pytest.mark.parametrize("damage", [bytes(4096), b"\xff" * 512, b"10.0.0.1 5\n" * 100])
def test_a_hash_whose_beginning_is_overwritten_is_no_other_kind(relayers_db, damage):
    content = relayers_db.fill({f"10.0.{n >> 8}.{n & 255}": n for n in range(2000)}).content
    assert kinds.kind_of(damage + content[len(damage) :]) is None


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
def test_no_cut_makes_a_file_another_than_a_shorter_one_of_its_kind(tmp_path, maker):
    content = maker.make(tmp_path / "relayers.db")
    # Whoever sees only the beginning may take one Berkeley DB for a plainer one.
    plainer = {kinds.RECNO: kinds.BTREE, kinds.NAMED: kinds.BTREE, kinds.OLD_HASH: kinds.HASH, kinds.OLD_BTREE: kinds.BTREE}
    possible = {maker.kind, plainer.get(maker.kind), kinds.ZEROS, kinds.TEXT, None}
    assert {kinds.kind_of(content[:size]) for size in range(0, min(len(content), 2100))} <= possible


@pytest.mark.parametrize("magic", kinds.GDBM_MAGICS)
@pytest.mark.parametrize("order", "<>")
def test_every_format_of_gdbm_is_recognised(magic, order):
    assert kinds.kind_of(struct.pack(order + "I", magic) + bytes(100)) is kinds.GDBM


@pytest.mark.parametrize("number", [0, 1, 127])
def test_tables_that_do_not_fill_the_file_are_no_cdb(number):
    numbers = [2048, 0] * 256
    numbers[2 * number + 1] = 3
    assert kinds.kind_of(struct.pack("<512I", *numbers) + bytes(24)) is None
    numbers[2 * number + 2 :: 2] = [2072] * (255 - number)
    assert kinds.kind_of(struct.pack("<512I", *numbers) + bytes(24)) is kinds.CDB
    assert kinds.kind_of(struct.pack("<512I", *numbers) + bytes(25)) is None


@given(st.binary(max_size=5000))
@example(b"")
@example(b"\xff" * 2048)
def test_any_bytes_are_of_one_kind_or_of_none(content):
    kind = kinds.kind_of(content)
    assert kind is None or kind.name
    assert kinds.other_kind_of(content) in (kind, None)


def test_an_empty_file_is_of_no_kind():
    assert kinds.kind_of(b"") is None


def test_no_message_has_an_unfilled_place():
    for kind in {maker.kind for maker in MAKERS.values()}:
        for message in (kind.refusal("/a b/c.db"), kind.refusal_of_source("/a b/c.db")):
            assert message.startswith(f"/a b/c.db: is {kind.name}")
            assert "{file}" not in message
            assert "{new}" not in message
            assert "\n" not in message
            assert message.count("'/a b/c.db") or not kind.command
