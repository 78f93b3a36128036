# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that all tests share."""

from __future__ import annotations

import pytest


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="run the heavy tests at full size instead of one that fits make test")


@pytest.fixture(scope="session")
def full(request):
    return request.config.getoption("--full")
