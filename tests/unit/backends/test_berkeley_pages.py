# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages of a hash file, seen without libdb: no fault in what libdb wrote, and one in whatever would lead it astray."""

from __future__ import annotations

import struct
import subprocess

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.backends import berkeley_pages
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.backends.berkeley_salvage import salvage
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database import edits
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.database import relayers_db as database

PAGE = 4096
META_PAGE_SIZE, META_LAST_PAGE, META_MAX_BUCKET, META_HIGH_MASK, META_LOW_MASK, META_SPARES = 20, 32, 72, 76, 80, 96
PAGE_NUMBER, PAGE_PREVIOUS, PAGE_NEXT, PAGE_COUNT, PAGE_END_OF_FREE, PAGE_TYPE, PAGE_OFFSETS = 8, 12, 16, 20, 22, 25, 26
SIZES = (0, 1, 2, 7, 100, 300, 301, 600, 1000, 2000, 5000, 20000)


def numbered(count):
    return {f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}": 1000 + n for n in range(count)}


def fault(native):
    content = native.content
    return berkeley_pages.fault_of(content, len(content)), berkeley_pages.has_misplaced_keys(content)


def saved(content):
    return [(key.decode(), int(value)) for key, value in salvage(bytes(content), lambda key, value: value.isdigit())]


HEALTHY = (None, False)


def by_libdb(relayers_db, entries):
    relayers_db.fill(entries)


def by_us(relayers_db, entries):
    database.change(relayers_db.path, edits.put(entries))


