# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation shows, to be tested as it stands there."""

from __future__ import annotations

import re

from .places import CHECKOUT

DOCUMENTATION = CHECKOUT / "docs"


def block(page: str, language: str) -> str:
    """Return the text of the one block of code in ``language`` on ``page``, a file's name."""
    (found,) = blocks(page, language)
    return found


def blocks(page: str, language: str) -> list[str]:
    """Return the texts of all blocks of code in ``language`` on ``page``, a file's name."""
    return re.findall(rf"^```{language}\n(.*?)^```$", _text(page), re.MULTILINE | re.DOTALL)


def table(page: str, first_column: str) -> list[list[str]]:
    """Return the cells of the rows, but for the heading, of the table on ``page`` whose first heading is ``first_column``."""
    rows = _text(page).partition(f"\n| {first_column} |")[2].partition("\n\n")[0].splitlines()
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows[2:]]


def _text(page: str) -> str:
    return (DOCUMENTATION / page).read_text(encoding="utf-8")
