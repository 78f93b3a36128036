# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/failures.md: each fault has a test that carries its key, and each key that a test carries has a row."""

from __future__ import annotations

import ast

import pytest

from support.documentation import table
from support.places import CHECKOUT

# Rows whose first cell is bold are headings.
ROWS = [row for row in table("failures.md", "a fault") if not row[0].startswith("**")]
KEYS = [row[-1].strip("`") for row in ROWS]


def keys_of(file):
    """Return the keys in the fault markers of a file, without importing it."""
    return {
        key.value
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.fault"
        for key in call.args
    }


@pytest.fixture(scope="module")
def tested():
    return set().union(*map(keys_of, (CHECKOUT / "tests").rglob("test_*.py")))


@pytest.mark.parametrize("key", KEYS)
def test_each_fault_has_a_test(key, tested):
    assert key in tested


def test_each_key_has_a_row(tested):
    assert tested <= set(KEYS)


def test_the_table_is_read():
    assert len(ROWS) > 20
    assert len(set(KEYS)) == len(KEYS)
    assert all(len(row) == 4 and all(row) for row in ROWS)
