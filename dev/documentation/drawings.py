# SPDX-License-Identifier: GPL-3.0-or-later
"""The drawings of the documentation, made by graphviz: ``python -m documentation.drawings`` writes them.

That of how a login opens the relay is made from a text beside it, that of the rooms of the code from the imports. A room is a
folder.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable

from support.places import CHECKOUT
from support.rooms import FLOORS, SHARED, imports

DOCS = CHECKOUT / "docs"
# Nearly every room uses these: arrows to them would hide the others.
USED_BY_ALL = ("errors", "programs", "entries", "files")
# Readable by day and by night, wherever the drawing stands; what graphviz writes are only defaults for this.
STYLE = """<style>
svg { background: #ffffff; border-radius: 8px }
.graph > polygon { fill: none }
@media (prefers-color-scheme: dark) {
  svg { background: #24292f }
  .node polygon, .node path, .node ellipse, .edge path, .cluster path { stroke: #d8dee4 }
  .edge polygon { stroke: #d8dee4; fill: #d8dee4 }
  text { fill: #f0f3f6 }
}
</style>
"""
ROOMS_HEAD = """digraph "Rooms of the code" {
  graph [rankdir=TB, nodesep=0.35, ranksep=0.6, pad=0.25, style="rounded,dashed", fontname="Helvetica,Arial,sans-serif"]
  node [shape=box, style=rounded, margin="0.22,0.13", fontname="Helvetica,Arial,sans-serif", fontsize=15]
  edge [arrowhead=vee]
"""
# What is no Python: the role calls the modules, and copies the others to the hosts.
CALLS = [
    ("playbooks", "roles"),
    ("playbooks", "modules"),
    ("playbooks", "action"),
    ("playbooks", "lookup"),
    ("roles", "modules"),
]
COPIES = [("roles", "command"), ("roles", "recorder")]


def how_it_works() -> str:
    """Return the source of the drawing on the front pages, in graphviz's language."""
    return (DOCS / "how_it_works.dot").read_text(encoding="utf-8")


def architecture() -> str:
    """Return the source of the drawing of the rooms."""
    edges = sorted(pair for pair in imports() if pair[1] not in USED_BY_ALL)
    shared = "; ".join(room for floor in FLOORS for room in floor)
    lines = [
        f'  subgraph cluster_shared {{ label="{SHARED}"; {shared} }}',
        *(_arrow(*pair) for pair in edges),
        *(_arrow(*pair, "[style=bold]") for pair in CALLS),
        *(_arrow(*pair, "[style=dashed]") for pair in COPIES),
        *(_arrow("database", room, "[style=invis]") for room in USED_BY_ALL),
    ]
    return ROOMS_HEAD + "\n".join(lines) + "\n}\n"


def _arrow(tail: str, head: str, style: str = "") -> str:
    return f'  "{tail}" -> "{head}" {style}'


DRAWINGS: dict[str, Callable[[], str]] = {"how_it_works.svg": how_it_works, "architecture.svg": architecture}


def drawn(source: str) -> str:
    """Return the SVG that graphviz draws, with colours for the day and the night."""
    svg = subprocess.run(["dot", "-Tsvg"], input=source, capture_output=True, text=True, check=True).stdout
    head, tag, rest = svg.partition('xmlns:xlink="http://www.w3.org/1999/xlink">\n')
    # The version of graphviz stands in the comments before.
    return head[head.index("<svg") :] + tag + STYLE + rest


def words(svg: str) -> list[str]:
    """Return what a drawing says, wherever graphviz put it."""
    return sorted(re.findall(r"<(?:title|text)\b[^>]*>([^<]*)<", svg))


if __name__ == "__main__":
    for name, source in DRAWINGS.items():
        (DOCS / name).write_text(drawn(source()), encoding="utf-8")
