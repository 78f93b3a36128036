# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changing a large database, in a process of low priority: no other virtual server's login waits for it.

The owner of a database decides how large it is. To copy and to check hundreds of MiB takes Python's lock and memory from
the recorder for tenths of a second, and libdb may crash on a file that somebody made for that. So only one large database
is written at a time, by a child that has its own lock, gives way to every other process, and is the first to be killed
where memory runs out.
"""

from __future__ import annotations

import functools
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor

from .. import programs
from ..database import edits, relayers_db
from ..errors import InputOutputError, RelayError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

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

    def writer(self, path: str, logins: Mapping[str, int]) -> Callable[[], list[str]]:
        """Return a function that adds ``logins`` (epoch seconds by key) to the database at ``path``, to be run in ``thread``.

        It returns the keys that were missing. It raises RelayError, after which the database is unchanged or holds all of them.
        """
        return functools.partial(self._change, path, "record_logins", logins)

    def renewer(self, path: str, keys: Collection[str], now: int, limit: int) -> Callable[[], list[str]]:
        """Return a function that makes the edit ``edits.renew`` in the database at ``path``, to be run in ``thread``.

        It returns the keys whose permission has not run out. It raises RelayError.
        """
        return functools.partial(self._change, path, "renew", list(keys), now, limit)

    def _change(self, path: str, edit: str, *arguments: object) -> list[str]:
        ended = programs.run([*self._command, path], WRITE_SECONDS, json.dumps((edit, *arguments)).encode())
        if ended.status != 0:
            raise InputOutputError(f"{path}: {ended.complaint}")
        return list(json.loads(ended.output))


def main(path: str) -> int:
    """Make the edit that standard input names in the database at ``path``; return the exit status.

    Standard input is a JSON list: the name of the edit, and its arguments. Standard output is what LargeWrites returns.
    """
    os.nice(NICENESS)
    with open("/proc/self/oom_score_adj", "w", encoding="ascii") as score:
        score.write(OOM_SCORE_FIRST)
    try:
        name, *arguments = json.load(sys.stdin)
        if name == "renew":
            keys = list(relayers_db.change(path, edits.renew(*arguments), LOCK_SECONDS, create=False).valid)
        else:
            keys = relayers_db.change(path, edits.record_logins(*arguments), LOCK_SECONDS).keys_added()
    except RelayError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_status
    json.dump(keys, sys.stdout)
    return 0
