# SPDX-License-Identifier: GPL-3.0-or-later
"""What the code can say: all its texts, with an ellipsis for what is filled in."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from .blocks import CHECKOUT

ELLIPSIS = "…"
# In an expression of Jinja, what stands between two texts.
FILLED_IN = re.compile(r"'\s*~.*?~\s*'", re.DOTALL)
TEMPLATE = re.compile(r"\{\{.*?\}\}", re.DOTALL)
# A shorter text does not identify a message.
FEWEST_LETTERS = 6


def texts() -> list[str]:
    """Return the texts of plugins, role and playbooks. White space is one space."""
    found: list[str] = []
    for file in sorted((CHECKOUT / "plugins").rglob("*.py")):
        found += _texts_of_python(file)
    for directory in ("roles", "playbooks"):
        for file in sorted((CHECKOUT / directory).rglob("*.yml")):
            found += _texts_of_yaml(yaml.safe_load(file.read_text(encoding="utf-8")))
    return [text for text in (re.sub(r"\s+", " ", text).strip() for text in found) if _letters(text) >= FEWEST_LETTERS]


def is_said(message: str, said: Sequence[str]) -> bool:
    """Return whether a message with ellipses is a part of one of the texts, or one text that has another filled in."""
    message = re.sub(r"\s+", " ", message).strip()
    pattern = re.compile('[^"]*'.join(re.escape(piece) for piece in message.split(ELLIPSIS)))
    if any(pattern.search(text) for text in said):
        return True
    for text in said:
        if ELLIPSIS in text:
            match = re.fullmatch("(.*?)".join(re.escape(piece) for piece in text.split(ELLIPSIS)), message)
            if match and all(not _letters(filled) or is_said(filled, said) for filled in match.groups()):
                return True
    return False


def _letters(text: str) -> int:
    return sum(character.isalpha() for character in text)


def _texts_of_yaml(content: Any) -> Iterator[str]:
    if isinstance(content, dict):
        content = list(content.values())
    if isinstance(content, list):
        for part in content:
            yield from _texts_of_yaml(part)
    elif isinstance(content, str):
        yield TEMPLATE.sub(ELLIPSIS, content)
        yield from FILLED_IN.sub(ELLIPSIS, content).split("'")


def _texts_of_python(file: Path) -> Iterator[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    documentation = {id(node.body[0].value) for node in ast.walk(tree) if _has_docstring(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else ELLIPSIS for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.value


def _has_docstring(node: ast.AST) -> bool:
    return (
        isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        and ast.get_docstring(node, clean=False) is not None
    )
