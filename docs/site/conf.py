# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of Sphinx for the documentation site; make docs-site builds it.

The pages are those of docs/, written so that they can be read in the repository as well: their links to files that are no pages
go to the repository, and the front page is README.md.
"""

import re
from pathlib import Path

import yaml

SITE = Path(__file__).resolve().parent
# make docs-site copies this file beside the pages, and says where the checkout is.
CHECKOUT = Path((SITE / "checkout").read_text(encoding="utf-8").strip())
GALAXY = yaml.safe_load((CHECKOUT / "galaxy.yml").read_text(encoding="utf-8"))

project = f"{GALAXY['namespace']}.{GALAXY['name']}"
author = ", ".join(GALAXY["authors"])
release = version = GALAXY["version"]
html_title = f"{project} {version}"
language = "en"

extensions = ["myst_parser", "sphinx_antsibull_ext"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
myst_heading_anchors = 3
nitpicky = True
# What antsibull-docs refers to in Ansible's own documentation needs no copy of that here.
nitpick_ignore_regex = []
highlight_language = "none"
html_theme = "furo"
html_show_copyright = False
html_show_sphinx = False

LINK = re.compile(r"(\]\()([^)#:]+)([^)]*\))")


def setup(app):
    """Have Sphinx read the pages as the site needs them."""
    app.connect("source-read", read_page)


def read_page(app, name, source):
    """Put README.md before the table of contents, and lead links on from where the pages are in the repository."""
    if name == "index":
        source[0] = with_links((CHECKOUT / "README.md").read_text(encoding="utf-8"), CHECKOUT) + source[0]
    elif not name.startswith("collections/"):
        source[0] = with_links(source[0], CHECKOUT / "docs")


def with_links(text, folder):
    """Return the text of a page of ``folder`` with the links that it needs on the site."""
    return LINK.sub(lambda link: link[1] + target(folder / link[2]) + link[3], text)


def target(path):
    """Return where a link to a file of the repository leads on the site."""
    path = path.resolve().relative_to(CHECKOUT)
    if path.parent.name == "docs" and (SITE / path.name).exists():
        return path.name
    return f"{GALAXY['repository']}/blob/main/{path}"
