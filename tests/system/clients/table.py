# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of all programs in docs/clients.md."""

from __future__ import annotations

from support.made_table import MadeTable, rendered

from .pairs import PAIRS

PAGE = MadeTable("clients.md", "tests/system/clients")


def render(stories, versions):
    """Return the table. ``stories`` is (release, pair) → Story, ``versions`` release → what the host says of itself."""
    rows = []
    for pair in PAIRS:
        of_pair = [stories[release, pair] for release in versions]
        programs = [_program(program, of_pair[0].computer) for program in (pair.reader, pair.sender)]
        rows.append([*programs, *(", ".join(story.steps()) for story in of_pair)])
    return rendered(["reads with", "sends with", *versions.values()], rows)


def _program(program, computer):
    version = f" {computer.version(program.package)}" if program.package else ""
    return f"{program.program}{version}: {program.protocol}"
