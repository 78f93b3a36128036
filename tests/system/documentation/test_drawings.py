# SPDX-License-Identifier: GPL-3.0-or-later
"""The drawings show what there is."""

from __future__ import annotations

import re

import pytest
from documentation.drawings import DOCS, DRAWINGS, drawn, words

from support.places import CHECKOUT
from support.rooms import FLOORS, SHARED, room_of, sources


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_drawing_says_what_its_source_says(name):
    drawing = (DOCS / name).read_text(encoding="utf-8")
    assert words(drawing) == words(drawn(DRAWINGS[name]())), f"run make drawings, and commit docs/{name}"
    assert "prefers-color-scheme: dark" in drawing


@pytest.fixture(scope="module")
def page():
    return (DOCS / "architecture.md").read_text(encoding="utf-8")


def test_the_page_has_every_room_and_the_order_of_the_floors(page):
    rooms = {room_of(file) for file in sources()}
    assert [room for room in rooms if f"{room}/`" not in page and f"`{room}.py`" not in page] == []
    assert " < ".join(" = ".join(floor) for floor in FLOORS) in " ".join(page.split())


def test_the_page_names_only_files_that_there_are(page):
    named = re.findall(r"`([\w/.-]+\.(?:py|yml))`", page)
    assert len(named) > 40
    assert [file for file in named if not (CHECKOUT / file).exists() and not (CHECKOUT / SHARED / file).exists()] == []
