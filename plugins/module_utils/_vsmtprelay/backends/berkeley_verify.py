# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""libdb's verify program, which checks every page of a hash or btree file, run as a child process."""

from __future__ import annotations

import shutil

from .. import programs
from ..errors import BusyError

# A million entries take 2 seconds. On a crafted file it may run forever.
VERIFY_SECONDS = 60.0
# Its names on Debian (db5.3-util) and Red Hat (libdb-utils).
PROGRAMS = ("db5.3_verify", "db_verify")


def libdb_finds_sound(descriptor: int) -> bool:
    """Return whether libdb finds no fault with the file behind ``descriptor``; True if this host lacks the program.

    It runs the program, since DB.verify() of Debian's Python binding succeeds on damaged files, and since
    libdb may crash on one.
    """
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        return True
    try:
        done = programs.run([program, "-q", f"/proc/self/fd/{descriptor}"], VERIFY_SECONDS, descriptors=[descriptor])
    except BusyError:
        return False
    return done.status == 0
