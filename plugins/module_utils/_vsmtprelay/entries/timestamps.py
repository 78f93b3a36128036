# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Timestamps: the value of an entry, and its age.

A value is the ASCII text of epoch seconds. Any other value was stored by another program: it is listed, it
never counts as old, and it changes only if a command names its address.
"""

from __future__ import annotations

from ..errors import MalformedError

SECONDS_OF_A_DAY = 86400
# 9999-12-31 23:59:59 UTC, the last second of a four-digit year. A later one is not accepted, but it is listed.
LAST_TIMESTAMP = 253402300799
# Its number of digits. The ruleset accepts no longer number, nor a leading zero, which arith would read as octal.
LONGEST_NUMBER = 12
# The timestamp that marks the permanent entries, those declared in the inventory: 9999-12-31 00:00:00 UTC.
PERMANENT = 253402214400


def parse_timestamp(text: str) -> int:
    """Return the epoch seconds in ``text``, decimal digits, for an entry that is to be stored.

    Raises MalformedError for anything but digits and for a time after the year 9999.
    """
    seconds = _parse_digits(text)
    if seconds is None or seconds > LAST_TIMESTAMP:
        raise MalformedError(
            f"{text!r} is not a timestamp: write seconds since 1970-01-01 00:00:00 UTC, at most {LAST_TIMESTAMP}"
        )
    return seconds


def parse_day(text: str) -> int:
    """Return the epoch seconds of the last second, in UTC, of the day ``text``, YEAR-MONTH-DAY (ISO 8601).

    Raises MalformedError for anything else.
    """
    # start-up: see __init__
    import calendar
    import time

    try:
        return calendar.timegm(time.strptime(text, "%Y-%m-%d")) + SECONDS_OF_A_DAY - 1
    except ValueError:
        raise MalformedError(f"{text!r} is not a day: write it as in 2027-01-31") from None


def parse_minutes(text: str) -> int:
    """Return the number of minutes in ``text``, decimal digits.

    Raises MalformedError for anything but digits.
    """
    minutes = _parse_digits(text)
    if minutes is None:
        raise MalformedError(f"{text!r} is not a number of minutes: write digits only, such as 1440")
    return minutes


def timestamp_of(value: bytes) -> int | None:
    """Return the epoch seconds of a stored value, or None if the value is not a timestamp.

    One trailing NUL, as ``makemap -N`` writes it, is ignored.
    """
    if len(value) == 10 and value.isdigit() and value[0] != 48:
        return int(value)  # the fast path: 2001 to 2286
    digits = value[:-1] if value.endswith(b"\0") else value
    if not digits.isdigit() or len(digits) > LONGEST_NUMBER or (digits.startswith(b"0") and digits != b"0"):
        return None
    return int(digits)


def value_of(timestamp: int) -> bytes:
    """Return the value to store for ``timestamp`` (epoch seconds)."""
    return b"%d" % timestamp


def expiry_cutoff(now: int, minutes: int) -> int:
    """Return the latest timestamp that counts as old, ``minutes`` old or older, at ``now`` (epoch seconds).

    With 0 minutes every entry is old that is not in the future.
    """
    return now - minutes * 60


def _parse_digits(text: str) -> int | None:
    return int(text) if text.isdigit() and text.isascii() and len(text) <= LONGEST_NUMBER else None
