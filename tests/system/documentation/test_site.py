# SPDX-License-Identifier: GPL-3.0-or-later
"""The site builds without a warning, and has a page for everything."""

from __future__ import annotations

import pytest
from documentation.blocks import CHECKOUT, plugins
from documentation.site import MANUAL_PAGES, build

KINDS = {"modules": "module", "filter": "filter", "lookup": "lookup"}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    directory = tmp_path_factory.mktemp("documentation") / "site"
    build(directory)
    return directory


def test_every_page_is_there(site):
    docs = CHECKOUT / "docs"
    pages = [
        str(page.relative_to(docs).with_suffix(".html")) for part in ("*.md", "benchmarks/*.md") for page in docs.glob(part)
    ]
    pages += [f"collections/{plugin.name}_{KINDS[plugin.kind]}.html" for plugin in plugins()]
    pages += [
        "index.html",
        "collections/pop_before_smtp_role.html",
        *(f"{page.name}.html" for page in MANUAL_PAGES.glob("*.8")),
    ]
    assert [page for page in pages if not (site / page).is_file()] == []


def test_the_drawings_and_the_front_page_are_there(site):
    front_page = (site / "index.html").read_text(encoding="utf-8")
    assert "POP-before-SMTP for sendmail, over a whole fleet" in front_page
    assert "how_it_works.html" in front_page
    assert 'src="_images/how_it_works.svg"' in (site / "how_it_works.html").read_text(encoding="utf-8")


def test_it_needs_nothing_from_elsewhere(site):
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        loaded = [part for part in text.split("<") if part.startswith(("script", 'link rel="stylesheet', "img"))]
        assert not [part for part in loaded if "://" in part.partition(">")[0]], page


def test_a_generated_page_has_no_complaint_of_the_theme(site):
    assert "ERROR" not in (site / "collections" / "relayers_module.html").read_text(encoding="utf-8")