def one_by_one(relayers_db, entries):
    """Write ``entries`` in many small changes, the way logins come."""
    names = list(entries)
    step = max(len(names) // 8, 1)
    for start in range(0, max(len(names), 1), step):
        database.change(relayers_db.path, edits.put({name: entries[name] for name in names[start : start + step]}))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("make", [by_libdb, by_us, one_by_one])
def test_a_sound_file_of_any_size_has_no_fault_before_and_after_deletions_and_gives_all_its_entries(relayers_db, make, size):
    entries = numbered(size)
    make(relayers_db, entries)
    assert fault(relayers_db) == HEALTHY
    assert sorted(saved(relayers_db.content)) == sorted(entries.items())
    for minutes in (size // 120, size // 240, 0):
        now = 1000 + size
        database.change(relayers_db.path, edits.expire(minutes, now))
        entries = {name: time for name, time in entries.items() if time > now - 60 * minutes}
        assert fault(relayers_db) == HEALTHY
        assert relayers_db.entries() == {name: str(time) for name, time in entries.items()}
        assert sorted(saved(relayers_db.content)) == sorted(entries.items())
    make(relayers_db, numbered(size // 2))
    assert fault(relayers_db) == HEALTHY


@pytest.mark.parametrize("page_size", berkeley_pages.PAGE_SIZES)
@pytest.mark.parametrize("order", [1234, 4321])
def test_page_sizes_and_byte_orders_of_other_hosts_are_no_fault(relayers_db, page_size, order):
    entries = numbered(1500)
    relayers_db.fill(entries, "-c", f"db_pagesize={page_size}", "-c", f"db_lorder={order}")
    meta = berkeley_pages.meta_of(relayers_db.content)
    assert (meta.page_size, meta.order) == (page_size, "<" if order == 1234 else ">")
    assert fault(relayers_db) == HEALTHY
    assert sorted(saved(relayers_db.content)) == sorted(entries.items())
    database.change(relayers_db.path, edits.expire(10, 2500))
    assert fault(relayers_db) == HEALTHY


@pytest.mark.parametrize("options", [["h_ffactor=5"], ["h_ffactor=400"], ["h_nelem=3000"], ["h_nelem=100", "h_ffactor=3"]])
@pytest.mark.parametrize("size", [0, 10, 2000])
def test_other_densities_are_no_fault(relayers_db, options, size):
    relayers_db.fill(numbered(size), *(word for option in options for word in ("-c", option)))
    assert fault(relayers_db) == HEALTHY
    assert sorted(saved(relayers_db.content)) == sorted(numbered(size).items())


@pytest.mark.parametrize(
    ("entries", "options"),
    [({"10.0.0.1": "9" * 5000}, []), ({"x" * 5000: 5}, []), ({"example.org": "RELAY", "": ""}, []), ({"a": ""}, [])],
)
def test_a_file_that_libdb_finds_sound_is_sound_whatever_it_holds(relayers_db, entries, options):
    relayers_db.fill(entries, *options)
    subprocess.run(["db5.3_verify", "-q", relayers_db.path], check=True)
    assert fault(relayers_db) == HEALTHY


@pytest.mark.parametrize("key", [b"", b"\0", b"10.0.0.1", b"ipv6:2001:db8:0:0:0:0:0:5", bytes(range(256)), b"\xff" * 40])
def test_a_key_belongs_to_the_bucket_in_which_libdb_puts_it(relayers_db, key):
    entries = {**numbered(3000)}
    relayers_db.fill(entries)
    database.change(relayers_db.path, lambda opened: put(opened, key))
    assert relayers_db.entries()
    assert fault(relayers_db) == HEALTHY


def put(opened, key):
    changes = edits.Changes()
    changes.put(opened, key, b"5")
    return changes


@pytest.fixture
def sound(relayers_db):
    """Return the bytes of a file of 2000 entries, in which buckets have more than one page."""
    relayers_db.fill(numbered(2000), "-c", "db_pagesize=4096", "-c", "h_ffactor=600")
    return bytearray(relayers_db.content)


def number_at(data, at, form="I"):
    return struct.unpack_from("<" + form, data, at)[0]


def item_pages(data):
    return [start for start in range(PAGE, len(data), PAGE) if data[start + PAGE_TYPE] in berkeley_pages.ITEM_PAGES]


def full_pages(data):
    return [start for start in item_pages(data) if number_at(data, start + PAGE_COUNT, "H") >= 8]


def parse_makemap(data, start):
    """Return those of one page, as salvage() sees a file that holds no other."""
    other = bytearray(data)
    for page in item_pages(data):
        if page != start:
            other[page + PAGE_TYPE] = 0
    return set(saved(other))


@pytest.mark.parametrize(
    "size", [0, 1, 100, 511, 512, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE, 3 * PAGE + 100, -1, -PAGE, -PAGE - 1, -2 * PAGE]
)
def test_a_file_that_was_cut_off_has_a_fault_and_what_is_left_of_it_is_saved(sound, size):
    left = sound[:size]
    assert berkeley_pages.fault_of(bytes(left), len(left))
    whole = {start for start in item_pages(sound) if start + PAGE <= len(left)}
    if len(left) >= berkeley_pages.META_BYTES:
        assert set(saved(left)) == set().union(*(parse_makemap(sound, start) for start in whole))
    else:
        assert saved(left) == []


@pytest.mark.parametrize("more", [b"\0", b"x" * 100, bytes(PAGE), bytes(3 * PAGE), b"\xff" * PAGE])
def test_a_file_that_has_grown_has_a_fault_and_all_of_it_is_saved(sound, more):
    grown = bytes(sound) + more
    assert berkeley_pages.fault_of(grown, len(grown))
    assert sorted(saved(grown)) == sorted(numbered(2000).items())


def upper(number):
    return number ^ 0x8000


META_DAMAGE = [
    (12, lambda old: old ^ 1),
    (META_PAGE_SIZE, lambda old: 0),
    (META_PAGE_SIZE, lambda old: old * 2),
    (META_PAGE_SIZE, lambda old: 3000),
    (META_PAGE_SIZE, lambda old: 1 << 31),
    (META_LAST_PAGE, lambda old: old + 1),
    (META_LAST_PAGE, lambda old: old - 1),
    (META_LAST_PAGE, lambda old: 0xFFFFFFFF),
    (META_MAX_BUCKET, lambda old: 0),
    (META_MAX_BUCKET, lambda old: 0xFFFFFFFF),
    (META_MAX_BUCKET, lambda old: old * 2 + 2),
    (META_HIGH_MASK, lambda old: 0),
    (META_HIGH_MASK, lambda old: old * 2 + 1),
    (META_HIGH_MASK, lambda old: 0xFFFFFFFF),
    (META_LOW_MASK, lambda old: old ^ 2),
    (META_LOW_MASK, lambda old: 0xFFFFFFFF),
    (META_SPARES + 4, lambda old: 0xFFFF),
    (META_SPARES + 8, lambda old: 0xFFFFFFFF),
]


@pytest.mark.parametrize("number", range(len(META_DAMAGE)))
def test_a_first_page_that_tells_wrong_numbers_has_a_fault_and_nothing_is_made_up(sound, number):
    at, change = META_DAMAGE[number]
    struct.pack_into("<I", sound, at, change(number_at(sound, at)) & 0xFFFFFFFF)
    assert berkeley_pages.fault_of(bytes(sound), len(sound))
    assert set(saved(sound)) <= set(numbered(2000).items())


@pytest.mark.parametrize("size", [1, 12, 26, 72, 512, PAGE])
@pytest.mark.parametrize("byte", [0, 0xA5, 0xFF])
def test_a_file_whose_first_page_is_lost_has_a_fault_and_all_its_entries_are_saved(sound, size, byte):
    sound[:PAGE] = bytes([byte]) * PAGE
    assert berkeley_pages.fault_of(bytes(sound), len(sound))
    assert sorted(saved(sound)) == sorted(numbered(2000).items())


PAGE_DAMAGE = [
    (PAGE_NUMBER, "I", lambda old: old + 1),
    (PAGE_NUMBER, "I", lambda old: 0),
    (PAGE_NUMBER, "I", lambda old: 0xFFFFFFFF),
    (PAGE_COUNT, "H", lambda old: old + 1),
    (PAGE_COUNT, "H", lambda old: old + 2),
    (PAGE_COUNT, "H", lambda old: 2042),
    (PAGE_COUNT, "H", lambda old: 0xFFFE),
    (PAGE_COUNT, "H", lambda old: 0xFFFF),
    (PAGE_COUNT, "H", lambda old: old - 2),
    (PAGE_END_OF_FREE, "H", lambda old: 0),
    (PAGE_END_OF_FREE, "H", lambda old: old + 1),
    (PAGE_END_OF_FREE, "H", lambda old: PAGE),
    (PAGE_TYPE, "B", lambda old: 1),
    (PAGE_TYPE, "B", lambda old: 5),
    (PAGE_TYPE, "B", lambda old: 8),
    (PAGE_TYPE, "B", lambda old: 255),
    (PAGE_OFFSETS, "H", lambda old: 0),
    (PAGE_OFFSETS, "H", upper),
    (PAGE_OFFSETS, "H", lambda old: PAGE),
    (PAGE_OFFSETS, "H", lambda old: old + 1),
    (PAGE_OFFSETS + 2, "H", lambda old: 1),
    (PAGE_OFFSETS + 2, "H", upper),
    (PAGE_OFFSETS + 4, "H", lambda old: 0xFFFF),
    (PAGE_OFFSETS + 6, "H", lambda old: 26),
]


@pytest.mark.parametrize("number", range(len(PAGE_DAMAGE)))
@pytest.mark.parametrize("which", [0, 1, -1])
def test_a_page_whose_header_or_offsets_are_wrong_has_a_fault_and_the_other_pages_are_saved(sound, number, which):
    at, form, change = PAGE_DAMAGE[number]
    start = full_pages(sound)[which]
    others = set(numbered(2000).items()) - parse_makemap(sound, start)
    struct.pack_into("<" + form, sound, start + at, change(number_at(sound, start + at, form)))
    got = saved(sound)
    assert len(got) == len(set(got))
    assert others <= set(got)
    assert set(got) <= set(numbered(2000).items())
    assert berkeley_pages.fault_of(bytes(sound), len(sound))


def test_an_item_that_does_not_lie_in_its_page_is_a_fault_and_the_others_are_saved(sound):
    start = full_pages(sound)[0]
    mine = parse_makemap(sound, start)
    for index in range(0, number_at(sound, start + PAGE_COUNT, "H"), 7):
        damaged = bytearray(sound)
        damaged[start + number_at(sound, start + PAGE_OFFSETS + 2 * index, "H")] = 3  # H_OFFPAGE
        assert berkeley_pages.fault_of(bytes(damaged), len(damaged))
        got = set(saved(damaged))
        assert set(numbered(2000).items()) - mine <= got < set(numbered(2000).items())


def links(data):
    return [
        (start + at, number_at(data, start + at))
        for start in item_pages(data)
        for at in (PAGE_PREVIOUS, PAGE_NEXT)
        if number_at(data, start + at)
    ]


def test_a_link_that_leads_elsewhere_is_a_fault_and_everything_is_saved(sound):
    assert links(sound)
    for at, old in links(sound):
        for new in (0, at // PAGE, old + 1, 1 if old != 1 else 2, len(sound) // PAGE, 0xFFFFFFFF):
            damaged = bytearray(sound)
            struct.pack_into("<I", damaged, at, new)
            assert berkeley_pages.fault_of(bytes(damaged), len(damaged)), (at, old, new)
            assert sorted(saved(damaged)) == sorted(numbered(2000).items())


def test_a_link_where_there_was_none_is_a_fault(sound):
    for start in item_pages(sound):
        for at in (PAGE_PREVIOUS, PAGE_NEXT):
            if number_at(sound, start + at) == 0:
                for new in (start // PAGE, 1 + start // PAGE % 3, 0xFFFF):
                    damaged = bytearray(sound)
                    struct.pack_into("<I", damaged, start + at, new)
                    assert berkeley_pages.fault_of(bytes(damaged), len(damaged)), (start, at, new)


def test_two_chains_that_are_closed_to_a_circle_are_a_fault(sound):
    """Each link agrees with the one that comes back, so that only the beginning of the bucket tells."""
    first = next(start for start in item_pages(sound) if number_at(sound, start + PAGE_NEXT))
    last = first
    while number_at(sound, last + PAGE_NEXT):
        last = number_at(sound, last + PAGE_NEXT) * PAGE
    while number_at(sound, first + PAGE_PREVIOUS):
        first = number_at(sound, first + PAGE_PREVIOUS) * PAGE
    struct.pack_into("<I", sound, last + PAGE_NEXT, first // PAGE)
    struct.pack_into("<I", sound, first + PAGE_PREVIOUS, last // PAGE)
    assert "bucket" in berkeley_pages.fault_of(bytes(sound), len(sound))


def test_a_key_in_a_wrong_bucket_is_noticed_and_not_trusted(sound):
    at = sound.index(b"10.0.3.200")
    sound[at : at + 10] = b"10.9.3.200"
    start = at // PAGE * PAGE
    assert berkeley_pages.fault_of(bytes(sound), len(sound)) is None
    assert berkeley_pages.has_misplaced_keys(bytes(sound))
    got = dict(saved(sound))
    assert "10.9.3.200" not in got
    assert set(numbered(2000)) - {"10.0.3.200"} - {name for name, _time in parse_makemap(sound, start)} <= set(got)


def test_what_makes_two_pages_the_same_is_noticed(sound):
    """A page written to the place of another, with its own number set right: only the keys tell."""
    first, second = full_pages(sound)[:2]
    header = sound[second : second + PAGE_COUNT]
    sound[second : second + PAGE] = header + sound[first + PAGE_COUNT : first + PAGE]
    assert berkeley_pages.has_misplaced_keys(bytes(sound)) or berkeley_pages.fault_of(bytes(sound), len(sound))


@pytest.mark.parametrize("content", [b"", b"x", b"10.0.0.1 5\n" * 2000, bytes(8192), b"\xff" * 8192, b"\r" * 70000])
def test_what_is_no_hash_file_has_a_fault_and_holds_nothing(content):
    assert berkeley_pages.fault_of(content, len(content))
    assert berkeley_pages.has_misplaced_keys(content)
    assert saved(content) == []


def test_a_btree_is_no_hash_file(native_database, tmp_path):
    path = tmp_path / "tree.db"
    subprocess.run(["db5.3_load", "-T", "-t", "btree", str(path)], input="10.0.0.1\n5\n", text=True, check=True)
    assert fault(native_database("tree.db")) == ("it does not begin as one", True)
