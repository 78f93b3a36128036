# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plots of the fleet's state, drawn by Matplotlib as SVG that takes its colours from the page around it."""

from __future__ import annotations

import io
import itertools
import re
import warnings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

# Further hosts are added up in one row.
MOST_HOSTS = 20
# In points, as all lengths here. At this width a point is about a pixel on a phone.
WIDTH = 316
FONT_SIZE = 10.5
# A row is the lines of a name, and below them the lane of its bar or bubbles.
LINE_HEIGHT = 14
# From the base line of a name to the bottom of its line.
DESCENT = 4
LANE = 14
GAP = 7
# The margins left and right of the plot, and below the rows for the ticks and the label of the axis.
SIDE = 1
BOTTOM = 38
INNER_WIDTH = WIDTH - 2 * SIDE
# Between a bar and its number.
NUMBER_GAP = 3
# Placeholders for the colours of the page, which differ in dark mode.
TEXT, ACCENT, LINE = "#010101", "#020202", "#030303"
OF_PAGE = {TEXT: "currentColor", ACCENT: "var(--accent)", LINE: "var(--line)"}
# The area of the largest bubble, in square points.
LARGEST = 120.0
# The greatest width of characters in any font of a browser, as a part of the font's size; the font is unknown here.
WIDTHS = {**dict.fromkeys("-.,:;'|!()[]/ ijl", 0.42), **dict.fromkeys("mwMW@%+=<>~&", 1.0)}
LOWER_CASE_WIDTH, ASCII_WIDTH, OTHER_WIDTH = 0.65, 0.8, 1.0
# A name is broken after these if that leaves no line half empty.
BREAKS = ".-_"


class MissingLibraryError(Exception):
    """The controller has no Matplotlib."""


def logins(fleet: Mapping[str, Any]) -> str:
    """Return a plot of the number of clients whose last login was within a day, by host. Raises MissingLibraryError."""
    rows = [(name, sum(ages[:-1])) for name, ages in _ages_by_host(fleet)]
    most = max([1, *(count for _name, count in rows)])
    label_width = width_of(f"{most:,}")

    def draw(axes: Any, lanes: Sequence[float]) -> None:
        axes.barh(lanes, [count for _name, count in rows], color=ACCENT, height=0.7 * LANE)
        for lane, (_name, count) in zip(lanes, rows):
            axes.annotate(f"{count:,}", (count, lane), (NUMBER_GAP, 0), textcoords="offset points", va="center", color=TEXT)
        # The number behind the longest bar ends where the plot ends.
        axes.set_xlim(0, most * INNER_WIDTH / (INNER_WIDTH - NUMBER_GAP - label_width))
        axes.locator_params(axis="x", integer=True, nbins=max(1, min(5, int(INNER_WIDTH / (2 * label_width)))))
        ticks = [tick for tick in axes.xaxis.get_major_locator().tick_values(0, most) if 0 <= tick <= most]
        axes.set_xticks(ticks, [f"{tick:,.0f}" for tick in ticks])
        # Centred, the 0 would stick out to the left.
        axes.get_xticklabels()[0].set_horizontalalignment("left")
        axes.set_xlabel("clients")

    return _svg([name for name, _count in rows], draw)


def ages(fleet: Mapping[str, Any]) -> str:
    """Return a plot of the hours since the last login of the clients of each host. Raises MissingLibraryError."""
    rows = _ages_by_host(fleet)
    most = max([1, *(count for _name, counts in rows for count in counts)])

    def draw(axes: Any, lanes: Sequence[float]) -> None:
        points = [
            (hour, lane, count) for lane, (_name, counts) in zip(lanes, rows) for hour, count in enumerate(counts) if count
        ]
        sizes = [max(4.0, LARGEST * count / most) for _hour, _lane, count in points]
        hours, places = [hour for hour, _lane, _count in points], [lane for _hour, lane, _count in points]
        axes.scatter(hours, places, s=sizes, color=ACCENT, linewidths=0)
        axes.set_xlim(-1, 25)
        axes.set_xticks([0, 6, 12, 18, 24], ["now", "6", "12", "18", "24+"])
        axes.set_xlabel("hours since the last login")

    return _svg([name for name, _counts in rows], draw)


