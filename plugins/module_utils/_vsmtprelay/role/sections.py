# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A file of sections, each with a name, that several runs write: a run replaces those that it knows and leaves the others.

A section begins with a line ``# NAME`` and ends where the next one begins. A file of certificates in PEM format may have
such lines.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

MARK = "# "


def merged(before: str, wanted: Mapping[str, str | None], exact: bool = False) -> str:
    """Return ``before`` with the sections ``wanted``, by name; an empty text removes a section, None leaves it as it is.

    New ones follow at the end. What stands before the first section is dropped, and with ``exact`` all other sections.
    """
    sections = {name: text for name, text in _sections_of(before).items() if name in wanted or not exact}
    for name, text in wanted.items():
        if text is None:
            continue
        if text.strip():
            sections[name] = text.strip() + "\n"
        else:
            sections.pop(name, None)
    return "".join(f"{MARK}{name}\n{text}" for name, text in sections.items())


def _sections_of(text: str) -> dict[str, str]:
    sections: dict[str, str] = {}
    name = None
    for line in text.splitlines():
        if line.startswith(MARK):
            name = line[len(MARK) :]
            sections[name] = ""
        elif name is not None:
            sections[name] += f"{line}\n"
    return sections
