# SPDX-License-Identifier: GPL-3.0-or-later
"""The plots of a fleet's state: names in full, and nothing over anything else; how it looks is tried in a browser."""

from __future__ import annotations

import warnings
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vsmtp.relay.dev.support.fleet_state import fleet, host, server, troubled
from ansible_collections.vsmtp.relay.plugins.plugin_utils import status_plots
from ansible_collections.vsmtp.relay.plugins.plugin_utils.status_plots import INNER_WIDTH, LINE_HEIGHT, lines_of, width_of

LONG = "many-servers-have-a-long-name.example.org"
LONGER = ".".join(["a-very-long-label"] * 9)
PLOTS = (status_plots.logins, status_plots.ages)
# The widest character, those of other scripts, and what XML and formulas take otherwise.
UGLY = fleet(
    host("W" * 70), host("例え" * 30), host("a$b$<c>&amp;"), host(LONGER, server(ages=[1_234_567] * 24 + [3])), host("e")
)


def dump_lines(svg):
    """Return what is written, with the left end, the right end and the base line of each, in points."""
    found = []
    for element in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text"):
        x, y, text = float(element.get("x")), float(element.get("y")), element.text
        left = x - width_of(text) / 2 if "text-anchor: middle" in element.get("style") else x
        found.append((text, left, left + width_of(text), y))
    return found


def names_in(svg):
    return [text for text, left, _right, _y in dump_lines(svg) if left == status_plots.SIDE and text != "0"]


@pytest.mark.parametrize("plot", PLOTS)
def test_names_are_shown_in_full_each_on_a_line_of_its_own(plot):
    names = names_in(plot(troubled()))
    assert names == [LONG, "mail1.example.org", "late", "failed", "fails", "differs", "new"]


@pytest.mark.parametrize("plot", PLOTS)
@pytest.mark.parametrize("state", [troubled(), UGLY, fleet(*(host(f"mail{n}") for n in range(50)))])
def test_nothing_runs_out_of_the_plot_or_over_anything_else(plot, state):
    svg = plot(state)
    width, height = map(float, ET.fromstring(svg).get("viewBox").split()[2:])
    texts = dump_lines(svg)
    assert width == status_plots.WIDTH
    assert all(left >= -1 and right <= width + 1 for _text, left, right, _y in texts)
    assert all(0.95 * status_plots.FONT_SIZE <= y <= height - 2 for _text, _left, _right, y in texts)
    for one, other in pairwise(sorted(texts, key=lambda text: text[3])):
        if other[3] - one[3] < LINE_HEIGHT - 2:
            assert other[1] > one[2] or other[2] < one[1], (one, other)


@pytest.mark.parametrize("plot", PLOTS)
def test_names_that_are_wider_than_the_plot_are_wrapped(plot):
    shown = "".join(names_in(plot(UGLY)))
    for name in (LONGER, "W" * 70, "例え" * 30, "a$b$<c>&amp;"):
        assert name in shown


@pytest.mark.parametrize("plot", PLOTS)
def test_characters_that_matplotlib_s_font_has_not_are_no_warning(plot):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plot(UGLY)


@pytest.mark.parametrize(
    ("name", "width", "lines"),
    [
        ("mail1.example.org", INNER_WIDTH, ["mail1.example.org"]),
        (LONG, INNER_WIDTH, [LONG]),
        (LONG, 200, ["many-servers-have-a-long-name.", "example.org"]),
        ("mail1.an-unbrokenlabel", 110, ["mail1.an-", "unbrokenlabel"]),
        # The dot comes too early.
        ("m.aaaaaaaaaaaaaaaaaaaa", 100, ["m.aaaaaaaaaaaa", "aaaaaaaa"]),
        ("WW", 11, ["W", "W"]),
        ("a\x1b[1m\nb", INNER_WIDTH, ["a?[1m?b"]),
        ("", INNER_WIDTH, [""]),
    ],
)
def test_a_name_is_broken_behind_a_dot_or_a_hyphen_where_that_leaves_no_line_half_empty(name, width, lines):
    assert lines_of(name, width) == lines


@given(st.text(max_size=200), st.integers(12, 400))
def test_no_name_loses_a_character_and_no_line_is_too_wide(name, width):
    lines = lines_of(name, width)
    assert len("".join(lines)) == len(name)
    assert "".join(lines).isprintable()
    assert all(width_of(line) <= width for line in lines)
    assert all(lines[:-1])


@pytest.mark.parametrize("most", [1, 7, 24, 999, 1_000_000, 2_469_134, 987_654_321])
def test_the_axis_has_whole_numbers_that_stand_apart(most):
    texts = dump_lines(status_plots.logins(fleet(host("a", server(ages=[most] + [0] * 24)))))
    (label,) = (text for text in texts if text[0] == "clients")
    ticks = [text for text in texts if label[3] - 20 < text[3] < label[3]]
    assert ticks[0][0] == "0"
    assert len(ticks) >= 2
    assert all(tick[0].replace(",", "").isdigit() for tick in ticks)
    assert all(other[1] > one[2] for one, other in pairwise(ticks))
