# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of hosts as text in columns: the cells, and how they are aligned."""

from __future__ import annotations

import unicodedata

from .words import ago, count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from typing import Any

SERVER_HEADS = ("virtual server", "entries", "oldest", "newest", "future", "ruleset")
SERVER_NUMBERS = frozenset((1, 2, 3, 4))
ENGINE_HEADS = ("engine", "connected", "since", "lag", "unsent", "refused")
ENGINE_NUMBERS = frozenset((3, 4, 5))
GAP = "  "


def server_cells(server: Mapping[str, Any], made: int) -> list[str]:
    """Return the cells of a virtual server under SERVER_HEADS; ``made`` is the time of its state in epoch seconds."""
    if server["fault"]:
        return [server["name"], "?", "", "", "", "at fault"]
    if server.get("entries") is None:
        return [server["name"], "?", "", "", "", server["ruleset"]]
    oldest, newest = (("" if server[end] is None else ago(made - server[end])) for end in ("oldest", "newest"))
    return [server["name"], f"{server['entries']:,}", oldest, newest, f"{server['pinned']:,}", server["ruleset"]]


def engine_rows(sharing: Mapping[str, Any] | None, made: int) -> Iterator[list[str]]:
    """Yield the cells of each engine under ENGINE_HEADS; none if the host does not share its logins, or nothing is known."""
    if not sharing or sharing["fault"]:
        return
    for engine in sharing["engines"]:
        connected = "no" if not engine["connected"] else "at fault" if engine["error"] else "yes"
        lag = "" if engine["lag_ms"] is None else f"{engine['lag_ms']:,} ms"
        refused = sum(sum(reasons.values()) for reasons in engine["refused"].values())
        yield [engine["engine"], connected, ago(made - engine["since"]), lag, f"{engine['unsent']:,}", f"{refused:,}"]


def totals(servers: Sequence[Mapping[str, Any]]) -> str:
    """Return the numbers of virtual servers and entries."""
    entries = sum(server.get("entries", 0) for server in servers)
    pinned = sum(server.get("pinned", 0) for server in servers)
    counts = [count(len(servers), "virtual server"), count(entries, "entry", "entries")]
    return f"{', '.join(counts)}, {pinned:,} of them in the future"


def expiry_word(expiry: Mapping[str, Any], made: int) -> str:
    """Return the state of the nightly expiry, in a word or two."""
    if expiry["late"]:
        return "late"
    if expiry["last"] is None:
        return "not yet"
    return f"status {expiry['status']}" if expiry["status"] else f"{ago(made - expiry['last'])} ago"


def aligned(heads: Sequence[str], numbers: Collection[int], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table. A row with fewer cells is a name and a fault, which follows it regardless of the columns."""
    widths = [max(map(_width, column)) for column in zip(heads, *(row for row in rows if len(row) == len(heads)))]
    widths[0] = max([widths[0], *(_width(row[0]) for row in rows)])
    return [_line(row, widths, numbers) for row in (heads, ["-" * width for width in widths], *rows)]


def _line(row: Sequence[str], widths: Sequence[int], numbers: Collection[int]) -> str:
    cells = [
        " " * (width - _width(cell)) + cell if column in numbers else cell + " " * (width - _width(cell))
        for column, (cell, width) in enumerate(zip(row, widths))
    ]
    return GAP.join(cells).rstrip()


def _width(text: str) -> int:
    """Return the width of ``text`` in columns of a terminal (Unicode Standard Annex 11)."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )
