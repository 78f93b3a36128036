# SPDX-License-Identifier: GPL-3.0-or-later
"""Start a command and time it: from just before it is spawned until it has been waited for."""

import os
import shutil
from time import perf_counter

ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C"}


def start(command, stdin=os.devnull, stdout=os.devnull, stderr=None):
    """Spawn ``command`` (words) with the files of these paths and return its process id."""
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, stdin, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, stdout, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
    ]
    if stderr:
        actions.append((os.POSIX_SPAWN_OPEN, 2, stderr, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    return os.posix_spawn(found(command[0]), command, ENVIRONMENT, file_actions=actions)


def found(program):
    """Return the path of ``program``, looked for beforehand: the search is not a part of what is measured."""
    return shutil.which(program, path=ENVIRONMENT["PATH"]) or program


def require_success(command, status):
    """Raise SystemExit unless the wait ``status`` is that of a command that succeeded."""
    if status != 0:
        raise SystemExit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")


def seconds(command, **files):
    """Return how long ``command`` takes. Raises SystemExit if it fails."""
    command = [found(command[0]), *command[1:]]
    begin = perf_counter()
    pid = start(command, **files)
    _pid, status = os.waitpid(pid, 0)
    took = perf_counter() - begin
    require_success(command, status)
    return took
