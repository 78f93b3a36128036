# SPDX-License-Identifier: GPL-3.0-or-later
"""The English of the code and of the documentation: words that the house style replaces by plainer ones."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.role import variables

CHECKOUT = Path(__file__).parents[3]
UNWANTED = re.compile(r"\b(tell|tells|told|telling|whom|of one.s own|none of ours|for good)\b", re.IGNORECASE)
# Public names that contain one of the words, each as it is written in YAML and in documentation.
NAMES = re.compile(
    r"\bvsmtp\.relay\.tell\b|\bplugins/(action|modules)/tell\.py\b"  # the plugin
    r"|\bpop_before_smtp__host\.told\b|\bmail_host\.told\b"  # a return value of mail_host_info
    r"|``[^`\n]+``|\btell\(\)"  # code in a docstring
)
NAME_LINES = {"module: tell", "told:"}
# Written to hosts and read again by the next version.
FIXED_TEXTS = {variables.HEADER}
CODE = ("plugins", "roles", "playbooks")
PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md")


def unwanted_in(text):
    """Return the lines of ``text`` with an unwanted word that is not part of a public name."""
    lines = [line for line in text.splitlines() if line.strip() not in NAME_LINES]
    return [line.strip() for line in lines if UNWANTED.search(NAMES.sub("", line))]


def prose_of(source):
    """Yield the comments of a Python file, and its strings of more than one word: docstrings and messages."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string
    constants = (node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant))
    yield from (text for text in constants if isinstance(text, str) and " " in text and text not in FIXED_TEXTS)


def is_python(path):
    return path.suffix == ".py" or path.read_bytes()[:40].startswith(b"#!/usr/bin/python3")


def code_files():
    for directory in CODE:
        for path in sorted((CHECKOUT / directory).rglob("*")):
            if path.is_file() and path.suffix not in (".pyc", ".md"):
                yield path


def pages():
    yield from (CHECKOUT / name for name in PAGES)
    yield from sorted(path for top in ("docs", "roles") for path in (CHECKOUT / top).rglob("*.md"))


@pytest.mark.parametrize("path", list(code_files()), ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_no_comment_message_or_task_name_has_an_unwanted_word(path):
    text = path.read_text(encoding="utf-8")
    assert [line for piece in (prose_of(text) if is_python(path) else [text]) for line in unwanted_in(piece)] == []


@pytest.mark.parametrize("path", list(pages()), ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_no_page_has_an_unwanted_word(path):
    assert unwanted_in(path.read_text(encoding="utf-8")) == []


def test_the_names_are_the_only_exception():
    assert unwanted_in("vsmtp.relay.tell:\nmodule: tell\n# ``told`` is the result of tell().") == []
    assert unwanted_in("vsmtp.relay.told\nTell it.\nmodule: tell it") == ["vsmtp.relay.told", "Tell it.", "module: tell it"]
