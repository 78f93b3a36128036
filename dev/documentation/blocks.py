# SPDX-License-Identifier: GPL-3.0-or-later
"""Find what the documentation shows: the blocks of code of the pages, and the EXAMPLES of the plugins.

They are looked for anew in every run, so that none can be forgotten.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from markdown_it import MarkdownIt

from support.places import CHECKOUT

FRONT_DOOR = "README.md"


@dataclass(frozen=True)
class Block:
    """A block of code: ``page`` is the file below the checkout, ``language`` what stands behind its fence.

    ``section`` is the heading of the second level above it.
    """

    page: str
    line: int
    language: str
    text: str
    section: str = ""

    def __str__(self) -> str:
        return f"{self.page}:{self.line} {self.language or 'without a language'}"


@dataclass(frozen=True)
class Plugin:
    """A module, filter or lookup with the three parts of its documentation, as YAML means them."""

    kind: str
    name: str
    documentation: dict[str, Any]
    examples: list[dict[str, Any]]
    returned: dict[str, Any]

    def __str__(self) -> str:
        return self.name


def pages() -> list[Path]:
    """Return the pages, the front door first."""
    front_door = CHECKOUT / FRONT_DOOR
    others = {*CHECKOUT.glob("*.md"), *(CHECKOUT / "docs").rglob("*.md")} - {
        front_door,
        *(CHECKOUT / "docs" / "site").glob("*"),
    }
    return [front_door, *sorted(others)]


def blocks_of(page: Path) -> list[Block]:
    """Return the blocks of a page, those that are only indented as well."""
    tokens = MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8"))
    name = str(page.relative_to(CHECKOUT))
    found, section = [], ""
    for number, token in enumerate(tokens):
        if token.type == "heading_open" and token.tag == "h2":
            section = tokens[number + 1].content
        elif token.type in {"fence", "code_block"} and token.map:
            found.append(Block(name, token.map[0] + 1, token.info.strip(), token.content, section))
    return found


def examples_of_roles() -> list[Block]:
    """Return the examples that the argument specifications of the roles have."""
    found = []
    for file in sorted((CHECKOUT / "roles").glob("*/meta/argument_specs.yml")):
        for name, entry in yaml.safe_load(file.read_text(encoding="utf-8"))["argument_specs"].items():
            found.append(Block(f"{file.relative_to(CHECKOUT)} ({name})", 0, "yaml", entry.get("examples", "")))
    return found


def all_blocks() -> list[Block]:
    """Return all that is run one by one: the blocks of the pages, and the examples of the roles."""
    return [*(block for page in pages() for block in blocks_of(page)), *examples_of_roles()]


def plugins() -> list[Plugin]:
    """Return all modules, filters and lookups of the collection."""
    files = sorted(file for kind in ("modules", "filter", "lookup") for file in (CHECKOUT / "plugins" / kind).glob("[!_]*.py"))
    return [_plugin(file) for file in files]


def _plugin(file: Path) -> Plugin:
    parts: dict[str, Any] = {}
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and isinstance(node.value, ast.Constant):
            parts[node.targets[0].id] = node.value.value
    documentation, examples, returned = (yaml.safe_load(parts[part]) for part in ("DOCUMENTATION", "EXAMPLES", "RETURN"))
    return Plugin(file.parent.name, file.stem, documentation, examples, returned or {})
