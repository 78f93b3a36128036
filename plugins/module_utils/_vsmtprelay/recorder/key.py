# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The secret that proves to the recorder that a report comes from Dovecot.

Dovecot 2.3 reports over TCP, and any local user can reach that port. The file is one line of Dovecot
configuration, which makes Dovecot send the secret. The recorder reads the secret from the same line, so that
it exists in one place.
"""

from __future__ import annotations

import hmac
import os
import secrets

from ..errors import MalformedError, UnreadableError
from ..files import text_file

HEADER = "X-API-Key"
SETTING = "auth_policy_server_api_header"
FEWEST_CHARACTERS = 32


def create(path: str) -> None:
    """Write a new random secret to ``path``, readable by root only. Raises UnwritableError."""
    text_file.create_directory(os.path.dirname(path))
    line = f"{SETTING} = {HEADER}:{secrets.token_hex(32)}\n"
    text_file.replace(path, line.encode(), text_file.Attributes(os.geteuid(), os.getegid(), 0o600))


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
