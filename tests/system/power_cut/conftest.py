# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine whose power is cut, saved at the moment before the database's disk is connected."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from guests.state import CHECKOUT
from powercut import Bed, build, locked, require_all

DIRECTORY = CHECKOUT / ".build" / "powercut"


def pytest_addoption(parser):
    parser.addoption("--rounds", type=int, default=0, help="so many power cuts on each file system")
    parser.addoption("--seed", type=int, default=0, help="repeat the rounds that were printed with this seed")


@pytest.fixture(scope="session")
def directory():
    """Where disks and logs are."""
    return DIRECTORY


@pytest.fixture(scope="session")
def bed():
    require_all()
    # Held until the end: another run would take the machine away that this one starts from.
    with locked(DIRECTORY):
        yield Bed(build(DIRECTORY, Path(__file__).parent / "in_guest"))


@pytest.fixture(scope="session")
def seed(request):
    chosen = request.config.getoption("--seed") or secrets.randbelow(1_000_000)
    print(f"power cut: seed {chosen}; pytest -s --seed {chosen} tests/system/power_cut repeats the rounds")
    return chosen


@pytest.fixture(scope="session")
def rounds(request, full):
    """How many rounds on each file system."""
    return request.config.getoption("--rounds") or (167 if full else 3)
