# SPDX-License-Identifier: GPL-3.0-or-later
"""Stores to be tested."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from ansible_collections.vsmtp.relay.dev.support.opened_store import Opened


@pytest.fixture
def opened(tmp_path):
    """Return an open store."""
    result = Opened(tmp_path)
    yield result
    result.store.close()


@pytest.fixture
def quick_path():
    """Yield a directory in memory, where many stores are made in little time."""
    path = tempfile.mkdtemp(prefix="vsmtprelay-test-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    yield Path(path)
    shutil.rmtree(path)
