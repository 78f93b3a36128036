# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The logins and renewals of this host that are on the disk, on their way to the sharer."""

from __future__ import annotations

from ..sharing.changes import LOGIN, RENEW

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..servers.virtual_servers import VirtualServers


class SharedLogins:
    """Hands over each of them under the name of its virtual server."""

    def __init__(self, servers: VirtualServers, add: Callable[[str, str, str, int], None]) -> None:
        """``add`` is called with the name, the key, the operation and the time, as Handover.add()."""
        self._names = {server.relayers_db: server.name for server in servers.servers}
        self._add = add

    def login(self, path: str, key: str, milliseconds: int) -> None:
        """Hand over that ``key`` logged in to the server whose database is at ``path``, in milliseconds since the epoch.

        That is when its report came: a revocation after that closes it, also if the entry was written later still.
        """
        self._add(self._names[path], key, LOGIN, milliseconds)

    def renewal(self, path: str, key: str, timestamp: int) -> None:
        """Hand over that the entry of ``key`` in the database at ``path`` was given ``timestamp`` (epoch seconds)."""
        self._add(self._names[path], key, RENEW, timestamp * 1000)
