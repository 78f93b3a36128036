# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Edits of the entries of a database. An edit works on an open HashFile and returns its changes.

The same edit serves a real run and check mode: relayers_db decides whether the result is published. An edit
may run more than once, on a newer copy of the file, so it keeps no state between runs.
"""

from __future__ import annotations

from ..entries.timestamps import PERMANENT, expiry_cutoff, timestamp_of, value_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from typing import Any, Union

    from ..backends.berkeley_file import HashFile
    from ..backends.no_entries import NoEntries

    Entries = Union[HashFile, NoEntries]
    Edit = Callable[[Entries], "Changes"]


ZERO = ord("0")


class Changes:
    """The changes of an edit: keys with their values, as bytes, in the order in which it made them.

    ``created`` is true if there was no database before; relayers_db sets it. ``valid`` are the keys, of those that renew()
    was given, whose permission has not run out. ``texts`` is what expire() has made of the removed keys.
    """

    def __init__(self) -> None:
        self.added: dict[bytes, bytes] = {}
        self.updated: dict[bytes, tuple[bytes, bytes]] = {}
        self.removed: dict[bytes, bytes] = {}
        self.count = 0
        self.created = False
        self.valid: set[str] = set()
        self.texts: list[bytes] = []

    def __bool__(self) -> bool:
        return self.created or self.count > 0

    def keys_added(self) -> list[str]:
        """Return the keys in ``added`` as text."""
        return [key.decode("utf-8", "backslashreplace") for key in self.added]

    def keys_removed(self) -> list[str]:
        """Return the keys in ``removed`` as text."""
        return [key.decode("utf-8", "backslashreplace") for key in self.removed]

    def as_returned(self) -> dict[str, Any]:
        """Return the changes as the modules return them and ``vsmtprelay --json`` prints them."""
        from ..entries.relayers import names  # start-up: see __init__

        return {
            "created": self.created,
            "added": names(self.added),
            "updated": names(self.updated),
            "removed": names(self.removed),
        }

    def add_removed(self, listed: Mapping[bytes, bytes]) -> None:
        """Count as removed also what was ``listed`` before, with these values, and was removed by others meanwhile."""
        gone = {key: value for key, value in listed.items() if key not in self.removed}
        self.removed.update(gone)
        self.count += len(gone)

    def joined(self, later: Changes) -> Changes:
        """Return these and the ``later`` changes of the same database, of which none removes a key."""
        both = Changes()
        both.count = self.count + later.count
        both.added = {**self.added, **later.added}
        both.updated = {**self.updated, **later.updated}
        return both

    def put(self, entries: Entries, key: bytes, value: bytes) -> None:
        """Store ``value`` under ``key``; record a change unless it had this value."""
        self.replace(entries, key, entries.get(key), value)

    def replace(self, entries: Entries, key: bytes, before: bytes | None, value: bytes) -> None:
        """Store ``value`` under ``key``, whose value is ``before`` (None: missing); record a change unless they are equal."""
        if before == value:
            return
        entries.put(key, value)
        self.count += 1
        if before is None:
            self.added[key] = value
        else:
            self.updated[key] = (before, value)

    def remove(self, entries: Entries, key: bytes, latest: int | None = None) -> bool:
        """Remove ``key``, also as makemap -N writes it, and record the change; return whether it was there.

        With ``latest`` (epoch seconds) it is removed only if it is stamped then or before.
        """
        found = False
        for stored in (key, key + b"\0"):
            before = entries.get(stored)
            if before is not None and (latest is None or _is_stamped_until(latest, before)):
                entries.delete(stored)
                self.count += 1
                self.removed[key] = before
                found = True
        return found


def put(values: Mapping[str, int]) -> Edit:
    """Return the edit that sets each key of ``values`` to its timestamp (epoch seconds), whatever its value was."""

    def edit(entries: Entries) -> Changes:
        changes = Changes()
        for key, timestamp in values.items():
            changes.put(entries, key.encode(), value_of(timestamp))
        return changes

    return edit


def record_logins(logins: Mapping[str, int]) -> Edit:
    """Return the edit that records logins: key → epoch seconds.

    A login never shortens a permission: an entry with the same or a later timestamp stays. A value that is
    not a timestamp permits nothing, so it is replaced.
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


