# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role writes of hosts that share logins, and the sharer accepts."""

from __future__ import annotations

import re

# The name of a host. Keys and users on the engine contain it: no colon, no space, and nothing that an ACL pattern takes for
# more than itself.
HOST_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}", re.ASCII)
# Other hosts learn of a login for a year at most, however long it lasts.
MOST_MINUTES = 366 * 1440
