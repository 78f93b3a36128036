# SPDX-License-Identifier: GPL-3.0-or-later
"""The plot of growth with size, as SVG that can be read on a light and on a dark page."""

from __future__ import annotations

from pathlib import Path

import matplotlib

from .results import Results
from .table import number

INK = "#808080"
PANELS = {
    "add": "vsmtprelay add, whole command",
    "expire": "vsmtprelay expire of half, whole command",
    "list": "vsmtprelay list, whole command",
    "process": "one add inside a process",
}
LINES = {
    "vsmtprelay": ("vsmtprelay", "#2a8cd6", "o", "-"),
    "perl": ("Perl DB_File", "#e07b00", "s", "--"),
    "makemap": ("makemap -c 67108864", "#2ca05a", "^", ":"),
    "after its own": ("after its own write", "#2a8cd6", "o", "-"),
    "after another": ("after another's write", "#b565c9", "D", "-."),
    "copy": ("copyfile + fsync", "#e07b00", "s", "--"),
}
"""Contestant → label, colour (as far from white as from black), marker, style."""

SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "vsmtp.relay",
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": INK,
    "grid.alpha": 0.3,
}


def draw(results: Results, path: Path) -> None:
    """Write the plot to ``path``: a panel for each work, both axes logarithmic, files as makemap writes them."""
    matplotlib.use("svg")
    from matplotlib import pyplot, ticker

    with matplotlib.rc_context(SETTINGS):
        figure, panels = pyplot.subplots(2, 2, figsize=(9, 6.5), sharex=True, layout="constrained")
        for panel, (work, title) in zip(panels.flat, PANELS.items(), strict=True):
            rows = results.of(work, "makemap")
            for name in rows[0].took:
                label, colour, marker, style = LINES[name]
                sizes = [row.entries for row in rows]
                medians = [row.median(name) * 1000 for row in rows]
                panel.plot(sizes, medians, label=label, color=colour, marker=marker, linestyle=style, markersize=4)
                panel.fill_between(
                    sizes,
                    [min(row.took[name]) * 1000 for row in rows],
                    [max(row.took[name]) * 1000 for row in rows],
                    color=colour,
                    alpha=0.15,
                    linewidth=0,
                )
            panel.set(title=title, xscale="log", yscale="log", ylabel="milliseconds")
            panel.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
            panel.yaxis.set_major_formatter(ticker.StrMethodFormatter("{x:g}"))
            panel.yaxis.set_minor_formatter(ticker.NullFormatter())
            panel.xaxis.set_major_locator(ticker.FixedLocator(results.sizes))
            panel.xaxis.set_major_formatter(lambda entries, _place: number(int(entries)))
            panel.xaxis.set_minor_locator(ticker.NullLocator())
            panel.grid(visible=True, which="major")
            panel.legend(frameon=False, fontsize=8)
        for panel in panels[1]:
            panel.set_xlabel("entries")
        figure.suptitle("Median and range of the turns", fontsize=9)
        figure.savefig(path, transparent=True, metadata={"Date": None})
