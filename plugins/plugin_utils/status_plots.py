# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plots of the fleet's state, drawn by Matplotlib as SVG that takes its colours from the page that it stands in."""

from __future__ import annotations

import io
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

# Hosts beyond these are added up in one row.
MOST_HOSTS = 20
# So wide in points that on a phone a point is about a pixel.
WIDTH = 316
ROW = 16
MARGIN = 46
# Colours that stand for those of the page, which change in the dark.
TEXT, ACCENT, LINE = "#010101", "#020202", "#030303"
OF_PAGE = {TEXT: "currentColor", ACCENT: "var(--accent)", LINE: "var(--line)"}
# In square points, of the largest bubble.
LARGEST = 120.0
LONGEST_NAME = 16


class MissingLibraryError(Exception):
    """There is no Matplotlib on the controller."""


def logins(fleet: Mapping[str, Any]) -> str:
    """Return a plot of how many clients logged in last within a day, by host. Raises MissingLibraryError."""
    rows = [(name, sum(ages[:-1])) for name, ages in _ages_by_host(fleet)]

    def draw(axes: Any) -> None:
        axes.barh(range(len(rows)), [count for _name, count in rows], color=ACCENT, height=0.6)
        for place, (_name, count) in enumerate(rows):
            axes.annotate(f"{count:,}", (count, place), (3, 0), textcoords="offset points", va="center", color=TEXT)
        axes.set_xlim(0, 1.15 * max([1, *(count for _name, count in rows)]))
        axes.locator_params(axis="x", integer=True, nbins=5)
        axes.set_xlabel("clients")

    return _svg([name for name, _count in rows], draw)


def ages(fleet: Mapping[str, Any]) -> str:
    """Return a plot of how many hours ago the clients of each host logged in last. Raises MissingLibraryError."""
    rows = _ages_by_host(fleet)
    most = max([1, *(count for _name, counts in rows for count in counts)])

    def draw(axes: Any) -> None:
        points = [
            (hour, place, count) for place, (_name, counts) in enumerate(rows) for hour, count in enumerate(counts) if count
        ]
        sizes = [max(4.0, LARGEST * count / most) for _hour, _place, count in points]
        hours = [hour for hour, _place, _count in points]
        places = [place for _hour, place, _count in points]
        axes.scatter(hours, places, s=sizes, color=ACCENT, linewidths=0)
        axes.set_xlim(-1, 25)
        axes.set_xticks([0, 6, 12, 18, 24], ["now", "6", "12", "18", "24+"])
        axes.set_xlabel("hours since the last login")

    return _svg([name for name, _counts in rows], draw)


def _ages_by_host(fleet: Mapping[str, Any]) -> list[tuple[str, list[int]]]:
    """Return the ages of all entries of each host, most entries first; of those beyond MOST_HOSTS together."""
    rows = []
    for host in fleet["hosts"]:
        known = [server["ages"] for server in host.get("virtual_servers", []) if not server["fault"]]
        if known:
            rows.append((_short(host["host"]), [sum(counts) for counts in zip(*known)]))
    rows.sort(key=lambda row: -sum(row[1]))
    rest = rows[MOST_HOSTS:]
    if rest:
        rows[MOST_HOSTS:] = [(f"{len(rest)} others", [sum(counts) for counts in zip(*(counts for _name, counts in rest))])]
    return rows


def _short(name: str) -> str:
    plain = "".join(character if character.isprintable() else "?" for character in name)
    return plain if len(plain) <= LONGEST_NAME else f"{plain[: LONGEST_NAME - 1]}…"


def _svg(names: Sequence[str], draw: Callable[[Any], None]) -> str:
    """Return the SVG element of a plot with a row for each of ``names``, the first on top."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingLibraryError(
            "the report needs Matplotlib on this machine: install python3-matplotlib, or pip install matplotlib"
        ) from None
    settings: Any = {
        "text.parse_math": False,
        "svg.fonttype": "none",
        "svg.hashsalt": "vsmtp.relay",
        "font.size": 10.5,
        "text.color": TEXT,
        "axes.labelcolor": TEXT,
        "axes.edgecolor": LINE,
        "xtick.color": TEXT,
        "ytick.color": TEXT,
        "grid.color": LINE,
    }
    height = MARGIN + ROW * max(1, len(names))
    with mpl.rc_context(settings):
        figure = Figure(figsize=(WIDTH / 72, height / 72), layout="constrained")
        axes = figure.add_subplot()
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.tick_params(length=0)
        axes.grid(axis="x")
        axes.set_axisbelow(True)
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        draw(axes)
        text = io.StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _of_page(text.getvalue())


def _of_page(svg: str) -> str:
    """Return the element alone, without a size of its own and with the colours of the page."""
    start = svg.index("<svg")
    end = svg.index(">", start)
    element = re.sub(r' (width|height)="[^"]*"', "", svg[start:end]) + svg[end:]
    for placeholder, colour in OF_PAGE.items():
        element = element.replace(placeholder, colour)
    return element
