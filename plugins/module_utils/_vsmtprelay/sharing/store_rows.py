# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rows of the store: what is known of an address, who said it, and whether it is to be published or to be written."""

from __future__ import annotations

from . import merge
from .merge import Stamps
from .store_transactions import Transactions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .store_transactions import Changes


FIELDS = "login, revoked, renewed, own_login, own_revoked, own_renewed, seq, published, origin"
LATEST = "max(login, revoked, renewed, own_login, own_revoked, own_renewed)"
# As merge.is_open(); the parameter is when the window began.
IS_OPEN = "(login > revoked OR revoked = 0) AND max(login, renewed) > ?"


class Row:
    """A row of the table entry, while it changes."""

    __slots__ = ("before", "is_new", "key", "origin", "own", "published", "seq", "server", "stamps")

    def __init__(self, server: str, key: str, found: tuple[Any, ...] | None) -> None:
        self.server, self.key, self.is_new = server, key, found is None
        *stamps, self.seq, self.published, self.origin = found or (0, 0, 0, 0, 0, 0, None, 0, "")
        self.stamps, self.own = Stamps(*stamps[:3]), Stamps(*stamps[3:])
        self.before = (self.stamps, self.own)

    @property
    def has_changed(self) -> bool:
        return (self.stamps, self.own) != self.before

    def values(self) -> tuple[int | str | None, ...]:
        return (*self.stamps, *self.own, self.seq, self.published, self.origin, self.server, self.key)


class Rows(Transactions):
    """The rows, by virtual server and address."""

    def __init__(self, directory: str, host: str, windows: Mapping[str, int]) -> None:
        """``windows`` is how long a login lasts, in ms, for each virtual server. Raises UnwritableError."""
        super().__init__(directory)
        self._host = host
        self._windows = dict(windows)
        self._longest = max(self._windows.values(), default=0)
        # By origin: the open addresses, and all that there is a row for.
        self.addresses: dict[str, int] = {}
        self._rows: dict[str, int] = {}

    def _set(self, row: Row, stamps: Stamps, origin: str, now: int) -> None:
        """Give ``row`` the stamps, and count the open addresses: who said the newest stamp has opened the address."""
        window = self._windows[row.server]
        if merge.is_open(row.stamps, now, window):
            self.addresses[row.origin] = max(self.addresses.get(row.origin, 0) - 1, 0)
        if stamps.latest > row.stamps.latest or not row.origin:
            row.origin = origin
        row.stamps = stamps
        if merge.is_open(stamps, now, window):
            self.addresses[row.origin] = self.addresses.get(row.origin, 0) + 1

    def _take_back(self, row: Row, changes: Changes) -> None:
        """Say no more that the address of ``row`` was renewed, if it is revoked."""
        if row.own.renewed and row.stamps.is_revoked:
            row.own = row.own._replace(renewed=0)
            self._number(row, changes)

    def _number(self, row: Row, changes: Changes) -> None:
        """Give the change of ``row`` the next number, so that it is published."""
        self._seq += 1
        row.seq = self._seq
        changes.add(self._call_on_own)

    def _row(self, server: str, key: str) -> Row:
        query = f"SELECT {FIELDS} FROM entry WHERE server = ? AND key = ?"
        return Row(server, key, self._connection.execute(query, (server, key)).fetchone())

    def _write(self, row: Row) -> None:
        if row.is_new:
            self._rows[row.origin] = self._rows.get(row.origin, 0) + 1
            self._connection.execute(
                f"INSERT INTO entry ({FIELDS}, server, key) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row.values()
            )
        else:
            names = ", ".join(f"{name} = ?" for name in FIELDS.split(", "))
            self._connection.execute(f"UPDATE entry SET {names} WHERE server = ? AND key = ?", row.values())

    def _add_todo(self, row: Row, changes: Changes, held: str = "") -> None:
        self._version += 1
        values = (row.server, row.key, self._version, held)
        self._connection.execute("INSERT OR REPLACE INTO todo VALUES (?, ?, ?, ?)", values)
        if not held:
            changes.add(self._call_on_todo)
