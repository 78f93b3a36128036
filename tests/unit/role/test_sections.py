# SPDX-License-Identifier: GPL-3.0-or-later
"""A file that several runs write: each its own sections."""

from __future__ import annotations

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.role.sections import merged

TWO = "# a\n1\n2\n# b\n3\n"


@pytest.mark.parametrize(
    ("before", "wanted", "after"),
    [
        ("", {}, ""),
        ("", {"a": "1\n2\n", "b": "3"}, TWO),
        (TWO, {}, TWO),
        (TWO, {"a": None, "b": None}, TWO),
        (TWO, {"a": "\n4\n\n"}, "# a\n4\n# b\n3\n"),
        (TWO, {"a": ""}, "# b\n3\n"),
        (TWO, {"a": "", "b": " \n"}, ""),
        (TWO, {"c": "5", "d": "", "e": None}, TWO + "# c\n5\n"),
        ("by hand\n" + TWO, {}, TWO),
        ("by hand\n", {"a": None}, ""),
    ],
)
def test_sections_that_are_given_change_and_others_stay(before, wanted, after):
    assert merged(before, wanted) == after
    assert merged(after, wanted) == after