def renew(keys: Collection[str], now: int, limit: int) -> Edit:
    """Return the edit that stamps the entries of ``keys`` with ``now`` (epoch seconds) once half of their time is over.

    ``limit`` is how many seconds a permission lasts. An entry that is missing or has run out stays as it is: it was revoked,
    or only a new login may permit its client again. So does one in the future, and one that was stamped after ``now``.
    """

    def edit(entries: Entries) -> Changes:
        changes = Changes()
        for text in keys:
            key = text.encode()
            before = entries.get(key)
            timestamp = None if before is None else timestamp_of(before)
            if timestamp is not None and now - timestamp < limit:
                changes.valid.add(text)
                if now - timestamp >= limit / 2:
                    changes.replace(entries, key, before, value_of(now))
        return changes

    return edit


def ensure(
    wanted: Mapping[str, int | None],
    now: int,
    refresh_after: int | None = None,
    purge: bool = False,
    permanent: Collection[str] | None = None,
) -> Edit:
    """Return the edit that ensures the entries in ``wanted``: key → epoch seconds, or None for any time.

    For None, a missing key is stamped ``now`` (epoch seconds). A present one stays unchanged, unless
    ``refresh_after`` (seconds) is given and it is older than that. An entry in the future is never made
    earlier. With ``purge`` every entry that is not named is removed.

    ``permanent`` are the keys of all entries with the timestamp PERMANENT. Any other entry with that
    timestamp is removed. An entry with a different timestamp was recorded, or stored by hand, and stays.
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
    """Return the edit that restores entries: key → value, both as they were stored.

    An entry with a later timestamp than in ``values`` stays, and so does an entry that is not named. With
    ``exactly`` the database then holds ``values`` and nothing else.
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
    """Return the edit that removes ``keys``. Missing keys are ignored."""

    def edit(entries: Entries) -> Changes:
        changes = Changes()
        for key in keys:
            changes.remove(entries, key.encode())
        return changes

    return edit


def revoke(seconds: Mapping[str, int], now: int) -> Edit:
    """Return the edit that removes each key of ``seconds`` whose entry is stamped at those epoch seconds or before.

    An entry that is in the future at ``now`` (epoch seconds) stays, so also a permanent one, and so does a value that is no
    timestamp. Missing keys are ignored.
    """

    def edit(entries: Entries) -> Changes:
        changes = Changes()
        for text, latest in seconds.items():
            changes.remove(entries, text.encode(), min(latest, now))
        return changes

    return edit


def _is_stamped_until(latest: int, value: bytes) -> bool:
    timestamp = timestamp_of(value)
    return timestamp is not None and timestamp <= latest


def expire(minutes: int, now: int, name_them: bool = True, text_of: Callable[[list[bytes]], bytes] | None = None) -> Edit:
    """Return the edit that removes every entry that is ``minutes`` old or older at ``now`` (epoch seconds).

    With 0 minutes that is every entry that is not in the future. Values that are not timestamps stay.
    Without ``name_them`` the removed entries are only counted: half a million of them take more memory than
    the file. ``text_of`` returns a text for the removed keys of a page, which takes less.
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
            # Numbers with the same count of digits compare as text, in half the time for a million of them.
            old = [
                key
                for key, value in zip(keys, values)
                if (value <= limit_text if len(value) == width and value.isdigit() and value[0] != ZERO else is_old(value))
            ]
            changes.count += len(old)
            if text_of is not None and old:
                changes.texts.append(text_of(old))
            if name_them:
                values_of = dict(zip(keys, values))
                changes.removed.update((key, values_of[key]) for key in old)
            return old

        entries.delete_where(old_ones)
        return changes

    return edit
