# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things lie."""

from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
BUILD = CHECKOUT / ".build"
GATES = BUILD / "gates"
