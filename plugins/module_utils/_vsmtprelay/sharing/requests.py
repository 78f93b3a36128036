# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How much the sharer and the recorder send each other at once."""

# The most events of one answer.
MOST_EVENTS = 500
# The most addresses of one request for changes. A write of a large database costs about the same whatever it changes.
MOST_KEYS = 5000
# The most virtual servers of one request: each is written by a thread of its own, and a login of this host waits meanwhile.
MOST_SERVERS = 64
# Bytes; that many addresses of the longest kind, and the names of their servers.
LARGEST_CHANGES = 400_000
