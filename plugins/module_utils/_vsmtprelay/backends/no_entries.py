# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The backend of a database that does not exist."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class NoEntries:
    """The entries of a database that does not exist, for check mode: none, whatever an edit puts there.

    It needs no binding: a host may get the binding only together with its database.
    """

    def get(self, key: bytes) -> bytes | None:
        return None

    def put(self, key: bytes, value: bytes) -> None:
        pass

    def delete(self, key: bytes) -> None:
        raise KeyError(key)

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        return iter(())

    def delete_where(self, choose: Callable[[list[bytes], list[bytes]], list[bytes]]) -> None:
        pass
