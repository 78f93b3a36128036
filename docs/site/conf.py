# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of Sphinx for the documentation site, which make docs-site builds.

The pages are those of docs/, written so that they can be read in the repository as well. Here their links to what is no page
lead to the repository, and the front page is README.md.
"""

import re
from pathlib import Path

import yaml
from docutils.nodes import reference
from pygments.lexers.special import TextLexer

SITE = Path(__file__).resolve().parent
# The pages are built where they lie beside this file; make docs-site says there where the checkout is.
CHECKOUT = Path((SITE / "checkout").read_text(encoding="utf-8").strip())
GALAXY = yaml.safe_load((CHECKOUT / "galaxy.yml").read_text(encoding="utf-8"))

project = f"{GALAXY['namespace']}.{GALAXY['name']}"
author = ", ".join(GALAXY["authors"])
release = version = GALAXY["version"]
language = "en"

extensions = ["myst_parser", "sphinx_antsibull_ext"]
myst_heading_anchors = 3
nitpicky = True
html_theme = "furo"
html_title = f"{project} {version}"
html_show_sourcelink = False
html_show_copyright = False
html_show_sphinx = False
html_static_path = ["site.css"]
html_css_files = ["site.css"]

LINK = re.compile(r"(\]\()([^)#:\s]+)(#[^)]*)?\)")
CONTENTS = re.compile(r"^\.\. contents::\n(?: +:.*\n)*", re.MULTILINE)
MANUAL_PAGE = re.compile(r"roles/pop_before_smtp/files/(vsmtprelay[a-z-]*\.8)")
# What the generated pages refer to in Ansible's documentation.
ANSIBLE = "https://docs.ansible.com/ansible/latest"
ANSIBLE_PAGES = {
    "action_plugins": f"{ANSIBLE}/plugins/action.html",
    "ansible_configuration_settings": f"{ANSIBLE}/reference_appendices/config.html",
    "common_return_values": f"{ANSIBLE}/reference_appendices/common_return_values.html",
}


def setup(app):
    """Have Sphinx read the pages as the site needs them."""
    app.connect("source-read", read_page)
    app.connect("missing-reference", refer_to_ansible)
    # Pygments knows no m4.
    app.add_lexer("m4", TextLexer)


def read_page(app, name, source):
    """Put README.md before the table of contents, and lead links on from where the pages are in the repository."""
    if name == "index":
        source[0] = with_links((CHECKOUT / "README.md").read_text(encoding="utf-8"), CHECKOUT) + source[0]
    elif name.startswith("collections/"):
        # The theme shows them beside the page.
        source[0] = CONTENTS.sub("", source[0])
    else:
        source[0] = with_links(source[0], (CHECKOUT / "docs" / name).parent)


def with_links(text, folder):
    """Return the text of a page of ``folder`` with the links that it needs on the site."""
    return LINK.sub(lambda link: f"{link[1]}{target(folder / link[2])}{link[3] or ''})", text)


def target(path):
    """Return where a link to a file of the repository leads on the site. Raises FileNotFoundError."""
    path = path.resolve(strict=True).relative_to(CHECKOUT)
    if str(path) == "README.md":
        return "/index.md"
    if path.parts[0] == "docs" and SITE.joinpath(*path.parts[1:]).exists():
        return f"/{path.relative_to('docs')}"
    if page := MANUAL_PAGE.fullmatch(str(path)):
        return f"/{page[1]}.md"
    return f"{GALAXY['repository']}/blob/main/{path}"


def refer_to_ansible(app, environment, node, content):
    """Return a link to Ansible's documentation if the reference is described there."""
    if node["reftarget"] in ANSIBLE_PAGES:
        return reference("", "", content, internal=False, refuri=ANSIBLE_PAGES[node["reftarget"]])
    return None
