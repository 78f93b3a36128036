# SPDX-License-Identifier: GPL-3.0-or-later
"""The two lines in which an entry is shown, alone or among thousands."""

from __future__ import annotations

import calendar
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.entries import makemap_text
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.entries.timestamps import LAST_TIMESTAMP, timestamp_of
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import MalformedError


@pytest.mark.parametrize(
    ("value", "when"),
    [
        (b"906502527", b"Tue Sep 22 22:15:27 1998"),
        (b"0", b"Thu Jan  1 00:00:00 1970"),
        (b"1709164800", b"Thu Feb 29 00:00:00 2024"),
        (b"253402300799", b"Fri Dec 31 23:59:59 9999"),
        (b"253402300800", b"Sat Jan  1 00:00:00 10000"),
        (b"RELAY", b"not a timestamp"),
    ],
)
def test_an_entry_is_shown_as_a_comment_with_the_time_in_utc_and_a_makemap_line(value, when):
    assert makemap_text.entry_lines(b"10.11.12.13", value) == b"# timestamp (UTC): %s\n10.11.12.13 %s\n" % (when, value)


def test_the_time_zone_of_the_caller_does_not_matter(monkeypatch):
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    time.tzset()
    try:
        assert b"Tue Sep 22 22:15:27 1998" in makemap_text.entry_lines(b"10.11.12.13", b"906502527")
    finally:
        monkeypatch.undo()
        time.tzset()


def test_the_nul_that_makemap_adds_with_its_option_n_is_not_shown():
    assert makemap_text.entry_lines(b"10.1.2.3\0", b"0\0") == b"# timestamp (UTC): Thu Jan  1 00:00:00 1970\n10.1.2.3 0\n"


@given(st.integers(0, LAST_TIMESTAMP))
def test_the_comment_tells_the_time_of_the_entry(timestamp):
    comment = makemap_text.entry_lines(b"10.1.2.3", b"%d" % timestamp).splitlines()[0].decode()
    shown = time.strptime(comment[len("# timestamp (UTC): ") :], "%a %b %d %H:%M:%S %Y")
    assert calendar.timegm(shown) == timestamp


@given(st.binary(max_size=60))
def test_any_stored_bytes_can_be_shown(stored):
    assert isinstance(makemap_text.printable_text(stored), str)
    assert makemap_text.entry_lines(stored, stored).endswith(b"\n")


@pytest.mark.parametrize(("stored", "text"), [(b"10.1.2.3\0", "10.1.2.3"), (b"\xff", "\\xff"), ("ü".encode(), "ü")])
def test_text_for_people_has_no_nul_at_its_end_and_no_broken_bytes(stored, text):
    assert makemap_text.printable_text(stored) == text


TIMESTAMPS = st.one_of(st.integers(0, LAST_TIMESTAMP), st.integers(1_790_000_000, 1_790_000_100)).map(
    lambda stamp: b"%d" % stamp
)
PAGES = st.lists(
    st.lists(
        st.tuples(st.binary(min_size=1, max_size=6), st.one_of(TIMESTAMPS, st.binary(max_size=11))), min_size=1, max_size=6
    )
)


@given(PAGES, st.one_of(st.none(), st.integers(-10, LAST_TIMESTAMP), st.integers(1_790_000_000, 1_790_000_100)))
def test_many_entries_are_shown_as_each_is_alone_and_only_those_up_to_the_limit(pages, limit):
    def is_shown(value):
        timestamp = timestamp_of(value)
        return limit is None or (timestamp is not None and timestamp <= limit)

    shown = b"".join(
        makemap_text.dump_lines(([key for key, _value in page], [value for _key, value in page]) for page in pages)
    )
    assert shown == b"".join(makemap_text.entry_lines(key, value) for page in pages for key, value in page)
    shown = b"".join(makemap_text.dump_lines((tuple(zip(*page, strict=True)) for page in pages), limit))
    assert shown == b"".join(makemap_text.entry_lines(key, value) for page in pages for key, value in page if is_shown(value))


def test_what_is_shown_is_read_again():
    entries = {b"10.1.2.3": b"906502527", b"ipv6:2001:db8:0:0:0:0:0:5": b"RELAY"}
    text = "".join(makemap_text.printable_text(makemap_text.entry_lines(key, value)) for key, value in entries.items())
    assert makemap_text.parse_makemap(text) == entries


def test_comments_empty_lines_and_any_space_are_passed_over():
    assert makemap_text.parse_makemap("# a\n\n  10.1.2.3 \t 5  \r\n#b\n10.1.2.3 6") == {b"10.1.2.3": b"6"}


def test_a_line_without_a_timestamp_is_named():
    with pytest.raises(MalformedError, match="line 2 has an address and no timestamp"):
        makemap_text.parse_makemap("10.1.2.3 5\n10.1.2.4\n")
