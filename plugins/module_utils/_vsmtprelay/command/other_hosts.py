# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a command has other hosts do, where logins are shared with them.

A revocation is on the disk before the entry is removed here, so that no other host brings it back. A login is first added here,
as any login is.
"""

from __future__ import annotations

import sys

from ..errors import RelayError
from ..servers.virtual_servers import VirtualServers
from ..sharing import changes
from .output import complain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .commands import Command

FIRST = (changes.REVOKE, changes.HERE)


class OtherHosts:
    """The other hosts that share the virtual servers with the databases of one call."""

    def __init__(self, command: Command, paths: Sequence[str], table: str) -> None:
        """``paths`` are the databases that ``command`` works on, ``table`` is the path of the table of virtual servers."""
        self._command = command
        self._paths = paths
        self._table = table
        # By number of the path; a database of no virtual server has none.
        self._names: dict[int, str] = {}
        self._done: list[int] = []

    def before(self) -> int:
        """Write what has to be on the disk before the first database is changed; return the exit status.

        What fails here does not keep the addresses from being removed from this host.
        """
        try:
            servers = VirtualServers.from_table(self._table)
            found = [servers.of_database(path) for path in self._paths]
            self._names = {number: server.name for number, server in enumerate(found) if server is not None}
            if self._names and not changes.may_write():
                sys.stderr.write(f"vsmtprelay: {changes.NOT_ROOT}\n")
                self._names = {}
            if self._command.shared in FIRST:
                self._look()
                self._write(self._names)
        except RelayError as error:
            return complain(error)
        return 0

    def _look(self) -> None:
        """Have the command look at the databases as they are now."""
        if self._command.look is not None:
            for number in self._names:
                self._command.look(self._paths[number])

    def done(self, number: int) -> None:
        """Note that the command has worked on the path with this number."""
        if number in self._names:
            self._done.append(number)

    def after(self) -> int:
        """Write what other hosts get to know only once it is done here; return the exit status."""
        if self._command.shared not in FIRST:
            try:
                self._write(self._done)
            except RelayError as error:
                return complain(error)
        return 0

    def _write(self, numbers: Iterable[int]) -> None:
        """Write the command's events for the databases with ``numbers``. Raises UnwritableError."""
        command = self._command
        events = [
            (self._names[number], key, command.shared, command.milliseconds) for number in numbers for key in command.keys
        ]
        if events:
            changes.write(events)
