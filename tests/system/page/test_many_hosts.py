# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of five hundred made-up hosts is there soon, whole, and begins with what needs attention."""

from __future__ import annotations

import time

import pytest

from support.browser import show

from .conftest import DESK, HOSTS, PHONE, SIGHTS
from .table import hosts_shown, values

# For a megabyte and a half, on a machine with other work.
LOAD_SECONDS = 10


@pytest.fixture(scope="module", params=SIGHTS, ids=str)
def shown(request, driver, file_of_many):
    """The page as somebody sees it, and how wide."""
    width, dark = request.param
    show(driver, file_of_many, width, dark)
    return driver, width


def test_nothing_runs_out_of_the_window_and_no_name_is_cut(shown):
    driver, width = shown
    assert driver.execute_script("return document.documentElement.scrollWidth") <= width
    cut = """
    return [...document.querySelectorAll('tbody th, td, li, .tile')]
      .filter(each => each.scrollWidth > each.clientWidth + 1 && each.clientWidth).map(each => each.outerHTML)
    """
    assert driver.execute_script(cut) == []


def test_what_needs_attention_comes_first(shown):
    driver, _width = shown
    states = [each for (each,) in values(driver, "State")]
    assert states == sorted(states, reverse=True)
    assert {0, 1, 2} == set(states)
    first = driver.execute_script(
        "return [...document.querySelectorAll('.findings li.broken > a')].map(each => each.textContent)"
    )
    assert first == [name for (name,) in values(driver, "Host")][: states.count(2)]
    headings = [each.text for each in driver.find_elements("css selector", "h2")]
    assert headings[:2] == [f"Needs attention: {HOSTS - states.count(0)} of 500 hosts", "Hosts and their virtual servers"]


def test_it_asks_nobody_for_anything(shown):
    driver, _width = shown
    assert driver.execute_script("return performance.getEntriesByType('resource').map(each => each.name)") == []
    assert not driver.get_log("browser")


def test_it_is_there_soon_and_has_all_hosts_in_full(driver, file_of_many, many):
    begin = time.monotonic()
    show(driver, file_of_many, DESK, False)
    names = hosts_shown(driver)
    seconds = time.monotonic() - begin
    print(f"{len(file_of_many.read_bytes()):,} bytes with {HOSTS} hosts were shown after {seconds:.2f} s")
    assert sorted(names) == sorted(host["host"] for host in many["hosts"])
    assert seconds < LOAD_SECONDS


def test_without_scripts_it_is_complete_and_has_nothing_that_does_not_work(driver, file_of_many):
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        show(driver, file_of_many, PHONE, False)
        assert len(hosts_shown(driver)) == HOSTS
        states = [each for (each,) in values(driver, "State")]
        assert states == sorted(states, reverse=True)
        assert not driver.find_element("css selector", ".tools").is_displayed()
        assert not driver.find_elements("css selector", "table button")
        assert driver.execute_script("return document.documentElement.scrollWidth") <= PHONE
    finally:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
