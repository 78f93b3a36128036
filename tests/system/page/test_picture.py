# SPDX-License-Identifier: GPL-3.0-or-later
"""The pictures in docs/operations.md show the page as it is. ``WRITE_PICTURES=1`` draws them anew."""

from __future__ import annotations

import os

import pytest
from PIL import Image

from support.picture import SOURCE, fingerprint, take, write
from support.places import CHECKOUT

from .conftest import DESK, PHONE

# The width, the height and the darkness of each.
PICTURES = {"report.png": (DESK, 1360, False), "report_phone.png": (PHONE, 900, True)}


@pytest.mark.parametrize("name", PICTURES)
def test_the_picture_in_the_documentation_is_one_of_this_page(driver, file_of_many, name):
    width, height, dark = PICTURES[name]
    picture = take(driver, file_of_many, width, height, dark)
    assert picture.size == (1.5 * width, 1.5 * height)
    file = CHECKOUT / "docs" / name
    if os.environ.get("WRITE_PICTURES"):
        write(picture, file, file_of_many)
    with Image.open(file) as shown:
        assert shown.size == picture.size
        assert shown.text == {SOURCE: fingerprint(file_of_many)}, "draw it anew: make page WRITE_PICTURES=1"
    assert f"]({name})" in (CHECKOUT / "docs" / "operations.md").read_text(encoding="utf-8")
