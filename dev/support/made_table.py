# SPDX-License-Identifier: GPL-3.0-or-later
"""A table on a page of the documentation that tests make, between two marks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .documentation import DOCUMENTATION

END = "<!-- The end of what the tests made. -->\n"


class MadeTable:
    """That on ``page``, a file's name, made by the tests in the directory ``suite``."""

    def __init__(self, page: str, suite: str) -> None:
        self._file = DOCUMENTATION / page
        self._begin = f"<!-- Made by {suite}; do not edit. -->\n"

    def shown(self) -> str:
        """Return the table that the page shows."""
        return self._file.read_text(encoding="utf-8").partition(self._begin)[2].partition(END)[0].strip("\n") + "\n"

    def write(self, table: str) -> None:
        """Put the table into the page."""
        before, _begin, rest = self._file.read_text(encoding="utf-8").partition(self._begin)
        self._file.write_text(f"{before}{self._begin}\n{table}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


def rendered(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return the text of a table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(row)} |\n".replace("|  |", "| |").replace("|  |", "| |") for row in lines)
