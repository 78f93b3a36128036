# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""File changes that can be undone together."""

from __future__ import annotations

import os

from .._vsmtprelay.files import text_file
from .files import ensure_file, ensure_no_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .._vsmtprelay.files.text_file import Attributes


class UndoableFiles:
    """The files of one call of a module: their differences for Ansible, and their previous state."""

    def __init__(self, check_mode: bool) -> None:
        self.check_mode = check_mode
        self.diff: list[dict[str, str]] = []
        # By path: the previous content, None if there was no file, and the attributes. Noted at the first change of a file.
        self._before: dict[str, tuple[bytes | None, Attributes | None]] = {}

    def ensure(
        self,
        path: str,
        content: bytes,
        attributes: Attributes,
        check: Callable[[str], None] | None = None,
        shown: bool = True,
    ) -> bool:
        """Ensure a file as ensure_file() does; without ``shown`` the difference is left out. Return whether it changed."""
        self._note(path)
        return ensure_file(path, content, attributes, self.check_mode, self.diff if shown else [], check)

    def ensure_none(self, path: str, shown: bool = True) -> bool:
        """Ensure that the file does not exist, as ensure_no_file() does. Return whether it existed."""
        self._note(path)
        return ensure_no_file(path, self.check_mode, self.diff if shown else [])

    def put_back(self) -> None:
        """Restore the previous content and attributes of all files. Raises RelayError."""
        for path, (content, attributes) in self._before.items():
            if content is None or attributes is None:
                text_file.remove(path)
            elif (text_file.read(path), text_file.attributes_of(path)) != (content, attributes):
                text_file.create_directory(os.path.dirname(path))
                text_file.replace(path, content, attributes)

    def _note(self, path: str) -> None:
        if path not in self._before:
            self._before[path] = text_file.read(path), text_file.attributes_of(path)
