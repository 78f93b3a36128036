# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts on which the documentation is run."""

from __future__ import annotations

import pytest
from documentation.bed import Bed


@pytest.fixture(scope="session")
def bed(lab, tmp_path_factory):
    """Two mail hosts, prepared, and a directory to work in."""
    bed = Bed(lab, tmp_path_factory.mktemp("person"))
    bed.boot()
    return bed
