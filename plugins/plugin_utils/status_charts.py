# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The charts of the page of the fleet's state, as SVG. They are as wide as their place, and take their colours from the page.

They have no text: the page has their figures beside them, in words that people can enlarge and screen readers read.
"""

from __future__ import annotations

from markupsafe import Markup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# In units of the drawing, which is stretched.
WIDTH, HEIGHT = 100, 30
# Lines end inside of the drawing.
MARGIN = 2
INNER_HEIGHT = HEIGHT - 2 * MARGIN


def line(points: Sequence[tuple[int, int]]) -> Markup:
    """Return a line through ``points``, pairs of a time and a value, from the least value to the most."""
    least, most = (end(value for _time, value in points) for end in (min, max))
    places = [
        (x, MARGIN + INNER_HEIGHT * (most - value) / (most - least) if most > least else HEIGHT / 2)
        for x, (_time, value) in zip(_across(points), points)
    ]
    way = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    area = f"M{places[0][0]:.1f} {HEIGHT}L{way}L{places[-1][0]:.1f} {HEIGHT}z"
    return _svg(f'<path class="area" d="{area}"/><path class="line" d="M{way}"/>')


def stems(points: Sequence[tuple[int, int]]) -> Markup:
    """Return a stem for each of ``points``, pairs of a time and a value, from 0 to the most."""
    width = max(0.8, 0.6 * WIDTH / len(points))
    most = max(1, *(value for _time, value in points))
    room = (WIDTH - width) / WIDTH
    stems = [(x * room, width, value / most) for x, (_time, value) in zip(_across(points), points)]
    return _svg(_bars(stems))


def bars(values: Sequence[int]) -> Markup:
    """Return a bar for each of ``values``, side by side, from 0 to the most."""
    step = WIDTH / len(values)
    most = max(1, *values)
    return _svg(_bars([(number * step, 0.75 * step, value / most) for number, value in enumerate(values)]))


def _across(points: Sequence[tuple[int, int]]) -> list[float]:
    """Return the places of the times of ``points`` from left to right."""
    first, last = points[0][0], points[-1][0]
    return [WIDTH * (time - first) / (last - first) if last > first else WIDTH / 2 for time, _value in points]


def _bars(bars: Sequence[tuple[float, float, float]]) -> str:
    """Return the path of ``bars``: the left end, the width, and the height from 0 to 1."""
    drawn = (f"M{x:.1f} {HEIGHT}v{-HEIGHT * height:.1f}h{width:.1f}V{HEIGHT}z" for x, width, height in bars if height)
    return f'<path class="bar" d="{"".join(drawn)}"/>'


def _svg(content: str) -> Markup:
    # Only numbers and names of this file are in it.
    return Markup(f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" aria-hidden="true">{content}</svg>')
