# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a module has other hosts do, where logins are shared with them."""

from __future__ import annotations

import time

from .._vsmtprelay.entries.addresses import is_key
from .._vsmtprelay.entries.timestamps import timestamp_of
from .._vsmtprelay.errors import RelayError
from .._vsmtprelay.servers.virtual_servers import TABLE, VirtualServers, is_shared
from .._vsmtprelay.sharing import changes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ansible.module_utils.basic import AnsibleModule

    from .._vsmtprelay.database.edits import Changes


class OtherHosts:
    """The other hosts that share the virtual servers of this one; in check mode nothing is written for them.

    ``failures`` are messages. What fails for other hosts does not keep this one from being changed.
    """

    def __init__(self, module: AnsibleModule, servers: VirtualServers | None = None, table: str = TABLE) -> None:
        """``servers`` are those of this host, by default those in ``table`` (path)."""
        self.failures: list[str] = []
        self._now = int(time.time() * 1000)
        self._servers: VirtualServers | None = None
        self._revoked: set[tuple[str, str]] = set()
        self._noted: list[changes.Event] = []
        if not is_shared() or module.check_mode:
            return
        if not changes.may_write():
            module.warn(changes.NOT_ROOT)
            return
        try:
            self._servers = VirtualServers.from_table(table) if servers is None else servers
        except RelayError as error:
            self.failures.append(str(error))

    @property
    def are_meant(self) -> bool:
        """Whether there are other hosts to be changed."""
        return self._servers is not None

    def revoke(self, keys_by_path: Iterable[tuple[str, Iterable[str]]]) -> None:
        """Revoke keys, given with the path of their database, on all hosts, each once; it is on the disk afterwards.

        A key that is no address as sendmail looks it up is left out: no other host has it.
        """
        wanted = dict.fromkeys((name, key) for path, keys in keys_by_path for name in self._names_of(path) for key in keys)
        new = [item for item in wanted if item not in self._revoked and is_key(item[1])]
        self._revoked.update(new)
        self._write([(name, key, changes.REVOKE, self._now) for name, key in new])

    def note_logins(self, path: str, done: Changes) -> None:
        """Note the entries that ``done`` has added to or renewed in the database at ``path``, but none in the future."""
        written = {**done.added, **{key: new for key, (_old, new) in done.updated.items()}}
        now = self._now // 1000
        for name in self._names_of(path):
            for key, value in written.items():
                text, timestamp = key.decode("utf-8", "replace"), timestamp_of(value)
                if timestamp is not None and timestamp <= now and is_key(text):
                    at = self._now if timestamp == now else timestamp * 1000
                    self._noted.append((name, text, changes.LOGIN, at))

    def note_check(self, path: str) -> None:
        """Note that the database at ``path`` has to be compared with what is shared."""
        self._noted += [(name, "", changes.CHECK, self._now) for name in self._names_of(path)]

    def finish(self) -> list[str]:
        """Write what was noted; return the messages of all failures."""
        self._write(self._noted)
        return self.failures

    def _write(self, events: list[changes.Event]) -> None:
        try:
            if events:
                changes.write(events)
        except RelayError as error:
            self.failures.append(str(error))

    def _names_of(self, path: str) -> list[str]:
        server = None if self._servers is None else self._servers.of_database(path)
        return [] if server is None else [server.name]
