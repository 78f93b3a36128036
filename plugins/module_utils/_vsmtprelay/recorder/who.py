# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is connected to a Dovecot to read mail, as ``doveadm who`` reports it."""

from __future__ import annotations

import os

from .. import programs
from ..entries.addresses import key_of, without_scope
from ..errors import MalformedError, RelayError, UnreadableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

# Dovecot answers for 10,000 sessions within 20 ms.
WHO_SECONDS = 5.0
LARGEST_ANSWER_BYTES = 64 << 20
# A session that is idle is moved to imap-hibernate (Dovecot manual, imap_hibernate_timeout); 2.3 calls it imap even then.
# Dovecot 2.4 also lists imap-login and pop3-login: sessions that it forwards to another host.
SERVICES = ("imap", "imap-hibernate", "pop3")
# The columns of the user, the service and the client's address; Dovecot 2.3 calls the service proto.
COLUMNS = (("username",), ("service", "proto"), ("ip",))


def connected(base: str, users: Collection[str]) -> set[tuple[str, str]]:
    """Return those of ``users`` who are connected to the Dovecot with the base directory ``base``, with their addresses' keys.

    Raises RelayError if Dovecot does not answer, or not as expected.
    """
    # Without -1 the sessions of a user share a line.
    command = ("doveadm", "-f", "tab", "who", "-a", os.path.join(base, "anvil"), "-1")
    ended = programs.run(command, WHO_SECONDS, most=LARGEST_ANSWER_BYTES)
    if ended.status != 0:
        raise UnreadableError(f"{' '.join(command)}: {ended.complaint}")
    return parse(ended.text, users)


def parse(answer: str, users: Collection[str]) -> set[tuple[str, str]]:
    """Return those of ``users`` who are connected, with their addresses' keys, as ``answer`` says: a table separated by tabs.

    Raises MalformedError if a column is missing.
    """
    lines = answer.split("\n")
    heads = lines[0].split("\t")
    places = [heads.index(name) for names in COLUMNS for name in names if name in heads]
    if len(places) != len(COLUMNS):
        raise MalformedError(f"doveadm who prints other columns than expected: {lines[0][:200]!r}")
    user, service, address = places
    found = set()
    for line in lines[1:]:
        fields = line.split("\t")
        if len(fields) == len(heads) and fields[user] in users and fields[service] in SERVICES:
            try:
                found.add((fields[user], key_of(without_scope(fields[address]))))
            except RelayError:
                continue  # a session without a client's address
    return found
