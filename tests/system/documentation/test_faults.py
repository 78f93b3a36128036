# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/failures.md: each fault that it says opens no relay names tests, and these exist."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from support.documentation import table
from support.playbook import CHECKOUT

ROWS = table("failures.md", "a fault")
TEST = re.compile(r"`(tests/\S+\.py)::(test_\w+)`")


@cache
def functions_of(file):
    path = CHECKOUT / file
    if not path.is_file():
        return set()
    return {node.name for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(("fault", "reason", "tests"), ROWS, ids=[row[0][:60] for row in ROWS])
def test_each_fault_has_tests_that_exist(fault, reason, tests):
    named = TEST.findall(tests)
    assert named
    assert not TEST.sub("", tests).strip()
    for file, name in named:
        assert name in functions_of(file), f"{file} has no {name}"
    assert reason


def test_the_table_is_read():
    assert len(ROWS) > 20
    assert len({row[0] for row in ROWS}) == len(ROWS)
