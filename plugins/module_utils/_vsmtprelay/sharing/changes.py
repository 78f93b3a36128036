# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Events from root's commands and modules, in files that the recorder hands over to the sharer.

Each call writes its events to a file of its own, a JSON list of ``[server, key, operation, milliseconds]``, which is fsynced
and renamed. So a revocation is on the disk before the entry is removed, and a program that is killed in between has revoked it
everywhere.
"""

from __future__ import annotations

import os
import time

from ..errors import InputOutputError, MalformedError, UnreadableError, UnwritableError, remedy_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Tuple

    # The name of the virtual server, the key of the address (empty for CHECK), the operation, milliseconds since the epoch.
    Event = Tuple[str, str, str, int]

# Only root may look in here.
DIRECTORY = "/var/lib/vsmtprelay-outbox"
SUFFIX = ".json"
# The operations: the address logged in; it was renewed, as its session is open; it is revoked on all hosts, or here only;
# compare the whole database.
LOGIN = "login"
RENEW = "renew"
REVOKE = "revoke"
HERE = "here"
CHECK = "check"
OPERATIONS = (LOGIN, RENEW, REVOKE, HERE, CHECK)
# The most in one file, so that the recorder never reads a long one while a login waits.
MOST_EVENTS = 1000
NOT_ROOT = "only root changes other hosts: this is done on this host alone"
# After so long, a temporary file has no writer any more.
ABANDONED_SECONDS = 3600


def may_write() -> bool:
    """Return whether this process is root's, which alone can change other hosts."""
    return os.geteuid() == 0


def write(events: Sequence[Event], directory: str = "") -> None:
    """Write ``events`` for the recorder; they are on the disk afterwards. Only root can do that.

    ``directory`` is DIRECTORY by default. Names of servers and keys are as check_name() and key_of() accept them, so that no
    JSON encoder is needed (start-up: see __init__ of the library). Raises UnwritableError, InputOutputError.
    """
    directory = directory or DIRECTORY
    try:
        _create(directory)
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            stem = f"{time.time_ns():020d}-{os.getpid()}"
            for number, start in enumerate(range(0, len(events), MOST_EVENTS)):
                _write_file(f"{stem}-{number:06d}{SUFFIX}", events[start : start + MOST_EVENTS], descriptor)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        message = f"{directory}: cannot be written: {error.strerror}, other hosts are not changed; {remedy_for(error)}"
        raise UnwritableError(message) from None


def names_in(directory: str) -> list[str]:
    """Return the names of the files with events in ``directory``, the oldest first; none if there is no directory."""
    try:
        return sorted(name for name in os.listdir(directory) if name.endswith(SUFFIX) and not name.startswith("."))
    except OSError:
        return []


def read(directory: str, name: str) -> list[Event]:
    """Return the events in the file ``name`` of ``directory``. Raises UnreadableError, MalformedError."""
    import json  # start-up: see __init__ of the library

    path = os.path.join(directory, name)
    try:
        with open(path, encoding="utf-8") as file:
            events = json.load(file)
    except OSError as error:
        raise UnreadableError(f"{path}: cannot be read: {error.strerror}; {remedy_for(error)}") from None
    except (ValueError, RecursionError):
        raise MalformedError(f"{path}: is not JSON; remove it") from None
    found = list(map(event_of, events)) if isinstance(events, list) else [None]
    if None in found:
        raise MalformedError(f"{path}: is no list of events; remove it")
    return [event for event in found if event is not None]


def event_of(value: object) -> Event | None:
    """Return the event in a ``value`` of JSON, None if it is none."""
    if not isinstance(value, list) or len(value) != 4:
        return None
    server, key, operation, milliseconds = value
    if not isinstance(server, str) or not isinstance(key, str) or operation not in OPERATIONS:
        return None
    is_time = isinstance(milliseconds, int) and not isinstance(milliseconds, bool)
    return (server, key, operation, milliseconds) if is_time else None


def remove(directory: str, name: str) -> None:
    """Remove the file ``name`` of ``directory``. Raises InputOutputError."""
    try:
        os.unlink(os.path.join(directory, name))
    except FileNotFoundError:
        pass
    except OSError as error:
        raise InputOutputError(f"{os.path.join(directory, name)}: cannot be removed: {error.strerror}") from None


def remove_abandoned(directory: str) -> None:
    """Remove the temporary files that killed writers left in ``directory``."""
    try:
        for name in os.listdir(directory):
            path = os.path.join(directory, name)
            if name.startswith(".") and os.stat(path).st_mtime < time.time() - ABANDONED_SECONDS:
                os.unlink(path)
    except OSError:
        pass  # they only take room


def _create(directory: str) -> None:
    try:
        os.mkdir(directory, 0o700)
    except FileExistsError:
        return
    _flush(os.path.dirname(directory))


def _write_file(name: str, events: Iterable[Event], directory: int) -> None:
    """Write ``events`` to the file ``name`` in the open ``directory``. Raises OSError."""
    text = ",\n".join(f'["{server}", "{key}", "{operation}", {at}]' for server, key, operation, at in events)
    temporary = f".{name}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        with open(os.open(temporary, flags, 0o600, dir_fd=directory), "w", encoding="ascii") as file:
            file.write(f"[{text}]\n")
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
    except OSError:
        try:
            os.unlink(temporary, dir_fd=directory)
        except OSError:
            pass
        raise


def _flush(directory: str) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
