# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of the fleet's state in headless Chromium, as people see it at a desk or on a phone, in the light or in the dark.

A page of five hundred hosts takes seconds to load, so tests share one as far as they leave it as it was.
"""

from __future__ import annotations

import pytest

from ansible_collections.vsmtp.relay.plugins.plugin_utils.status_page import page
from support.browser import browser
from support.many_hosts import history_of, many_hosts

PHONE, DESK = 360, 1280
SIGHTS = [(PHONE, False), (PHONE, True), (DESK, False), (DESK, True)]
HOSTS = 500


@pytest.fixture(scope="session")
def driver():
    with browser() as driver:
        yield driver


@pytest.fixture(scope="session")
def many():
    """The state of five hundred made-up hosts."""
    return many_hosts(HOSTS)


@pytest.fixture(scope="session")
def file_of_many(many, tmp_path_factory):
    """Their page."""
    file = tmp_path_factory.mktemp("page") / "many.html"
    file.write_text(page(many, history_of(many)), encoding="utf-8")
    return file
