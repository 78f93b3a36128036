# SPDX-License-Identifier: GPL-3.0-or-later
"""One entry: its timestamp, its age, and the two lines in which it is shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.entries import timestamps
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import MalformedError


@pytest.mark.parametrize(("text", "seconds"), [("0", 0), ("906502527", 906502527), ("253402300799", 253402300799)])
def test_a_timestamp_is_epoch_seconds_in_digits(text, seconds):
    assert timestamps.parse_timestamp(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "-1", "+1", "1.5", "1e9", "0x10", " 1", "1 ", "1_000", "now", "١", "²", "253402300800", "9" * 5000]
)
def test_what_is_not_a_timestamp_is_refused_with_its_text(text):
    with pytest.raises(MalformedError) as failure:
        timestamps.parse_timestamp(text)
    assert repr(text) in str(failure.value)


@pytest.mark.parametrize("text", ["", "-1", "1.5", "1h", " 1", "²", "9" * 13, "0" * 13])
def test_what_is_not_a_number_of_minutes_is_refused(text):
    with pytest.raises(MalformedError, match="is not a number of minutes"):
        timestamps.parse_minutes(text)


@pytest.mark.parametrize(("text", "minutes"), [("0", 0), ("1440", 1440), ("0060", 60), ("9" * 12, 10**12 - 1)])
def test_minutes_are_digits(text, minutes):
    assert timestamps.parse_minutes(text) == minutes


@pytest.mark.parametrize(
    ("value", "timestamp"),
    [(b"906502527", 906502527), (b"906502527\0", 906502527), (b"0", 0), (b"253402300799", 253402300799)],
)
def test_a_stored_value_is_ascii_epoch_seconds_with_or_without_a_nul(value, timestamp):
    assert timestamps.timestamp_of(value) == timestamp


@pytest.mark.parametrize("value", [b"", b"\0", b"RELAY", b"OK", b"-5", b"1 ", b"1\0\0", b"\xb2", b"1.5", b"9" * 13, b"9" * 400])
def test_a_stored_value_that_is_no_number_is_no_timestamp(value):
    assert timestamps.timestamp_of(value) is None


@pytest.mark.parametrize("value", [b"00", b"01", b"0906502527", b"01\0", b"1700000000000"])
def test_what_the_ruleset_takes_for_no_number_is_no_timestamp(value):
    assert timestamps.timestamp_of(value) is None


def test_no_number_of_minutes_that_is_accepted_goes_beyond_what_can_be_reckoned_with():
    assert timestamps.timestamp_of(b"9" * 12) == 10**12 - 1
    assert timestamps.expiry_cutoff(0, timestamps.parse_minutes("9" * 12)) == -60 * (10**12 - 1)


@given(st.integers(0, timestamps.LAST_TIMESTAMP))
def test_a_timestamp_is_read_back_as_it_was_stored(timestamp):
    assert timestamps.timestamp_of(timestamps.value_of(timestamp)) == timestamp


@pytest.mark.parametrize(("minutes", "limit"), [(0, 1000000), (1, 999940), (1440, 913600), (20000, -200000)])
def test_old_is_what_has_the_age_or_more(minutes, limit):
    assert timestamps.expiry_cutoff(1000000, minutes) == limit
