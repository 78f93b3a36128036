# SPDX-License-Identifier: GPL-3.0-or-later
"""The drawings show what there is."""

from __future__ import annotations

import re

import pytest
from documentation.blocks import CHECKOUT
from documentation.drawings import DOCS, DRAWINGS, FLOORS, SHARED, drawn, imports, room_of, sources, words


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_drawing_says_what_its_source_says(name):
    drawing = (DOCS / name).read_text(encoding="utf-8")
    assert words(drawing) == words(drawn(DRAWINGS[name]())), f"run make drawings, and commit docs/{name}"
    assert "prefers-color-scheme: dark" in drawing


def test_every_room_of_the_shared_code_is_on_one_floor():
    rooms = [room for floor in FLOORS for room in floor]
    assert sorted(rooms) == sorted({room_of(file) for file in sources() if file.startswith(SHARED)})


def test_the_shared_code_imports_only_what_is_on_lower_floors_and_nothing_of_ansible_s():
    floor_of = {room: number for number, floor in enumerate(FLOORS) for room in floor}
    # The one exception: to run a program can fail.
    pairs = imports() - {("programs", "errors")}
    wrong = [
        (room, imported)
        for room, imported in pairs
        if room in floor_of and floor_of.get(imported, len(FLOORS)) >= floor_of[room]
    ]
    assert wrong == []


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
