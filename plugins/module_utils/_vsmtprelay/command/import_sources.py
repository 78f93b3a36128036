# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The entries of other POP-before-SMTP programs: pop-before-smtp, DRAC, popauth, vpopmail.

They are in a Berkeley DB hash or btree, or in text that makemap reads. The keys are addresses in several
spellings. The values are times of logins, times of expiry, or a word: then the last change of the file counts
as the time of the login. Nothing is guessed: an entry that is not certainly a permission for one address is
a fault.
"""

from __future__ import annotations

import sys

from ..backends.berkeley_verify import libdb_finds_sound
from ..backends.kinds import BTREE, HASH, TEXT, kind_of
from ..database import relayers_db
from ..entries.addresses import key_of
from ..entries.makemap_text import parse_makemap, printable_text
from ..entries.timestamps import LAST_TIMESTAMP, timestamp_of
from ..errors import MalformedError, UnreadableError
from . import import_berkeley_db

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

STANDARD_INPUT, STANDARD_INPUT_NAME = "-", "standard input"
# Values with which sendmail and Postfix let a client relay. Such a map may also hold REJECT.
PERMISSIONS = ("ok", "relay")
LONGEST_SHOWN = 60
# sendmail's popauth.m4 puts it before the address.
TAG = "pop:"
# vpopmail's open-smtp has a line of tcprules(1) in place of the address.
TCP_RULE = ":allow,relayclient"
# DRAC, built for a mail server other than sendmail, writes networks of one address.
SINGLE_ADDRESS = {False: "/32", True: "/128"}


class Source:
    """The entries of one file, and the time of its last change (epoch seconds)."""

    __slots__ = ("changed", "items", "path")

    def __init__(self, path: str, items: Iterable[tuple[bytes, bytes]], changed: int) -> None:
        self.path = path
        self.items = items
        self.changed = changed


def read_source(path: str, now: int, lock_seconds: float) -> Source:
    """Return the entries of the file at ``path``, or of the standard input if it is ``-``.

    Raises UnreadableError if it is missing, damaged, or neither a Berkeley DB nor text, MalformedError if it is text that
    makemap would not read, LockedError if another program has it open for writing for longer than ``lock_seconds``.
    """
    if path == STANDARD_INPUT:
        return Source(STANDARD_INPUT_NAME, _items_of_text(STANDARD_INPUT_NAME, _standard_input()), now)
    with relayers_db.copy_of(path, lock_seconds) as snapshot:
        if not snapshot.exists:
            raise UnreadableError(f"{path}: no such file; check the path")
        # A time in the future would extend the permission until then.
        changed = min(now, snapshot.modified)
        content = snapshot.content()
        kind = kind_of(content)
        if kind in (HASH, BTREE):
            if not libdb_finds_sound(snapshot.descriptor):
                raise UnreadableError(f"{path}: damaged, nothing was imported; see what db5.3_verify {path} says")
            return Source(path, import_berkeley_db.read_items(snapshot.descriptor, path), changed)
    if kind not in (TEXT, None):
        raise UnreadableError(kind.refusal_of_source(path))
    return Source(path, _items_of_text(path, content), changed)


def timestamps_in(
    source: Source, now: int, expires_after: int | None = None, permissions: Iterable[str] = PERMISSIONS
) -> tuple[dict[str, int], list[str]]:
    """Return the keys of ``source``, as sendmail looks them up, with the times of the logins, and a line for each fault.

    With ``expires_after`` the numbers in the file are times of expiry, that many minutes after the login, which
    cannot be later than ``now``. A value in ``permissions`` means a login at the last change of the file.
    """
    granted = {value.lower() for value in permissions}
    found: dict[str, int] = {}
    faults = []
    for stored_key, stored_value in source.items:
        value = printable_text(stored_value)
        try:
            key = _key_in(printable_text(stored_key))
            timestamp = source.changed if value.lower() in granted else _timestamp_in(stored_value, now, expires_after)
        except MalformedError as error:
            faults.append(f"{source.path}: {error}")
            continue
        if timestamp is None:
            shown = value if len(value) <= LONGEST_SHOWN else f"{value[:LONGEST_SHOWN]}..."
            faults.append(
                f"{source.path}: {key} has the value {shown!r}, neither a time nor one that is known to let it relay; "
                f"--value {shown!r} says that it is one"
            )
        else:
            found[key] = max(timestamp, found.get(key, 0))
    return found, faults


def _standard_input() -> bytes:
    if sys.stdin is None:
        raise UnreadableError(f"{STANDARD_INPUT_NAME}: is closed; name a file")
    content = sys.stdin.buffer.read()
    kind = kind_of(content)
    if kind not in (TEXT, None):
        raise UnreadableError(f"{STANDARD_INPUT_NAME}: is {kind.name}, nothing was imported; it has to be named as a file")
    return content


def _items_of_text(path: str, content: bytes) -> list[tuple[bytes, bytes]]:
    if b"\0" in content:
        raise UnreadableError(f"{path}: neither a Berkeley DB hash or btree nor text that makemap reads; check the path")
    try:
        return list(parse_makemap(content.decode("utf-8", "surrogateescape")).items())
    except MalformedError as error:
        raise MalformedError(f"{path}: {error}, nothing was imported") from None


def _key_in(text: str) -> str:
    """Return the key of the address that ``text``, the key of another program, means. Raises MalformedError."""
    address = text
    if text.lower().startswith(TAG):
        address = text[len(TAG) :]
    elif TCP_RULE in text.lower():
        address = text[: text.lower().index(TCP_RULE)]
    suffix = SINGLE_ADDRESS[":" in address]
    if address.endswith(suffix):
        address = address[: -len(suffix)]
    try:
        return key_of(address)
    except MalformedError:
        return key_of(text)  # for a message with the text of the file


def _timestamp_in(value: bytes, now: int, expires_after: int | None) -> int | None:
    number = timestamp_of(value)
    if number is None or number > LAST_TIMESTAMP:
        return None
    if expires_after is None:
        return number
    return max(0, min(number - 60 * expires_after, now))
