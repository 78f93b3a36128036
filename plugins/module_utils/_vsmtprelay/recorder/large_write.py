# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writing logins to a large database, in a process of low priority: no other virtual server's login waits for it.

The owner of a database decides how large it is. To copy and to check hundreds of MiB takes Python's lock and memory from
the recorder for tenths of a second, and libdb may crash on a file that somebody made for that. So only one large database
is written at a time, by a child that has its own lock, gives way to every other process, and is the first to be killed
where memory runs out.
"""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor

from .. import programs
from ..database import edits, relayers_db
from ..errors import InputOutputError, RelayError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# A database of up to this many bytes, some 60,000 entries, is written by the recorder itself.
LARGEST_OWN_BYTES = 4 << 20
# How long the child waits for a program that holds the database locked: others wait for their turn meanwhile.
LOCK_SECONDS = 1.0
# Deadline of one write. The largest database takes about a second on an idle machine.
WRITE_SECONDS = 20.0
NICENESS = 10
OOM_SCORE_FIRST = "1000"  # proc(5), /proc/pid/oom_score_adj


class LargeWrites:
    """Writes large databases, one after the other."""

    def __init__(self, command: Sequence[str] | None = None) -> None:
        """``command`` is what runs main() with the path of a database as one more word, by default this program."""
        self._command = command or (sys.executable, "-I", os.path.abspath(sys.argv[0]), "--write")
        self.thread = ThreadPoolExecutor(1)

    def writer(self, path: str, logins: Mapping[str, int]) -> Callable[[], None]:
        """Return a function that adds ``logins`` (epoch seconds by key) to the database at ``path``, to be run in ``thread``.

        It raises RelayError, after which the database is unchanged or holds all of them.
        """
        command, data = [*self._command, path], json.dumps(logins).encode()

        def write() -> None:
            ended = programs.run(command, WRITE_SECONDS, data)
            if ended.status != 0:
                raise InputOutputError(f"{path}: {ended.complaint}")

        return write


def main(path: str) -> int:
    """Add the logins that standard input holds to the database at ``path``; return the exit status."""
    os.nice(NICENESS)
    with open("/proc/self/oom_score_adj", "w", encoding="ascii") as score:
        score.write(OOM_SCORE_FIRST)
    try:
        relayers_db.change(path, edits.record_logins(json.load(sys.stdin)), LOCK_SECONDS)
    except RelayError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_status
    return 0
