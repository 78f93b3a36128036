# SPDX-License-Identifier: GPL-3.0-or-later
"""One guest, for tests of the test bed itself."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def _disk(lab):
    """The guest, with a disk of its own."""
    guest = lab.guest("bed")
    guest.boot()
    return guest


@pytest.fixture
def guest(_disk):
    """The guest, started but perhaps not ready; no test leaves it with a disk that it cannot start from."""
    _disk.boot(fresh=False)
    return _disk
