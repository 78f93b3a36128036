# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The libraries that only the sharer needs, from the distribution.

A missing library is None. At its start the sharer names the package to install.
"""

from __future__ import annotations

__all__ = ["PlainConnection", "daemon", "exceptions"]

try:
    from redis import exceptions
    from redis.connection import Connection as PlainConnection
except ImportError:
    PlainConnection = exceptions = None

try:
    from systemd import daemon
except ImportError:
    daemon = None
