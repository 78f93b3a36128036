# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the gates put what they make."""

from support.places import CHECKOUT

BUILD = CHECKOUT / ".build"
GATES = BUILD / "gates"
