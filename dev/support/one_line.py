# SPDX-License-Identifier: GPL-3.0-or-later
"""What the command says of a fault."""

from __future__ import annotations


def is_one_line(text: str) -> bool:
    """Return whether ``text`` is one line that begins with the name of the command."""
    return text.startswith("vsmtprelay: ") and text.count("\n") == 1
