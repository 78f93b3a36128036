# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ACL file of an engine: two users for each mail host, one for root on the engine, and none for anybody else.

A user has one hash, and a second one while the secret of a host is changed: until the host uses the new secret, both work.
"""

from __future__ import annotations

import re

from .access import DEFAULT_USER, acl_lines_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# Its name is no host's: those end in -pub and -sub.
ADMIN = "vsmtprelay-admin"
ADMIN_LINE = "user {admin} on #{digest} -@all +ping +info +acl|load\n"
HASH = re.compile(r"[0-9a-f]{64}")
LINE = re.compile(r"^user (\S+)-pub on ((?:#[0-9a-f]{64} )+)~", re.MULTILINE)


def acl_text(before: str, wanted: Mapping[str, str | None], admin: str, keep_old: bool) -> str:
    """Return the text of the ACL file for the hosts ``wanted``, by name with the hash of their secret.

    A host with None keeps the hashes that it has in the text ``before``, and so does one whose hash is none: it comes from that
    host, which must not add anything else to the file. With ``keep_old`` each of the others keeps them beside
    the new one. ``admin`` is the hash of the secret of root on the engine.
    """
    known = {host: [each[1:] for each in hashes.split()] for host, hashes in LINE.findall(before)}
    lines = [f"{DEFAULT_USER}\n", ADMIN_LINE.format(admin=ADMIN, digest=admin)]
    for host in sorted(wanted):
        new, old = wanted[host], known.get(host, [])
        hashes = old if new is None or not HASH.fullmatch(new) else list(dict.fromkeys([new, *(old if keep_old else [])]))
        if hashes:
            lines += [f"{line}\n" for line in acl_lines_of(host, hashes)]
    return "".join(lines)


def hosts_of(text: str) -> dict[str, str]:
    """Return the hashes of each host in an ACL file, as text."""
    return dict(LINE.findall(text))
