# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The outbox: the file of the logins and renewals that are recorded and that the sharer does not have yet.

Each is a line of JSON, an event of changes.py: the name of the virtual server, the key of the client's address, the operation,
and milliseconds since the epoch. It is appended with one write, without fsync: the lines survive the process. After a power
cut the sharer compares the databases. At the next start of the recorder all lines that are left are handed over again: sharing
one twice changes nothing.

Positions in the file are counted from its beginning at the start of the recorder, whatever was cut off since.
"""

from __future__ import annotations

import json
import os

from .changes import LOGIN, RENEW, event_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .changes import Event

LARGEST_OUTBOX_BYTES = 64 << 20
# Once so much of the file is acknowledged and so little is left, the rest is kept and nothing else.
CUT_OFF_BYTES = 1 << 20
MOST_REST_BYTES = 256 << 10
READ_BYTES = 64 << 10


class Outbox:
    """The outbox file at a path. For use in the event loop only."""

    def __init__(self, path: str) -> None:
        """Open the file at ``path``, or create it with mode 0600. Raises OSError."""
        self._path = path
        self._descriptor = _open(path)
        # Positions: of the beginning of the file, of what is not acknowledged, and of the end.
        self._begin = 0
        self._acknowledged = 0
        self._end = os.fstat(self._descriptor).st_size
        if self._end and os.pread(self._descriptor, 1, self._end - 1) != b"\n":
            self._end += os.write(self._descriptor, b"\n")  # a line that is not whole must not spoil the next

    @property
    def end(self) -> int:
        """The position behind the last line."""
        return self._end

    def append(self, server: str, key: str, operation: str, milliseconds: int) -> bool:
        """Add that ``key`` logged in to ``server``, or was renewed, at a time since the epoch; return whether there was room.

        ``operation`` is LOGIN or RENEW; ``server`` and ``key`` are as check_name() and key_of() accept them, so that JSON needs
        no escapes.
        """
        line = f'["{server}","{key}","{operation}",{milliseconds}]\n'.encode()
        if self._end - self._begin + len(line) > LARGEST_OUTBOX_BYTES:
            return False
        try:
            written = os.write(self._descriptor, line)
            if written != len(line):
                os.ftruncate(self._descriptor, self._end - self._begin)
                return False
        except OSError:
            return False
        self._end += written
        return True

    def read(self, position: int, most: int) -> tuple[list[tuple[Event, int]], int]:
        """Return at most ``most`` events from ``position`` on, each with the position behind it, and the position read to.

        Lines that are malformed are passed over.
        """
        events: list[tuple[Event, int]] = []
        while len(events) < most and position < self._end:
            block = os.pread(self._descriptor, READ_BYTES, position - self._begin)
            lines = block.split(b"\n")
            rest = lines.pop()
            if not lines:
                position += len(rest) or self._end - position  # no line of ours is that long
            for line, event in zip(lines, _events_in(lines[: most - len(events)])):
                position += len(line) + 1
                if event is not None:
                    events.append((event, position))
        return events, position

    def acknowledge(self, position: int) -> None:
        """Forget what stands before ``position``; empty the file if that is all of it."""
        self._acknowledged = max(self._acknowledged, position)
        done, rest = self._acknowledged - self._begin, self._end - self._acknowledged
        try:
            if rest == 0 and done:
                os.ftruncate(self._descriptor, 0)
                self._begin = self._end
            elif done >= CUT_OFF_BYTES and rest <= MOST_REST_BYTES:
                self._keep_rest(os.pread(self._descriptor, rest, done))
        except OSError:
            pass  # the next one tries again; until then the file is longer than it has to be

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _keep_rest(self, rest: bytes) -> None:
        """Replace the file by one that holds ``rest``. Raises OSError."""
        temporary = f"{self._path}.next"
        descriptor = _open(temporary)
        try:
            os.ftruncate(descriptor, 0)
            if os.write(descriptor, rest) != len(rest):
                raise OSError
            os.rename(temporary, self._path)
        except OSError:
            os.close(descriptor)
            raise
        os.close(self._descriptor)
        self._descriptor = descriptor
        self._begin = self._acknowledged


def _open(path: str) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _events_in(lines: list[bytes]) -> list[Event | None]:
    """Return the event in each of ``lines``, None for a malformed one."""
    try:
        # All at once, in a third of the time.
        values = json.loads(b"[%b]" % b",".join(lines))
        if len(values) == len(lines):
            return list(map(_event_of, values))
    except (ValueError, RecursionError):
        pass
    return list(map(_event_in, lines))


def _event_in(line: bytes) -> Event | None:
    try:
        return _event_of(json.loads(line))
    except (ValueError, RecursionError):
        return None


def _event_of(value: object) -> Event | None:
    event = event_of(value)
    return event if event is not None and event[2] in (LOGIN, RENEW) else None
