# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a fleet as a page; how it looks is tried in a browser, in tests/page."""

from __future__ import annotations

import sys

import pytest

from ansible_collections.vsmtp.relay.dev.support.fleet_state import fleet, host, troubled
from ansible_collections.vsmtp.relay.plugins.plugin_utils.status_page import page
from ansible_collections.vsmtp.relay.plugins.plugin_utils.status_plots import MissingLibraryError


def test_what_people_named_is_text_and_never_markup():
    text = page(troubled())
    assert "<script" not in text
    assert text.count("&lt;script&gt;") >= 3


def test_the_same_state_is_the_same_page():
    assert page(troubled()) == page(troubled())


def test_the_page_loads_nothing_from_anywhere():
    text = page(troubled())
    for word in ("src=", "<link", "@import", "url(http", "<script"):
        assert word not in text


def test_a_fleet_without_hosts_has_a_page():
    text = page(fleet())
    assert "Nothing needs attention" in text
    assert "<svg" not in text


def test_three_hundred_hosts_have_as_many_rows_and_plots_of_the_busiest():
    text = page(fleet(*(host(f"mail{number:03}") for number in range(300))))
    assert text.count('<th scope="row">') == 300
    assert text.count("280 others") == 2


def test_the_plots_have_the_names_of_hosts_in_full():
    text = page(troubled())
    assert text.count(">many-servers-have-a-long-name.example.org</text>") == 2


def test_formulas_are_not_drawn():
    assert "a$b$c" in page(fleet(host("a$b$c")))


def test_without_matplotlib_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingLibraryError, match="install python3-matplotlib"):
        page(fleet(host("a")))
