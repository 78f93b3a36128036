# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of the fleet's state in headless Chromium: on a phone and at a desk, in the light and in the dark."""

from __future__ import annotations

import pytest

from ansible_collections.vsmtp.relay.plugins.plugin_utils.status_page import page
from support import fleet_state
from support.browser import browser, show

PHONE, DESK = 360, 1280
# In pixels. What people can still read at arm's length.
SMALLEST_TEXT = 10
# WCAG 2.2, success criterion 1.4.3.
LEAST_CONTRAST = 4.5
TEXTS = """
const found = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const text = walker.currentNode.textContent.trim();
  const element = walker.currentNode.parentElement;
  const box = document.createRange();
  box.selectNodeContents(walker.currentNode);
  const {left, right, height} = box.getBoundingClientRect();
  if (!text || !height || element.closest('title, style, thead')) continue;
  const style = getComputedStyle(element);
  const svg = element.closest('svg');
  const scale = svg ? svg.getBoundingClientRect().width / svg.viewBox.baseVal.width : 1;
  let ground = element;
  while (getComputedStyle(ground).backgroundColor === 'rgba(0, 0, 0, 0)') ground = ground.parentElement;
  found.push({text, left, right, size: parseFloat(style.fontSize) * scale,
              ink: svg ? style.fill : style.color, ground: getComputedStyle(ground).backgroundColor});
}
return found;
"""


def luminance(colour):
    """Return the relative luminance of ``rgb(…)`` (WCAG 2.2)."""
    parts = [int(part) / 255 for part in colour.strip("rgba()").split(",")[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    dark, light = sorted(map(luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.fixture(scope="module")
def driver():
    with browser() as driver:
        yield driver


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """The page of a fleet in which everything is wrong that can be."""
    file = tmp_path_factory.mktemp("page") / "fleet.html"
    file.write_text(page(fleet_state.troubled()), encoding="utf-8")
    return file


@pytest.fixture(params=[(PHONE, False), (PHONE, True), (DESK, False), (DESK, True)], ids=str)
def shown(request, driver, file):
    """The page as somebody sees it, and how wide and how dark."""
    width, dark = request.param
    show(driver, file, width, dark)
    return driver, width, dark


def test_nothing_runs_out_of_the_window(shown):
    driver, width, _dark = shown
    assert driver.execute_script("return document.documentElement.scrollWidth") <= width
    assert not [text for text in driver.execute_script(TEXTS) if text["right"] > width + 1 or text["left"] < -1]


def test_every_text_is_large_enough_and_stands_out_from_its_ground(shown):
    driver, _width, dark = shown
    texts = driver.execute_script(TEXTS)
    assert len(texts) > 100
    assert not [text for text in texts if text["size"] < SMALLEST_TEXT]
    assert not [text for text in texts if contrast(text["ink"], text["ground"]) < LEAST_CONTRAST]
    ground = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (luminance(ground) < 0.1) == dark


def test_both_plots_are_drawn(shown):
    driver, width, _dark = shown
    boxes = driver.execute_script("return [...document.querySelectorAll('svg')].map(each => each.getBoundingClientRect())")
    assert len(boxes) == 2
    assert all(box["width"] > 250 and box["height"] > 60 and box["right"] <= width for box in boxes)


def test_what_people_named_is_shown_as_they_wrote_it_and_runs_nothing(shown):
    driver, *_ = shown
    assert "<script>alert('&')</script>" in driver.find_element("tag name", "body").text
    assert driver.execute_script("return document.scripts.length") == 0


def test_the_page_asks_nobody_for_anything(shown):
    driver, *_ = shown
    assert driver.execute_script("return performance.getEntriesByType('resource').map(each => each.name)") == []
    assert not driver.get_log("browser")