def _ages_by_host(fleet: Mapping[str, Any]) -> list[tuple[str, list[int]]]:
    """Return the ages of all entries of each host, most entries first; hosts beyond MOST_HOSTS are added up."""
    rows = []
    for host in fleet["hosts"]:
        known = [server["ages"] for server in host.get("virtual_servers", []) if not server["fault"]]
        if known:
            rows.append((host["host"], [sum(counts) for counts in zip(*known)]))
    rows.sort(key=lambda row: -sum(row[1]))
    rest = rows[MOST_HOSTS:]
    if rest:
        rows[MOST_HOSTS:] = [(f"{len(rest)} others", [sum(counts) for counts in zip(*(counts for _name, counts in rest))])]
    return rows


def width_of(text: str) -> float:
    """Return the greatest width of ``text`` in a browser, in points."""
    return FONT_SIZE * sum(map(_width_of_character, text))


def lines_of(name: str, width: float = INNER_WIDTH) -> list[str]:
    """Return the lines in which all of ``name`` is shown, none wider than ``width``; what cannot be printed is a ``?``.

    ``width`` is in points, and at least that of one character.
    """
    rest = "".join(character if character.isprintable() else "?" for character in name)
    lines = []
    while width_of(rest) > width:
        end = next(end for end in range(len(rest), 0, -1) if width_of(rest[:end]) <= width)
        good_end = 1 + max(rest.rfind(character, 0, end) for character in BREAKS)
        if good_end > end / 2:
            end = good_end
        lines.append(rest[:end])
        rest = rest[end:]
    return [*lines, rest]


def _width_of_character(character: str) -> float:
    if not character.isascii():
        return OTHER_WIDTH
    return WIDTHS.get(character, LOWER_CASE_WIDTH if character.islower() or character.isdigit() else ASCII_WIDTH)


def _svg(names: Sequence[str], draw: Callable[[Any, Sequence[float]], None]) -> str:
    """Return the SVG element of a plot with a row for each of ``names``, the first on top.

    ``draw`` is called with the axes and the middle of each lane on them. Raises MissingLibraryError.
    """
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
        "font.size": FONT_SIZE,
        "text.color": TEXT,
        "axes.labelcolor": TEXT,
        "axes.edgecolor": LINE,
        "xtick.color": TEXT,
    }
    texts = [lines_of(name) for name in names]
    bottoms = list(itertools.accumulate(LINE_HEIGHT * len(lines) + LANE + GAP for lines in texts))
    inner_height = max([LANE, *bottoms])
    height = inner_height + BOTTOM
    with mpl.rc_context(settings), warnings.catch_warnings():
        # The page's font replaces this one and has more characters.
        warnings.filterwarnings("ignore", "Glyph .* missing")
        figure = Figure(figsize=(WIDTH / 72, height / 72))
        axes = figure.add_axes((SIDE / WIDTH, BOTTOM / height, INNER_WIDTH / WIDTH, inner_height / height))
        # Points, from the top.
        axes.set_ylim(inner_height, 0)
        axes.set_yticks([])
        axes.tick_params(length=0)
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
        lanes = [bottom - GAP - LANE / 2 for bottom in bottoms]
        draw(axes, lanes)
        for lane, lines in zip(lanes, texts):
            # Only within the lanes, so that no line crosses a name.
            axes.vlines(axes.get_xticks(), lane - LANE / 2, lane + LANE / 2, color=LINE, linewidth=0.8, zorder=0.5)
            for number, line in enumerate(lines, 1 - len(lines)):
                baseline = lane - LANE / 2 - DESCENT + LINE_HEIGHT * number
                axes.text(0, baseline, line, transform=axes.get_yaxis_transform(), color=TEXT)
        text = io.StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _of_page(text.getvalue())


def _of_page(svg: str) -> str:
    """Return the SVG element alone, without its size and with the colours of the page."""
    start = svg.index("<svg")
    end = svg.index(">", start)
    element = re.sub(r' (width|height)="[^"]*"', "", svg[start:end]) + svg[end:]
    for placeholder, colour in OF_PAGE.items():
        element = element.replace(placeholder, colour)
    return element
