# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Entries as people see them: a comment line that tells the time, and the entry line, as makemap reads them again."""

from __future__ import annotations

import itertools
import time

from ..errors import MalformedError
from .timestamps import timestamp_of, value_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

# Minutes whose text is kept: two weeks.
MOST_MINUTES = 20_160


def printable_text(stored: bytes) -> str:
    """Return a key or value as text for people: without a NUL at its end, and bytes that are not UTF-8 escaped."""
    return (stored[:-1] if stored.endswith(b"\0") else stored).decode("utf-8", "backslashreplace")


def entry_lines(key: bytes, value: bytes) -> bytes:
    """Return the comment line and the entry line, as ``list`` and ``dump`` print them and makemap reads them."""
    timestamp = timestamp_of(value)
    when = b"not a timestamp" if timestamp is None else time.asctime(time.gmtime(timestamp)).encode()
    # Without the NUL that makemap -N adds.
    return b"# timestamp (UTC): %b\n%b %b\n" % (when, key.rstrip(b"\0"), value.rstrip(b"\0"))


def dump_lines(pages: Iterable[tuple[Sequence[bytes], Sequence[bytes]]], limit: int | None = None) -> Iterator[bytes]:
    """Yield the lines of all entries, or of those stamped at ``limit`` (epoch seconds) or before.

    Each of ``pages`` is a sequence of keys and one of their values: a million entries are told in a third of the time that it
    takes to go through them one by one.
    """
    minutes = _Minutes()
    latest = b"9999999999" if limit is None else value_of(limit)
    for keys, values in pages:
        if len(latest) == 10 and _are_common(keys, values):
            # Digits of the same number compare as text as they do as numbers.
            shown = values if max(values) <= latest else [value for value in values if value <= latest]
            if shown is not values:
                keys = [key for key, value in zip(keys, values) if value <= latest]  # noqa: PLW2901
            pieces: list[bytes] = []
            for key, value, (minute, second) in zip(keys, shown, map(divmod, map(int, shown), itertools.repeat(60))):
                before, seconds = minutes[minute]
                pieces += (before, seconds[second], key, b" ", value)
            if pieces:
                yield b"".join(pieces)[1:] + b"\n"
        else:
            for key, value in zip(keys, values):
                if limit is None or ((timestamp := timestamp_of(value)) is not None and timestamp <= limit):
                    yield entry_lines(key, value)


def parse_makemap(text: str) -> dict[bytes, bytes]:
    """Return the entries of such a text, or of any that makemap reads: key and value, as bytes. Later lines win.

    Raises MalformedError for a line that has no value.
    """
    entries = {}
    for number, line in enumerate(text.encode("utf-8", "surrogateescape").split(b"\n"), 1):
        words = line.split(None, 1)
        if not words or words[0].startswith(b"#"):
            continue
        if len(words) == 1:
            raise MalformedError(f"line {number} has an address and no timestamp")
        entries[words[0]] = words[1].strip()
    return entries


def _are_common(keys: Sequence[bytes], values: Sequence[bytes]) -> bool:
    """Tell whether all values are timestamps from 2001 to 2286, and no key has a NUL."""
    return (
        set(map(len, values)) == {10}
        and b"".join(values).isdigit()
        and min(values) >= b"1000000000"
        and b"\0" not in b"".join(keys)
    )


class _Minutes(dict):  # type: ignore[type-arg]
    """What is printed before the seconds, and for each second from there to the end of the line, by the minute since 1970.

    To call asctime(3) for each of a million entries takes seconds.
    """

    def __init__(self) -> None:
        super().__init__()
        self._seconds_of: dict[bytes, list[bytes]] = {}

    def __missing__(self, minute: int) -> tuple[bytes, list[bytes]]:
        if len(self) >= MOST_MINUTES:
            self.clear()
        text = time.asctime(time.gmtime(minute * 60)).encode()  # "Tue Sep 22 22:15:00 1998"
        year = text[19:]
        if year not in self._seconds_of:
            self._seconds_of[year] = [b"%02d%b\n" % (second, year) for second in range(60)]
        self[minute] = result = (b"\n# timestamp (UTC): " + text[:17], self._seconds_of[year])
        return result
