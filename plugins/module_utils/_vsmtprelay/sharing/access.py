# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What this host may do on an engine: its two users, the keys that they may use, and its secret.

Redis 6.0 cannot separate reading a key from writing it, so there are two users for each host: one writes its own keys, the
other reads those of all hosts. The engine knows only the hash of the secret, which both have.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets

from ..errors import MalformedError, UnreadableError
from ..files import text_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

SECRET_PATH = "/etc/vsmtprelay/share-secret"
SECRET = re.compile(rb"[0-9a-f]{64}")
PREFIX = "vsmtprelay:1:"
PUBLISH = "pub"
SUBSCRIBE = "sub"
# The commands of each user, in lower case, beside AUTH.
COMMANDS = {
    PUBLISH: ("ping", "time", "multi", "exec", "xadd", "xrevrange", "zadd", "zrem", "zremrangebyscore", "pexpire", "xinfo"),
    SUBSCRIBE: ("ping", "time", "xread", "xinfo", "zrangebyscore"),
}
# The line of the engine's ACL file for the user of connections without a password: nobody can be that user. It has permissions
# all the same, since with a user without any, Redis 7.0 passes over all transactions when it reads its append-only file.
DEFAULT_USER = "user default off resetpass ~* +@all"
STREAM = "stream"
LOGINS = "logins"
REVOKED = "revoked"
RENEWED = "renewed"


def user_of(host: str, role: str) -> str:
    """Return the name of the user of ``host``; ``role`` is PUBLISH or SUBSCRIBE."""
    return f"{host}-{role}"


def key(host: str, what: str) -> str:
    """Return the key of ``host``; ``what`` is STREAM, LOGINS, REVOKED or RENEWED."""
    return f"{PREFIX}{host}:{what}"


def hash_of(secret: str) -> str:
    """Return the hash of ``secret`` as an engine has it: SHA-256 in hexadecimal, which says nothing about 256 random bits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def acl_lines(host: str, secret: str) -> list[str]:
    """Return the two lines of the engine's ACL file for ``host``; they hold the hash of ``secret`` only."""
    return acl_lines_of(host, [hash_of(secret)])


def acl_lines_of(host: str, hashes: Sequence[str]) -> list[str]:
    """Return the two lines for ``host``, whose secret has one of ``hashes``."""
    digests = " ".join(f"#{each}" for each in hashes)
    patterns = {PUBLISH: f"~{PREFIX}{host}:*", SUBSCRIBE: f"~{PREFIX}*"}
    return [
        f"user {user_of(host, role)} on {digests} {patterns[role]} -@all {' '.join(f'+{name}' for name in COMMANDS[role])}"
        for role in (PUBLISH, SUBSCRIBE)
    ]


def new_text() -> bytes:
    """Return the text of a file with a new secret of 256 bits."""
    return f"{secrets.token_hex(32)}\n".encode()


def attributes() -> text_file.Attributes:
    """Return the owner and mode of the file with the secret."""
    return text_file.Attributes(os.geteuid(), os.getegid(), 0o600)


def create_secret(path: str) -> None:
    """Write a new secret of 256 bits to ``path``, readable by its owner only. Raises UnwritableError."""
    text_file.create_directory(os.path.dirname(path))
    text_file.replace(path, new_text(), attributes())


def load_secret(path: str = SECRET_PATH) -> str:
    """Return the secret in the file at ``path``. Raises UnreadableError, MalformedError."""
    content = text_file.read(path, 4096)
    if content is None:
        raise UnreadableError(f"{path}: no such file; run the role again, or vsmtprelay-share --create-secret {path}")
    secret = content.strip()
    if not SECRET.fullmatch(secret):
        raise MalformedError(f"{path}: holds no secret; remove the file and run the playbook vsmtp.relay.engine again")
    return secret.decode()
