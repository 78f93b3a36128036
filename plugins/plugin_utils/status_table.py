# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of a fleet as a table for the terminal."""

from __future__ import annotations

import unicodedata

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import printable

from .status_words import ago, attention, drift_of, expiry_of, summary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

HEADS = ("host", "virtual server", "entries", "oldest", "newest", "future", "ruleset", "recorder", "expiry", "drift")
NUMBERS = frozenset((2, 3, 4, 5))
GAP = "  "


def table(fleet: Mapping[str, Any]) -> list[str]:
    """Return the lines: a row for each virtual server, the totals, and what needs attention.

    ``fleet`` is described in status_words.
    """
    rows = [row for host in fleet["hosts"] for row in rows_of(host, fleet["made"])]
    # The fault of a host follows its name, regardless of the columns.
    widths = [max(map(_width, column)) for column in zip(HEADS, *(row for row in rows if len(row) == len(HEADS)))]
    widths[0] = max([widths[0], *(_width(row[0]) for row in rows)])
    lines = [_line(row, widths) for row in (HEADS, ["-" * width for width in widths], *rows)]
    lines += ["", f"{summary(fleet)}."]
    sentences = attention(fleet)
    if not sentences:
        return [*lines, "Nothing needs attention."]
    return [*lines, "", f"Needs attention ({len(sentences)}):", *(f"- {printable(sentence)}" for sentence in sentences)]


def rows_of(host: Mapping[str, Any], made: int) -> Iterator[Sequence[str]]:
    """Yield the cells of the rows of a host: one for each virtual server, or its name and its fault."""
    name = printable(host["host"])
    if host["fault"]:
        yield [name, printable(host["fault"])]
        return
    of_host = [host["recorder"], expiry_of(host, made), drift_of(host)]
    for server in host["virtual_servers"]:
        yield [name, printable(server["name"]), *_of_server(server, made), *of_host]
        name, of_host = "", [""] * len(of_host)
    if not host["virtual_servers"]:
        yield [name, *[""] * 6, *of_host]


def _of_server(server: Mapping[str, Any], made: int) -> list[str]:
    if server["fault"]:
        return ["?", "", "", "", "at fault"]
    oldest, newest = (("" if server[end] is None else ago(made - server[end])) for end in ("oldest", "newest"))
    return [f"{server['entries']:,}", oldest, newest, f"{server['pinned']:,}", server["ruleset"]]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [
        " " * (width - _width(cell)) + cell if column in NUMBERS else cell + " " * (width - _width(cell))
        for column, (cell, width) in enumerate(zip(row, widths))
    ]
    return GAP.join(cells).rstrip()


def _width(text: str) -> int:
    """Return the width of ``text`` in columns of a terminal (Unicode Standard Annex 11)."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )
