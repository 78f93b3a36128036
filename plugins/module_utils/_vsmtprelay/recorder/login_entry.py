# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The login entry, which the spool, the writers and group commit pass on."""

from __future__ import annotations

from typing import NamedTuple


class LoginEntry(NamedTuple):
    """An entry for the database at the path ``relayers_db``.

    ``key`` is the key of the client's address, ``timestamp`` is epoch seconds. ``account`` is what Dovecot is still to be asked
    about, as Login.account() returns it, or empty.
    """

    relayers_db: str
    key: str
    timestamp: int
    account: tuple[str, ...] = ()
