# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The secret that proves to the recorder that a report comes from Dovecot.

Dovecot 2.3 reports over TCP, and any local user can reach that port. The file is Dovecot configuration, which makes Dovecot
send the secret: with reports in a header, and with events as the password in a URL, since an exporter can set no header. The
recorder reads the secret from the last line, so that it exists in one file.
"""

from __future__ import annotations

import hmac
import os
import secrets
from urllib.parse import quote

from ..errors import MalformedError, UnreadableError
from ..files import text_file

HEADER = "X-API-Key"
SETTING = "auth_policy_server_api_header"
FEWEST_CHARACTERS = 32
# How Dovecot sends events (unreported.py). Which of them is in the role's own file, with an exporter of the same name that
# drops all, for ordinary users, who cannot read this one. And this one is complete, for older copies of the role's file.
#
# Dovecot sends one event at a time, and keeps the others in memory. It drops each that was not sent within the timeout, by
# default within 250 ms. An hour of 20 logins a second takes three quarters of the default vsz_limit, 256 MB. A process that
# exceeds it is started anew, without the events: more time would cost busy hosts all of them. No login fails of that.
TEXT = """event_exporter vsmtprelay {{
  format = json
  format_args = time-unix
  transport = http-post
  transport_args = http://vsmtprelay:{quoted}@127.0.0.1:785/unreported
  transport_timeout = 1 hours
}}
{line}
"""


def create(path: str) -> None:
    """Write a new random secret to ``path``, readable by root only. Raises UnwritableError."""
    text_file.create_directory(os.path.dirname(path))
    text_file.replace(path, text_with(secrets.token_hex(32)), attributes())


def attributes() -> text_file.Attributes:
    """Return the owner and mode of the file."""
    return text_file.Attributes(os.geteuid(), os.getegid(), 0o600)


def text_with(secret: str) -> bytes:
    """Return the text of the file with ``secret``."""
    return TEXT.format(quoted=quote(secret, safe=""), line=f"{SETTING} = {HEADER}:{secret}").encode()


def due_text(path: str) -> bytes | None:
    """Return the text that the file at ``path`` ought to have, or None if it has it.

    A file of an earlier version keeps its secret. Raises UnreadableError, MalformedError.
    """
    before = text_file.read(path)
    text = text_with(secrets.token_hex(32) if before is None else load(path))
    return None if text == before else text


def is_right(given: bytes, key: bytes) -> bool:
    """Return whether ``given``, from a report, is the key; compares in constant time."""
    return bool(key) and hmac.compare_digest(given.strip(), key)


def load(path: str) -> str:
    """Return the secret in the file at ``path``. Raises UnreadableError, MalformedError."""
    content = text_file.read(path)
    if content is None:
        raise UnreadableError(f"{path}: no such file; run the role again, or vsmtprelay-recorder --create-key {path}")
    secret = content.decode("ascii", "replace").rpartition(":")[2].strip()
    if len(secret) < FEWEST_CHARACTERS:
        raise MalformedError(f"{path}: holds no secret; remove the file and run the role again")
    return secret
