# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of a fleet as a table for the terminal."""

from __future__ import annotations

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import printable
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.status.table import (
    ENGINE_HEADS,
    ENGINE_NUMBERS,
    SERVER_HEADS,
    SERVER_NUMBERS,
    aligned,
    engine_rows,
    expiry_word,
    server_cells,
)

from .status_words import attention, drift_of, summary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

# The name of the host comes first.
HEADS = ("host", *SERVER_HEADS, "recorder", "expiry", "drift")
NUMBERS = frozenset(number + 1 for number in SERVER_NUMBERS)
SHARING_HEADS = ("host", *ENGINE_HEADS)
SHARING_NUMBERS = frozenset(number + 1 for number in ENGINE_NUMBERS)


def table(fleet: Mapping[str, Any]) -> list[str]:
    """Return the lines: a row for each virtual server, one for each engine of a host, the totals, and what needs attention.

    ``fleet`` is described in status_words.
    """
    rows = [row for host in fleet["hosts"] for row in rows_of(host, fleet["made"])]
    lines = aligned(HEADS, NUMBERS, rows)
    engines = [row for host in fleet["hosts"] for row in sharing_rows_of(host, fleet["made"])]
    if engines:
        shown = [[printable(cell) for cell in row] for row in engines]
        lines += ["", *aligned(SHARING_HEADS, SHARING_NUMBERS, shown)]
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
    of_host = [host["recorder"], expiry_word(host["expiry"], made), drift_of(host)]
    for server in host["virtual_servers"]:
        yield [name, *(printable(cell) for cell in server_cells(server, made)), *of_host]
        name, of_host = "", [""] * len(of_host)
    if not host["virtual_servers"]:
        yield [name, *[""] * 6, *of_host]


def sharing_rows_of(host: Mapping[str, Any], made: int) -> Iterator[Sequence[str]]:
    """Yield the cells of the rows of a host: one for each engine; none if it does not share, or nothing is known."""
    name = host["host"]
    for row in engine_rows(host.get("sharing"), made):
        yield [name, *row]
        name = ""
