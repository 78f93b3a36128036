# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses and times that the tests of the modules put into databases."""

from __future__ import annotations

NOW = 1_700_000_000
A, B, C = "10.0.0.1", "10.0.0.2", "10.0.0.3"
