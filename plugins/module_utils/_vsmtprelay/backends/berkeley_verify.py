# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""libdb's own program that looks at every page of a hash or btree, in a process of its own."""

from __future__ import annotations

import shutil

from .. import programs
from ..errors import BusyError

# For a million entries it takes 2 seconds. On a file that was made to, it may run for ever.
VERIFY_SECONDS = 60.0
# As Debian (db5.3-util) and Red Hat (libdb-utils) call it.
PROGRAMS = ("db5.3_verify", "db_verify")


def libdb_finds_sound(descriptor: int) -> bool:
    """Tell whether libdb finds no fault with the file behind ``descriptor``; True where its program is not on this host.

    The program, because Debian's Python binding lets DB.verify() succeed on damaged files, and because it may crash on one.
    """
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        return True
    try:
        done = programs.run([program, "-q", f"/proc/self/fd/{descriptor}"], VERIFY_SECONDS, descriptors=[descriptor])
    except BusyError:
        return False
    return done.status == 0
