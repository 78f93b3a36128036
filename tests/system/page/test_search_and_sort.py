# SPDX-License-Identifier: GPL-3.0-or-later
"""Any of five hundred hosts is found at once, and they are sorted by any column, at a desk and on a phone."""

from __future__ import annotations

import time

import pytest
from selenium.webdriver import Keys
from selenium.webdriver.support.select import Select

from support.browser import show

from .conftest import DESK, HOSTS, PHONE
from .table import COLUMNS, hosts_shown, values

ANSWER_SECONDS = 2


@pytest.fixture(scope="module")
def at_desk(driver, file_of_many):
    show(driver, file_of_many, DESK, False)
    return driver


@pytest.fixture(scope="module")
def on_phone(driver, file_of_many):
    """The tests with a phone come behind those at a desk: there is one window."""
    show(driver, file_of_many, PHONE, True)
    return driver


@pytest.fixture(autouse=True)
def unfiltered(driver):
    yield
    search(driver, "")
    driver.find_element("css selector", "input[value=all]").click()


def search(driver, text):
    """Type ``text`` into the field, and return the hosts that are left."""
    field = driver.find_element("id", "search")
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys(Keys.DELETE, text)
    return hosts_shown(driver)


def click(driver, column):
    for button in driver.find_elements("css selector", "#hosts ~ table thead button"):
        if button.text.startswith(column):
            button.click()
            return button.find_element("xpath", "..").get_attribute("aria-sort")
    raise AssertionError(f"no column {column}")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("mail7.heidelberg", lambda host: host["host"] == "mail7.heidelberg.example.org"),
        ("  MAIL7   HEIDEL ", lambda host: host["host"] == "mail7.heidelberg.example.org"),
        ("lists.example.org", lambda host: "lists.example.org" in str(host)),
        # This stands in its sentence only.
        ("journalctl", lambda host: host.get("recorder") == "down"),
        ("timed out", lambda host: host["fault"]),
        ("no such host", lambda host: False),
    ],
)
def test_a_host_is_found_by_all_that_is_known_of_it(at_desk, many, text, meant):
    names = [host["host"] for host in many["hosts"] if meant(host)]
    begin = time.monotonic()
    assert sorted(search(at_desk, text)) == sorted(names)
    assert time.monotonic() - begin < ANSWER_SECONDS
    assert at_desk.find_element("id", "found").text == f"{len(names)} of 500 hosts"
    listed = [each.text for each in at_desk.find_elements("css selector", ".findings > li > a") if each.is_displayed()]
    assert set(listed) <= set(names)
    assert len(search(at_desk, "")) == HOSTS
    assert at_desk.find_element("id", "found").text == ""


@pytest.mark.parametrize("column", COLUMNS)
def test_a_click_sorts_by_a_column_and_another_one_the_other_way(at_desk, column):
    for _click in range(2):
        direction = click(at_desk, column)
        best = max if direction == "descending" else min
        keys = [best(group) for group in values(at_desk, column) if group]
        if column == "Host":
            assert (
                keys[:3]
                == {
                    "ascending": [f"mail1.{city}.example.org" for city in ("amsterdam", "bremen", "chemnitz")],
                    "descending": [f"mail50.{city}.example.org" for city in ("jena", "innsbruck", "heidelberg")],
                }[direction]
            )
        else:
            assert keys == sorted(keys, reverse=direction == "descending")
        # What is not known comes last.
        groups = values(at_desk, column)
        assert all(groups[: len(keys)])
    heads = at_desk.find_elements("css selector", "#hosts ~ table th[aria-sort]")
    assert [head.text.strip("▴▾ ") for head in heads] == [column]


def test_sorting_works_with_the_keyboard(at_desk):
    (button,) = (each for each in at_desk.find_elements("css selector", "thead button") if each.text == "Entries")
    button.send_keys(Keys.ENTER)
    assert button.find_element("xpath", "..").get_attribute("aria-sort") == "descending"


def test_a_link_to_a_host_that_is_filtered_out_shows_it(at_desk):
    at_desk.execute_script("document.querySelector('.troubles details').open = true")
    link = at_desk.find_elements("css selector", ".findings > li > a")[20]
    at_desk.find_element("css selector", "input[value=attention]").click()
    link.click()
    target = at_desk.find_element("css selector", link.get_attribute("hash"))
    assert target.is_displayed()
    assert target.find_element("css selector", "th").text == link.text


def test_only_those_of_a_state_are_shown_on_request(on_phone):
    states = [each for (each,) in values(on_phone, "State")]
    for word, state in (("broken", 2), ("attention", 1), ("fine", 0)):
        on_phone.find_element("css selector", f"input[value={word}]").click()
        assert len(hosts_shown(on_phone)) == states.count(state)
    on_phone.find_element("css selector", "input[value=broken]").click()
    assert search(on_phone, "heidelberg") == ["mail7.heidelberg.example.org"]


def test_a_phone_has_a_list_of_columns_to_sort_by(on_phone):
    order = Select(on_phone.find_element("id", "order"))
    assert order.first_selected_option.text == "State"
    order.select_by_visible_text("Entries")
    keys = [max(group) for group in values(on_phone, "Entries") if group]
    assert keys == sorted(keys, reverse=True)
