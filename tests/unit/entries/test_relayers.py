# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries as the modules return them and as --json prints them: the same, page by page."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.entries.relayers import (
    json_entries,
    json_keys,
    names,
    relayer_of,
)
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.entries.timestamps import timestamp_of

NOW = 1_700_000_000
KEYS = [b"10.0.0.1", b"ipv6:2001:db8:0:0:0:0:0:5", b"10.0.0.1\0", b'a "name"\\', b"\xff\n", b"", b"..1"]
VALUES = [b"1700000000", b"1700000001", b"0", b"5\0", b"RELAY", b"", b"0123", b"253402214400"]
STORED = st.tuples(st.sampled_from(KEYS) | st.binary(max_size=20), st.sampled_from(VALUES) | st.binary(max_size=12))


@given(st.lists(st.lists(STORED, max_size=6), max_size=3), st.sampled_from([None, NOW, 0]))
def test_the_text_of_an_entry_is_what_the_modules_return(stored, limit):
    pages = [([key for key, _value in page], [value for _key, value in page]) for page in stored]
    seen = [json.loads(text) for texts in json_entries(pages, NOW, limit) for text in texts]
    expected = [(key, timestamp_of(value)) for page in stored for key, value in page]
    if limit is not None:
        expected = [(key, stamp) for key, stamp in expected if stamp is not None and stamp <= limit]
    assert seen == [relayer_of(key, stamp, NOW) for key, stamp in expected]


@given(st.lists(st.sampled_from(KEYS) | st.binary(max_size=20)))
def test_the_text_of_a_key_is_its_name(keys):
    texts = [json.loads(text) for text in json_keys(keys)]
    assert sorted(texts) == names(keys)


@pytest.mark.parametrize("key", KEYS)
def test_no_text_breaks_its_line(key):
    for text in (*json_keys([key]), *next(json_entries([([key], [b"5"])], NOW))):
        assert text.decode("ascii").isprintable()
