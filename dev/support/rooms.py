# SPDX-License-Identifier: GPL-3.0-or-later
"""The rooms of the code: a room is a folder of plugins/. Which room imports which, and in what order they stand."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from .places import CHECKOUT

COLLECTION = "ansible_collections.vsmtp.relay."
SHARED = "plugins/module_utils/_vsmtprelay"
# The rooms of the shared code, from the ground up. A room imports only rooms of lower floors.
FLOORS = (
    ("errors",),
    ("programs", "options"),
    ("entries", "files", "backends"),
    ("database", "servers", "sendmail"),
    ("role", "sharing"),
    ("recorder",),
    ("status",),
    ("command",),
)


def room_of(file: str) -> str:
    """Return the room of a Python file of plugins/: its folder, and of the ground of the shared code the file itself."""
    path = Path(file)
    return path.stem if str(path.parent) == SHARED else path.parent.name


def sources() -> list[str]:
    """Return the Python files of plugins/ that do something, below the checkout."""
    files = (file.relative_to(CHECKOUT) for file in (CHECKOUT / "plugins").rglob("*.py"))
    return sorted(str(file) for file in files if file.name != "__init__.py" and file.parent.name != "doc_fragments")


def imports() -> set[tuple[str, str]]:
    """Return which room imports which other one, for its types too."""
    pairs = {(room_of(file), room_of(imported)) for file in sources() for imported in imported_by(file)}
    return {(importer, imported) for importer, imported in pairs if importer != imported}


@cache
def imported_by(file: str, with_types: bool = True) -> tuple[str, ...]:
    """Return the files of plugins/ that ``file`` imports; unless ``with_types``, those that it imports when it runs."""
    return tuple(_imported_by(file, with_types))


def _imported_by(file: str, with_types: bool) -> Iterator[str]:
    tree = ast.parse((CHECKOUT / file).read_text(encoding="utf-8"))
    skipped = set() if with_types else {id(node) for block in _type_blocks(tree) for node in ast.walk(block)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or id(node) in skipped:
            continue
        module = node.module or ""
        if node.level:
            base = Path(file).parents[node.level - 1] / module.replace(".", "/")
        elif module.startswith(COLLECTION):
            base = Path(module.removeprefix(COLLECTION).replace(".", "/"))
        else:
            continue
        for candidate in (base, *(base / name.name for name in node.names)):
            if (CHECKOUT / f"{candidate}.py").exists():
                yield f"{candidate}.py"


def shipped_with(file: str) -> set[str]:
    """Return ``file`` and all files of plugins/ that it needs when it runs, as Ansible sends them with a module."""
    found: set[str] = set()
    waiting = [file]
    while waiting:
        each = waiting.pop()
        if each not in found:
            found.add(each)
            waiting += imported_by(each, with_types=False)
    return found


def _type_blocks(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            yield node
