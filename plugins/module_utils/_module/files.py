# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text files with their owner and mode: ensure, remove, diff."""

from __future__ import annotations

import os

from .._vsmtprelay.entries.makemap_text import printable_text
from .._vsmtprelay.files import text_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .._vsmtprelay.files.text_file import Attributes


def ensure_file(
    path: str,
    content: bytes,
    attributes: Attributes,
    check_mode: bool,
    diff: list[dict[str, str]],
    check: Callable[[str], None] | None = None,
) -> bool:
    """Ensure a text file with its owner and mode, and append to ``diff``; return whether it changed.

    Missing directories are created. ``check`` is as for text_file.replace().
    """
    before, attributes_before = text_file.read(path), text_file.attributes_of(path)
    if before == content and attributes_before == attributes:
        return False
    diff.append(text_diff(path, before, content, attributes_before, attributes))
    if not check_mode:
        text_file.create_directory(os.path.dirname(path))
        text_file.replace(path, content, attributes, check)
    return True


def ensure_no_file(path: str, check_mode: bool, diff: list[dict[str, str]]) -> bool:
    """Ensure that there is no file at ``path``, and append to ``diff``; return whether there was one."""
    before = text_file.read(path)
    if before is None and not os.path.islink(path):
        return False
    diff.append(text_diff(path, before, None, text_file.attributes_of(path)))
    if not check_mode:
        text_file.remove(path)
    return True


def text_diff(
    path: str,
    before: bytes | None,
    after: bytes | None,
    attributes_before: Attributes | None = None,
    attributes_after: Attributes | None = None,
) -> dict[str, str]:
    """Return the diff of a text file for Ansible; None stands for a missing file."""

    def header(content: bytes | None, attributes: Attributes | None) -> str:
        return "/dev/null" if content is None else path if attributes is None else f"{path} ({attributes})"

    return {
        "before_header": header(before, attributes_before),
        "after_header": header(after, attributes_after),
        "before": printable_text(before or b""),
        "after": printable_text(after or b""),
    }
