# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""aiohttp and systemd's library, which only the recorder needs, from the distribution.

A missing library is None. At its start the recorder names the package to install.
"""

from __future__ import annotations

__all__ = ["daemon", "journal", "web"]

try:
    from aiohttp import web
except ImportError:
    web = None  # type: ignore[assignment]

try:
    from systemd import daemon, journal
except ImportError:
    daemon = journal = None
