# SPDX-License-Identifier: GPL-3.0-or-later
"""The drawings show what there is."""

from __future__ import annotations

import pytest
from documentation.drawings import DOCS, DRAWINGS, SHARED, drawn, imports, room_of, rooms, sources, words


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_drawing_says_what_its_source_says(name):
    drawing = (DOCS / name).read_text(encoding="utf-8")
    assert words(drawing) == words(drawn(DRAWINGS[name]())), f"run make drawings, and commit docs/{name}"
    assert "prefers-color-scheme: dark" in drawing


@pytest.mark.parametrize("file", sources())
def test_every_file_has_its_room(file):
    room_of(file)


def test_the_table_names_no_file_that_is_not_there():
    names = {file.rpartition("/")[2].removesuffix(".py") for file in sources()}
    missing = [file for files in rooms().values() for file in files if "/" not in file and file not in names]
    assert missing == []


def test_what_all_share_imports_nothing_of_ansible_s():
    shared = {room_of(file) for file in sources() if file.startswith(SHARED)}
    assert not {pair for pair in imports() if pair[0] in shared and pair[1] not in shared}
