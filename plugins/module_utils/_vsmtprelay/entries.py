# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One entry of relayers.db: its timestamp, its age, and the two lines in which it is shown.

A value is the ASCII text of epoch seconds. A value that is anything else was put there by somebody else: it is shown,
never counted as old, and never changed unless its address is named.
"""

from __future__ import annotations

import time

from .errors import MalformedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# The last second of a year of four digits: 9999-12-31 23:59:59 UTC. No later one is taken, but shown where it is found.
LAST_TIMESTAMP = 253402300799
# The digits of that; the ruleset takes no longer number, and none with a leading zero, which arith would read as octal.
LONGEST_NUMBER = 12

PIECES_AT_ONCE = 8000


def parse_timestamp(text: str) -> int:
    """Return the epoch seconds that ``text`` writes in decimal digits, for an entry that is to be stored.

    Raises MalformedError for anything but digits and for a time after the year 9999.
    """
    seconds = _parse_digits(text)
    if seconds is None or seconds > LAST_TIMESTAMP:
        raise MalformedError(
            f"{text!r} is not a timestamp: write seconds since 1970-01-01 00:00:00 UTC, at most {LAST_TIMESTAMP}"
        )
    return seconds


def parse_minutes(text: str) -> int:
    """Return the number of minutes that ``text`` writes in decimal digits.

    Raises MalformedError for anything but digits.
    """
    minutes = _parse_digits(text)
    if minutes is None:
        raise MalformedError(f"{text!r} is not a number of minutes: write digits only, such as 1440")
    return minutes


def timestamp_of(value: bytes) -> int | None:
    """Return the epoch seconds of a stored value, or None where the value is not a timestamp.

    One NUL at the end, as ``makemap -N`` writes it, is passed over.
    """
    if len(value) == 10 and value.isdigit() and value[0] != 48:
        return int(value)  # all from 2001 to 2286
    digits = value[:-1] if value.endswith(b"\0") else value
    if not digits.isdigit() or len(digits) > LONGEST_NUMBER or (digits.startswith(b"0") and digits != b"0"):
        return None
    return int(digits)


def value_of(timestamp: int) -> bytes:
    """Return the value to store for ``timestamp`` (epoch seconds)."""
    return b"%d" % timestamp


def old_before(now: int, minutes: int) -> int:
    """Return the latest timestamp that counts as old at ``now`` (epoch seconds): one that is ``minutes`` old or older.

    With 0 minutes that is every entry that is not in the future.
    """
    return now - minutes * 60


def text_of(stored: bytes) -> str:
    """Return a key or value as text for people: without a NUL at its end, and bytes that are not UTF-8 escaped."""
    return (stored[:-1] if stored.endswith(b"\0") else stored).decode("utf-8", "backslashreplace")


def lines_of(key: bytes, value: bytes) -> bytes:
    """Return the comment line and the entry line, as ``list`` and ``dump`` print them and makemap reads them."""
    return b"".join(texts_of([(key, value)]))


def texts_of(items: Iterable[tuple[bytes, bytes]], limit: int | None = None) -> Iterator[bytes]:
    """Yield the comment line and the entry line of each of ``items``, or of those stamped at ``limit`` (epoch) or before.

    They come by the thousand: a million entries are listed in half the time that way.
    """
    days = _Days()
    # Two small tables: one of all the seconds of a day does not fit the processor's cache.
    minutes = [b"%02d:%02d:" % divmod(minute, 60) for minute in range(1440)]
    seconds = [b"%02d" % second for second in range(60)]
    pieces: list[bytes] = []
    for key, value in items:
        if len(value) == 10 and value.isdigit() and value[0] != 48:
            timestamp: int | None = int(value)  # as timestamp_of() does, without the call
        else:
            timestamp = timestamp_of(value)
            value = value.rstrip(b"\0")  # noqa: PLW2901 (as makemap -N writes it)
        if key.endswith(b"\0"):
            key = key.rstrip(b"\0")  # noqa: PLW2901
        if timestamp is None:
            if limit is None:
                pieces.append(b"# timestamp (UTC): not a timestamp\n%b %b\n" % (key, value))
        elif limit is None or timestamp <= limit:
            day, second = divmod(timestamp, 86400)
            before, after = days[day]
            minute, second = divmod(second, 60)
            pieces.extend((before, minutes[minute], seconds[second], after, key, b" ", value, b"\n"))
            if len(pieces) > PIECES_AT_ONCE:
                yield b"".join(pieces)
                pieces.clear()
    yield b"".join(pieces)


class _Days(dict):  # type: ignore[type-arg]
    """What is printed before and after the time of a day, by the number of the day since 1970.

    To call asctime(3) for each of a million entries takes seconds; the days are few.
    """

    def __missing__(self, day: int) -> tuple[bytes, bytes]:
        text = time.asctime(time.gmtime(day * 86400)).encode()  # "Tue Sep 22 00:00:00 1998"
        self[day] = result = (b"# timestamp (UTC): " + text[:11], text[19:] + b"\n")
        return result


def _parse_digits(text: str) -> int | None:
    return int(text) if text.isdigit() and text.isascii() and len(text) <= LONGEST_NUMBER else None
