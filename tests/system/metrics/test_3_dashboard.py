# SPDX-License-Identifier: GPL-3.0-or-later
"""The dashboard shows what happened in the files before this one. ``DRAW_DASHBOARD=1`` draws its picture."""

from __future__ import annotations

import math
import os
import re
import time

import pytest

from support.waiting import wait_until

from . import dashboard

PANELS = dashboard.panels()
# This host shares its logins with no other one.
NOT_HERE = "Sharing"
LONGEST_SECONDS = 240


def label_of(legend, metric):
    """Return the legend of a series as Grafana makes it; Grafana knows this host by its name."""
    text = re.sub(r"\{\{(\w+)\}\}", lambda match: metric.get(match[1], ""), legend)
    return " ".join(text.replace("localhost:9100", "mail1").split())


@pytest.fixture(scope="module")
def answers(prometheus):
    """What Prometheus answers to each panel: the label and the points of each series, in seconds from the first."""
    # What was broken last is seen to be mended.
    wait_until(lambda: prometheus.value("sum_over_time((vsmtprelay_status == bool 0)[6s:1s])") >= 6)
    end = time.time()
    start = max(prometheus.began, end - LONGEST_SECONDS)
    found = []
    for panel in PANELS:
        series = []
        for expression, legend in dashboard.expressions(panel):
            for each in prometheus.query_range(expression, start, end, 1):
                points = [(at - start, float(value)) for at, value in each["values"]]
                points = [(at, value) for at, value in points if math.isfinite(value)]
                if points:
                    series.append((label_of(legend, each["metric"]), points))
        found.append(series)
    return found


@pytest.mark.parametrize("number", range(len(PANELS)), ids=[panel["title"] for panel in PANELS])
def test_every_panel_has_an_answer(answers, number):
    assert bool(answers[number]) != PANELS[number]["title"].startswith(NOT_HERE)


def test_the_panels_show_that_the_recorder_failed_and_was_mended(answers):
    titles = [panel["title"] for panel in PANELS]
    lines = dict(answers[titles.index("Recorder")])
    values = [value for _seconds, value in lines["up mail1"]]
    assert (values[0], min(values), values[-1]) == (1, 0, 1)


def test_the_picture_is_there_and_shows_every_panel(answers):
    if os.environ.get("DRAW_DASHBOARD"):
        dashboard.draw(answers)
    picture = dashboard.PICTURE.read_text(encoding="utf-8")
    assert [panel["title"] for panel in PANELS if f">{panel['title']}</text>" not in picture] == [], (
        "draw it anew: make metrics DRAW_DASHBOARD=1"
    )
