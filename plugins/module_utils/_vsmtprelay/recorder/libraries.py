# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The libraries that only the recorder needs, from the distribution.

A missing library is None. At its start the recorder names the package to install.
"""

from __future__ import annotations

__all__ = ["Parser", "daemon", "journal"]

from . import httptools_parser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .http_parser import RequestParser

    Parser: type[RequestParser] | None

if httptools_parser.IS_INSTALLED:
    Parser = httptools_parser.HttptoolsParser
else:
    from . import h11_parser

    Parser = h11_parser.H11Parser if h11_parser.IS_INSTALLED else None

try:
    from systemd import daemon, journal
except ImportError:
    daemon = journal = None
