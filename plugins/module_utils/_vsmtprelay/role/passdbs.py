# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The passdbs of a Dovecot, as doveconf prints them."""

from __future__ import annotations

import re

# A passdb that is the same for all names: with 2.4, its driver is the name of the block unless it says otherwise.
STATIC = re.compile(r"^passdb static \{$|^\s*driver = static$", re.MULTILINE)
PASSDB = re.compile(r"^passdb\b.*?^\}", re.MULTILINE | re.DOTALL)
NO_PASSWORD = "nopassword"
# With one of these in it, no login is recorded.
LEADS_AWAY = re.compile(r"\bproxy|\bnologin\b|deny = yes")
ANY_PASSWORD = (
    "accepts any password for any name, so everybody who tries would be recorded: a passdb says nopassword and forwards no "
    "login to another host; give it passwords, or set pop_before_smtp_recorder to none"
)


def need_no_password(printed: str) -> bool:
    """Return whether one of the passdbs in ``printed`` accepts any password for any name, and keeps the login on this host."""
    return any(
        STATIC.search(passdb) and NO_PASSWORD in passdb and not LEADS_AWAY.search(passdb) for passdb in PASSDB.findall(printed)
    )
