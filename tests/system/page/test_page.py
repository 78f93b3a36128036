# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a fleet in which everything is wrong that can be: it is whole, readable and harmless, wherever it is seen."""

from __future__ import annotations

import functools
import http.server
import threading
import typing

import pytest
from selenium.webdriver import ActionChains, Keys

from ansible_collections.vsmtp.relay.plugins.plugin_utils.status_history import extended
from ansible_collections.vsmtp.relay.plugins.plugin_utils.status_page import page
from support import fleet_state
from support.browser import show

from .conftest import PHONE, SIGHTS

SORTED_BY = ["Host", "Entries", "Ruleset"]
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
  const style = getComputedStyle(element);
  if (!text || !height || style.visibility === 'hidden' || element.closest('title, style, script, option')) continue;
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
def file(tmp_path_factory):
    fleet = fleet_state.troubled()
    before = {**fleet, "made": fleet["made"] - 86400, "hosts": fleet["hosts"][:-1]}
    file = tmp_path_factory.mktemp("page") / "fleet.html"
    file.write_text(page(fleet, extended(extended([], before), fleet)), encoding="utf-8")
    return file


@pytest.fixture(scope="module", params=SIGHTS, ids=str)
def shown(request, driver, file):
    """The page as somebody sees it, and how wide and how dark."""
    width, dark = request.param
    show(driver, file, width, dark)
    # What is folded up is looked at, too.
    driver.execute_script("document.querySelectorAll('details').forEach(each => { each.open = true; })")
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


def test_every_chart_is_drawn_where_there_is_something_to_draw(shown):
    driver, width, _dark = shown
    boxes = driver.execute_script(
        "return [...document.querySelectorAll('.tile svg')].map(each => each.getBoundingClientRect())"
    )
    # One tile each, but for what was counted since the only report before.
    assert len(boxes) == 4
    assert all(box["width"] > 100 and box["height"] > 30 and box["right"] <= width for box in boxes)
    small = driver.execute_script("return [...document.querySelectorAll('td svg')].map(each => each.getBoundingClientRect())")
    assert len(small) == 9
    assert all(box["width"] > 40 and box["height"] > 10 and box["right"] <= width for box in small)


def test_what_people_named_is_shown_as_they_wrote_it_and_runs_nothing(shown):
    driver, *_ = shown
    assert "<script>alert('&')</script>" in driver.find_element("tag name", "body").text
    assert driver.execute_script("return document.scripts.length") == 1


def test_a_screen_reader_finds_a_table_with_heads_and_fields_with_names(shown):
    driver, *_ = shown
    nodes = driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    roles = {}
    for node in nodes:
        if not node["ignored"]:
            roles.setdefault(node["role"]["value"], []).append(node.get("name", {}).get("value", ""))
    assert "Hosts and their virtual servers" in roles["table"]
    assert {"Host", "State", "Window", "Ruleset"} <= set(roles["columnheader"])
    assert "many-servers-have-a-long-name.example.org" in roles["rowheader"]
    assert "many-servers-have-a-long-name.example.org" in roles["link"]
    # With the roles that the script gives, also where the rows are blocks.
    assert len(roles["rowheader"]) == 8 + 2
    assert roles["searchbox"] == ["Search"]
    assert roles["radio"] == ["All 8", "Broken 3", "Attention 3", "Fine 2"]
    assert "Show" in roles["group"]
    assert "Needs attention: 6 of 8 hosts" in roles["heading"]


def test_all_that_can_be_done_can_be_done_with_the_keyboard(shown):
    driver, width, _dark = shown
    driver.execute_script("document.getElementById('search').focus()")
    stops = []
    for _step in range(30):
        ActionChains(driver).send_keys(Keys.TAB).perform()
        stops.append(driver.execute_script("const at = document.activeElement; return at.id || at.textContent.trim()"))
    if width == PHONE:
        assert "order" in stops
        assert not set(SORTED_BY) & set(stops)
    else:
        heads = [stop.strip("▾") for stop in dict.fromkeys(stops)]
        assert [head for head in heads if head in SORTED_BY] == SORTED_BY
        assert "order" not in stops
    outline = driver.execute_script(
        "document.getElementById('search').focus(); return getComputedStyle(document.activeElement).outlineStyle"
    )
    assert outline == "solid"


def test_the_page_asks_nobody_for_anything(shown):
    driver, *_ = shown
    assert driver.execute_script("return performance.getEntriesByType('resource').map(each => each.name)") == []
    assert not driver.get_log("browser")


class Counting(http.server.SimpleHTTPRequestHandler):
    """A server that counts what it is asked for."""

    asked: typing.ClassVar[list[str]] = []

    def do_GET(self):
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *unused):
        pass


def test_markup_that_came_into_the_page_would_run_nothing_and_ask_nobody(driver, file, tmp_path):
    """The policy of the page is the second line of defence: here the first one is taken away."""
    handler = functools.partial(Counting, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_port}"
        injected = f"""<script>document.title = "owned"</script><script src="{base}/a.js"></script><img src="{base}/b.png"
            onerror="document.title = 'owned'"><link rel="stylesheet" href="{base}/c.css"><iframe src="{base}/d.html"></iframe>
            <p id="styled" style="color: red">x</p><svg onload="document.title = 'owned'"></svg></main>"""
        text = file.read_text(encoding="utf-8")
        assert text.count("</main>") == 1
        (tmp_path / "fleet.html").write_text(text.replace("</main>", injected), encoding="utf-8")
        driver.get(f"{base}/fleet.html")
        assert driver.execute_script("return document.getElementById('styled').style.color") == ""
        assert driver.title.startswith("POP-before-SMTP")
        assert not driver.execute_script("return document.querySelector('.tools').hidden")
        server.shutdown()
    assert Counting.asked == ["/fleet.html"]
    assert len(driver.get_log("browser")) >= 6
