# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Entries as text: a comment line with the time, then the entry line. makemap reads this text back."""

from __future__ import annotations

import itertools
import time

from ..errors import MalformedError
from .timestamps import timestamp_of, value_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

# Number of minutes whose text is cached: two weeks.
MOST_MINUTES = 20_160


def printable_text(stored: bytes) -> str:
    """Return a key or value as text for people: without a trailing NUL, bytes that are not UTF-8 escaped."""
    return (stored[:-1] if stored.endswith(b"\0") else stored).decode("utf-8", "backslashreplace")


def entry_lines(key: bytes, value: bytes) -> bytes:
    """Return the comment line and the entry line that ``list`` and ``dump`` print and makemap reads."""
    timestamp = timestamp_of(value)
    when = b"not a timestamp" if timestamp is None else time.asctime(time.gmtime(timestamp)).encode()
    # Without the NUL that makemap -N adds.
    return b"# timestamp (UTC): %b\n%b %b\n" % (when, key.rstrip(b"\0"), value.rstrip(b"\0"))


def dump_lines(pages: Iterable[tuple[Sequence[bytes], Sequence[bytes]]], limit: int | None = None) -> Iterator[bytes]:
    """Yield the lines of all entries, or of those stamped at ``limit`` (epoch seconds) or before.

    Each of ``pages`` is a sequence of keys and the sequence of their values. Formatting page by page takes a
    third of the time of formatting a million entries one by one.
    """
    minutes = _Minutes()
    latest = b"9999999999" if limit is None else value_of(limit)
    for keys, values in pages:
        if len(latest) == 10 and _are_common(keys, values):
            # Numbers with the same count of digits compare as text.
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
    """Return the entries of ``text``, in this format or any other that makemap reads: key → value. The last line of a key wins.

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
    """Return whether all values are timestamps from 2001 to 2286, and no key contains NUL."""
    return (
        set(map(len, values)) == {10}
        and b"".join(values).isdigit()
        and min(values) >= b"1000000000"
        and b"\0" not in b"".join(keys)
    )


class _Minutes(dict):  # type: ignore[type-arg]
    """A cache by minute since 1970: the text before the seconds, and the rest of the line for each second.

    Calling asctime(3) for each of a million entries takes seconds.
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
