# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of what only root can do."""

from __future__ import annotations

import os

import pytest

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
