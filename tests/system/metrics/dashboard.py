# SPDX-License-Identifier: GPL-3.0-or-later
"""The dashboard of docs/monitoring: its panels, what a Prometheus answers to them, and a picture of that."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib
from bench.plot import INK, SETTINGS

from support.places import CHECKOUT

FILE = CHECKOUT / "docs" / "monitoring" / "dashboard.json"
PICTURE = FILE.with_suffix(".svg")
COLUMNS = 3
COLOURS = ("#2a8cd6", "#e07b00", "#2ca05a", "#b565c9", "#d6453d", "#8a8a00")
RATE_INTERVAL = "10s"


def panels() -> list[dict[str, Any]]:
    """Return the panels."""
    return json.loads(FILE.read_text(encoding="utf-8"))["panels"]


def expressions(panel: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the expressions of a panel, as Grafana asks them for all hosts, and their legends."""
    return [
        (target["expr"].replace("$instance", ".*").replace("$__rate_interval", RATE_INTERVAL), target["legendFormat"])
        for target in panel["targets"]
    ]


def draw(answers: list[list[tuple[str, list[tuple[float, float]]]]], path: Path = PICTURE) -> None:
    """Write the picture: for each panel the label and the points (seconds from the start, value) of each of its series."""
    matplotlib.use("svg")
    from matplotlib import pyplot

    shown = panels()
    rows = -(-len(shown) // COLUMNS)
    with matplotlib.rc_context(SETTINGS):
        figure, places = pyplot.subplots(rows, COLUMNS, figsize=(12, 2.6 * rows), sharex=True, layout="constrained")
        for place, panel, series in zip(places.flat, shown, answers, strict=True):
            defaults = panel["fieldConfig"]["defaults"]
            place.set_title(panel["title"], fontsize=9, loc="left")
            if not series:
                place.text(0.5, 0.5, "not on this host", ha="center", va="center", transform=place.transAxes, color=INK)
                place.set_yticks([])
            for (label, points), colour in zip(series, COLOURS * 3, strict=False):
                seconds, values = zip(*points, strict=True)
                style = "steps-post" if defaults["custom"]["lineInterpolation"] == "stepAfter" else "default"
                place.plot(seconds, values, label=label, color=colour, linewidth=1.4, drawstyle=style)
            if "max" in defaults:
                ticks = [int(number) for number in defaults["mappings"][0]["options"]]
                words = [option["text"] for option in defaults["mappings"][0]["options"].values()]
                place.set(ylim=(-0.2, defaults["max"] + 0.2))
                place.set_yticks(ticks, words)
            else:
                place.set_ylim(0, 1.1 * max((value for _label, points in series for _at, value in points), default=1) or 1)
            if series:
                place.legend(frameon=False, fontsize=7, loc="upper left")
            place.grid(visible=True)
        for place in places[-1]:
            place.set_xlabel("seconds")
        figure.savefig(path, transparent=True, metadata={"Date": None})
