# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The output of ``vsmtprelay COMMAND --json``: one JSON document, written while the databases are worked on.

docs/operations.md documents it; SCHEMA is its version. An entry, and a key that was removed, has a line of its own. The
members of a database have the names that the modules return.
"""

from __future__ import annotations

import json
import sys

from .. import __version__
from ..entries.relayers import json_entries

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from ..errors import RelayError

# It grows if a member is removed, or gets another meaning; not if one is added.
SCHEMA = 1
# By command: what a database has that failed.
FAILED: Mapping[str, Mapping[str, Any]] = {
    "list": {"exists": None, "relayers": []},
    "dump": {"exists": None, "relayers": []},
    "expire": {"expired": []},
    "verify": {"sound": None, "entries": None},
    "repair": {"repaired": None},
    "import": {"created": False, "added": [], "updated": [], "removed": []},
}
# The commands that change databases.
CHANGING = frozenset(("expire", "repair", "import"))


def head_of(command: str, now: int) -> dict[str, Any]:
    """Return the first members of every document; ``now`` is epoch seconds."""
    return {"schema": SCHEMA, "version": __version__, "command": command, "made": now}


class Document:
    """The document of one call of a command that works on databases."""

    def __init__(self, command: str, now: int, **members: Any) -> None:
        """``now`` is the time of the call in epoch seconds, ``members`` are those besides the first ones."""
        self.now = now
        # The name of the virtual server of each database; empty if a path was given.
        self.servers: Mapping[str, str] = {}
        self._command = command
        self._members = {**head_of(command, now), **members}
        self._has_items = False
        self._is_open = False
        self._error: OSError | None = None

    def begin(self, servers: Mapping[str, str]) -> None:
        """Write what stands before the first database; ``servers`` is the name of the virtual server of each path."""
        self.servers = servers
        self._write(f'{json.dumps(self._members)[:-1]}, "databases": ['.encode())

    def end(self) -> None:
        """Write what stands behind the last database. Raises OSError if something could not be written."""
        self._write(b"\n]}\n" if self._has_items else b"]}\n")
        if self._error is not None:
            raise self._error

    def add(self, path: str, **members: Any) -> None:
        """Write a database."""
        self._separate()
        self._write(json.dumps({**self._item(path), **members, "fault": ""}).encode())

    def add_failed(self, path: str, error: RelayError) -> None:
        """Write a database that failed, or the end of one that failed while it was written."""
        if self._is_open:
            self._close(str(error))
            return
        members: dict[str, Any] = {**FAILED[self._command]}
        # As the module relayers_info with verify: a database is not sound if it cannot be read.
        if "sound" in members and error.exit_status == 66:
            members["sound"] = False
        self._separate()
        self._write(json.dumps({**self._item(path), **members, "fault": str(error)}).encode())

    def add_with(self, path: str, name: str, pages: Iterable[Sequence[bytes]], **members: Any) -> None:
        """Write a database with the list ``name``, whose items, in JSON, come page by page."""
        self._separate()
        self._write(f'{json.dumps({**self._item(path), **members})[:-1]}, "{name}": ['.encode())
        self._is_open = True
        before = b"\n"
        for page in pages:
            if page:
                self._write(before + b",\n".join(page))
                before = b",\n"
        self._close("")

    def add_entries(self, path: str, pages: Iterable[tuple[Sequence[bytes], Sequence[bytes]]], limit: int | None) -> None:
        """Write a database with its entries, or with those stamped at ``limit`` (epoch seconds) or before."""
        self.add_with(path, "relayers", json_entries(pages, self.now, limit), exists=True)

    def _item(self, path: str) -> dict[str, Any]:
        name = self.servers.get(path)
        return {"path": path, "virtual_server": name} if name else {"path": path}

    def _separate(self) -> None:
        self._write(b",\n" if self._has_items else b"\n")
        self._has_items = True

    def _close(self, fault: str) -> None:
        self._is_open = False
        self._write(f'\n], "fault": {json.dumps(fault)}}}'.encode())

    def _write(self, text: bytes) -> None:
        """Write ``text``. What a command still has to change does not wait for a reader that is gone: end() raises then."""
        if self._error is not None:
            return
        try:
            sys.stdout.buffer.write(text)
        except OSError as error:
            if self._command not in CHANGING:
                raise
            self._error = error
