# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changing and reading a large database, in a process of low priority: no other virtual server's login waits for it.

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
from ..errors import InputOutputError, RelayError, TooLargeError
from . import entry_pages

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Collection, Mapping, Sequence
    from concurrent.futures import Executor
    from typing import Any, TypeVar

    from ..database.edits import Changes, Edit
    from ..database.published import Published

    Result = TypeVar("Result")

# A database of up to this many bytes, some 60,000 entries, is written by the recorder itself.
LARGEST_OWN_BYTES = 4 << 20
# A larger one is read by a child: to format the entries of this many bytes takes some milliseconds.
LARGEST_READ_BYTES = 1 << 19
# How long the child waits for a program that holds the database locked: others wait for their turn meanwhile.
LOCK_SECONDS = 1.0
# Deadline of one write. The largest database takes about a second on an idle machine.
WRITE_SECONDS = 20.0
NICENESS = 10
OOM_SCORE_FIRST = "1000"  # proc(5), /proc/pid/oom_score_adj


class LargeWrites:
    """Changes and reads databases for the recorder: one of up to LARGEST_OWN_BYTES in a thread, a larger one by a child.

    There is one child at a time. For use in the event loop only.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, published: Published, command: Sequence[str] | None = None) -> None:
        """``published`` are the files that this process published.

        ``command`` is what runs main() with the path of a database as one more word, by default this program.
        """
        self._loop = loop
        self._published = published
        self._command = command or (sys.executable, "-I", os.path.abspath(sys.argv[0]), "--write")
        self._thread = ThreadPoolExecutor(1)

    def record(self, threads: Executor, path: str, logins: Mapping[str, int], seconds: float) -> asyncio.Future[list[str]]:
        """Add ``logins`` (epoch seconds by key) to the database at ``path``, in one of ``threads``.

        Returns the keys that were missing. It waits at most ``seconds`` for other writers. The future raises RelayError, after
        which the database is unchanged or holds all of them.
        """
        return self._change(
            threads,
            lambda: self._own_change(path, edits.record_logins(logins), seconds, create=True).keys_added(),
            lambda: self._by_child(path, "record_logins", logins),
        )

    def renew(
        self, threads: Executor, path: str, keys: Collection[str], now: int, limit: int, seconds: float
    ) -> asyncio.Future[tuple[list[str], list[str]]]:
        """Make the edit ``edits.renew`` in the database at ``path``, in one of ``threads``.

        Returns the keys whose permission has not run out, and those of them that were stamped. It waits and raises as record()
        does.
        """
        return self._change(
            threads,
            lambda: _renewed(self._own_change(path, edits.renew(keys, now, limit), seconds, create=False)),
            lambda: self._by_child(path, "renew", list(keys), now, limit),
        )

    def revoke(
        self, threads: Executor, path: str, revoked: Mapping[str, int], now: int, seconds: float
    ) -> asyncio.Future[list[str]]:
        """Make the edit ``edits.revoke`` in the database at ``path``, in one of ``threads``.

        Returns the keys that were removed. It waits and raises as record() does.
        """
        return self._change(
            threads,
            lambda: self._own_change(path, edits.revoke(revoked, now), seconds, create=False).keys_removed(),
            lambda: self._by_child(path, "revoke", revoked, now),
        )

    def pages(self, threads: Executor, path: str, seconds: float) -> asyncio.Future[list[bytes]]:
        """Return the entries of the database at ``path`` as entry_pages.read() does, read in one of ``threads``.

        It waits and raises as record() does.
        """
        return self._change(
            threads,
            lambda: entry_pages.read(path, seconds, LARGEST_READ_BYTES),
            lambda: self._output_of_child(path, "pages").splitlines(),
        )

    def _own_change(self, path: str, edit: Edit, seconds: float, create: bool) -> Changes:
        return relayers_db.change(path, edit, seconds, create=create, published=self._published, largest=LARGEST_OWN_BYTES)

    def _change(self, threads: Executor, own: Callable[[], Result], by_child: Callable[[], Result]) -> asyncio.Future[Result]:
        """Run ``own`` in one of ``threads``, or ``by_child`` if the database is too large; return the result to come."""
        result: asyncio.Future[Result] = self._loop.create_future()

        def end(done: asyncio.Future[Result]) -> None:
            error = done.exception()
            if isinstance(error, TooLargeError):
                # It may wait for its turn, so it has a thread of its own.
                self._loop.run_in_executor(self._thread, by_child).add_done_callback(end)
            elif result.done():
                pass  # nobody waits for it any more
            elif error is None:
                result.set_result(done.result())
            else:
                result.set_exception(error)

        self._loop.run_in_executor(threads, own).add_done_callback(end)
        return result

    def _by_child(self, path: str, edit: str, *arguments: object) -> Any:
        return json.loads(self._output_of_child(path, edit, *arguments))

    def _output_of_child(self, path: str, *words: object) -> bytes:
        ended = programs.run([*self._command, path], WRITE_SECONDS, json.dumps(words).encode())
        if ended.status != 0:
            raise InputOutputError(f"{path}: {ended.complaint}")
        return ended.output


def main(path: str) -> int:
    """Make the edit that standard input names in the database at ``path``, or read it; return the exit status.

    Standard input is a JSON list: the name of the edit and its arguments, or "pages". Standard output is what LargeWrites
    returns, a page on each line.
    """
    # Not os.nice(): the recorder's own niceness is less than others'.
    os.setpriority(os.PRIO_PROCESS, 0, NICENESS)
    with open("/proc/self/oom_score_adj", "w", encoding="ascii") as score:
        score.write(OOM_SCORE_FIRST)
    try:
        name, *arguments = json.load(sys.stdin)
        if name == "pages":
            sys.stdout.buffer.writelines(page + b"\n" for page in entry_pages.read(path, LOCK_SECONDS))
            return 0
        result: object
        if name == "renew":
            result = _renewed(relayers_db.change(path, edits.renew(*arguments), LOCK_SECONDS, create=False))
        elif name == "revoke":
            result = relayers_db.change(path, edits.revoke(*arguments), LOCK_SECONDS, create=False).keys_removed()
        else:
            result = relayers_db.change(path, edits.record_logins(*arguments), LOCK_SECONDS).keys_added()
    except RelayError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_status
    json.dump(result, sys.stdout)
    return 0


def _renewed(changes: Changes) -> tuple[list[str], list[str]]:
    return list(changes.valid), [key.decode() for key in changes.updated]
