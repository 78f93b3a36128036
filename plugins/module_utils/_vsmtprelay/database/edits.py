# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can be done to the entries of a database. Every edit works on an open HashFile and tells what it changed.

The same edit serves a real run and check mode: the database module decides whether the result is published. An edit may
be run more than once, on a newer copy of the file, so it keeps nothing from one run to the next.
"""

from __future__ import annotations

from ..entries.timestamps import PERMANENT, expiry_cutoff, timestamp_of, value_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from typing import Union

    from ..backends.berkeley_file import HashFile
    from ..backends.no_entries import NoEntries

    Entries = Union[HashFile, NoEntries]
    Edit = Callable[[Entries], "Changes"]


ZERO = ord("0")


class Changes:
    """What an edit did: keys with their values, as bytes, in the order in which it came to them.

    ``created`` tells whether there was no database before; the database module sets it.
    """

    def __init__(self) -> None:
        self.added: dict[bytes, bytes] = {}
        self.updated: dict[bytes, tuple[bytes, bytes]] = {}
        self.removed: dict[bytes, bytes] = {}
        self.count = 0
        self.created = False

    def __bool__(self) -> bool:
        return self.created or self.count > 0

    def put(self, entries: Entries, key: bytes, value: bytes) -> None:
        """Store ``value`` under ``key``, and note it unless that is what was there."""
        self.replace(entries, key, entries.get(key), value)

    def replace(self, entries: Entries, key: bytes, before: bytes | None, value: bytes) -> None:
        """Store ``value`` under ``key``, which has the value ``before`` (None: is not there), and note it unless they agree."""
        if before == value:
            return
        entries.put(key, value)
        self.count += 1
        if before is None:
            self.added[key] = value
        else:
            self.updated[key] = (before, value)

    def remove(self, entries: Entries, key: bytes) -> bool:
        """Take ``key`` away and note it, also as makemap -N writes it; tell whether it was there."""
        found = False
        for stored in (key, key + b"\0"):
            before = entries.get(stored)
            if before is not None:
                entries.delete(stored)
                self.count += 1
                self.removed[key] = before
                found = True
        return found


def put(values: Mapping[str, int]) -> Edit:
    """Return the edit that gives each key of ``values`` its timestamp (epoch seconds), whatever was there."""

    def edit(entries: Entries) -> Changes:
        changes = Changes()
        for key, timestamp in values.items():
            changes.put(entries, key.encode(), value_of(timestamp))
        return changes

    return edit


def record_logins(logins: Mapping[str, int]) -> Edit:
    """Return the edit that notes logins: key → epoch seconds.

    A login never shortens a permission: an entry stamped as late or later stays. A value that is not a timestamp opens
    nothing, so it gives way.
    """

    def edit(entries: Entries) -> Changes:
        changes = Changes()
        for key, timestamp in logins.items():
            before = entries.get(key.encode())
            stamped = None if before is None else timestamp_of(before)
            if stamped is None or stamped < timestamp:
                changes.replace(entries, key.encode(), before, value_of(timestamp))
        return changes

    return edit


def ensure(
    wanted: Mapping[str, int | None],
    now: int,
    refresh_after: int | None = None,
    purge: bool = False,
    permanent: Collection[str] | None = None,
) -> Edit:
    """Return the edit that makes sure of the entries in ``wanted``: key → epoch seconds, or None for any time.

    A key without a timestamp that is not there is stamped ``now``. One that is there stays as it is, unless
    ``refresh_after`` (seconds) is given and it is older than that. An entry in the future is never brought forward.
    With ``purge`` every entry that is not named is removed.

    ``permanent`` are the keys of all entries that are to have the stamp PERMANENT. Another one that has it is removed; what has
    any other stamp was recorded, or put there by hand, and stays.
    """
    kept = {key.encode() for key in permanent or ()}
    named = kept.union(key.encode() for key in wanted)
    stray = None if permanent is None else value_of(PERMANENT)

    def edit(entries: Entries) -> Changes:
        changes = Changes()
        for text, timestamp in wanted.items():
            key = text.encode()
            if timestamp is not None:
                changes.put(entries, key, value_of(timestamp))
            elif _needs_renewal(entries.get(key), now, refresh_after):
                changes.put(entries, key, value_of(now))
        for key in kept:
            changes.put(entries, key, value_of(PERMANENT))
        if purge or stray is not None:
            items = entries.items()
            for key in [key for key, value in items if (purge and key not in named) or (value == stray and key not in kept)]:
                changes.remove(entries, key)
        return changes

    return edit


def restore(values: Mapping[bytes, bytes], exactly: bool = False) -> Edit:
    """Return the edit that puts entries back: key → value, both as they were stored.

    An entry that is stamped later than the one of ``values`` stays, and so do those that are not named; with ``exactly`` the
    database has nothing but ``values`` then.
    """

    def edit(entries: Entries) -> Changes:
        changes = Changes()
        for key, value in values.items():
            before = entries.get(key)
            if before is None or exactly or (timestamp_of(before) or 0) < (timestamp_of(value) or 0):
                changes.replace(entries, key, before, value)
        if exactly:
            for key in [key for key, unused in entries.items() if key not in values]:
                changes.remove(entries, key)
        return changes

    return edit


def _needs_renewal(value: bytes | None, now: int, refresh_after: int | None) -> bool:
    if value is None:
        return True
    if refresh_after is None:
        return False
    timestamp = timestamp_of(value)
    return timestamp is None or now - timestamp > refresh_after


def delete(keys: Sequence[str]) -> Edit:
    """Return the edit that takes ``keys`` away. Those that are not there are passed over."""

    def edit(entries: Entries) -> Changes:
        changes = Changes()
        for key in keys:
            changes.remove(entries, key.encode())
        return changes

    return edit


def expire(minutes: int, now: int, name_them: bool = True) -> Edit:
    """Return the edit that takes away every entry that is ``minutes`` old or older at ``now`` (epoch seconds).

    With 0 minutes that is every entry that is not in the future. Values that are not timestamps stay. Unless
    ``name_them``, the removed entries are only counted: half a million of them need more memory than the file.
    """
    limit = expiry_cutoff(now, minutes)
    limit_text = value_of(limit)
    width = len(limit_text)

    def is_old(value: bytes) -> bool:
        timestamp = timestamp_of(value)
        return timestamp is not None and timestamp <= limit

    def edit(entries: Entries) -> Changes:
        changes = Changes()

        def old_ones(keys: list[bytes], values: list[bytes]) -> list[bytes]:
            # Digits of the same number compare as text as they do as numbers, and a million of them in half the time.
            old = [
                key
                for key, value in zip(keys, values)
                if (value <= limit_text if len(value) == width and value.isdigit() and value[0] != ZERO else is_old(value))
            ]
            changes.count += len(old)
            if name_them:
                values_of = dict(zip(keys, values))
                changes.removed.update((key, values_of[key]) for key in old)
            return old

        entries.delete_where(old_ones)
        return changes

    return edit
