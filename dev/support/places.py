# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things lie: the checkout, and what was built from it."""

from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
COLLECTIONS = CHECKOUT / ".build" / "collections"
RELEASE = CHECKOUT / ".build" / "release"
