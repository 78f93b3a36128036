# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The mailers of a sendmail.cf that deliver on this host, as opposed to those that pass mail on to another one."""

from __future__ import annotations

import os
import re

# The local mailers of sendmail's m4 files (cf/mailer/*.m4), which a sendmail.mc does not spell out.
KNOWN = ("local", "prog", "procmail", "cyrus", "cyrusbb", "cyrusv2", "fax", "pop", "usenet", "lmtp", "mailman")
MAILER = re.compile(r"^M([A-Za-z0-9_-]+)[ \t]*,([^\n]*(?:\n[ \t][^\n]*)*)", re.MULTILINE)
FIELD = re.compile(r"(?:^|,)\s*([PA])[a-z]*\s*=\s*([^,]*)")
# The programs of mailers that pass mail on (uucp.m4, phquery.m4, mail11.m4).
FORWARDERS = ("uux", "phquery", "mail11")
LOOPBACK = re.compile(r"(\[?127\.[0-9.]+\]?|localhost|\[?::1\]?)$")


def local_mailers(text: str) -> list[str]:
    """Return the names of the mailers that deliver on this host: those that ``text`` defines, and those of the m4 files.

    A mailer of another host is one over TCP (``P=[IPC]`` or ``[TCP]``), except to a UNIX socket or to loopback, as for LMTP,
    and one of uucp (Sendmail Operation Guide, 5.4).
    """
    local = dict.fromkeys(KNOWN, True)
    for name, fields in MAILER.findall(text):
        local[name] = _is_local(dict(FIELD.findall(fields)))
    return [name for name, is_local in local.items() if is_local]


def _is_local(fields: dict[str, str]) -> bool:
    program = fields.get("P", "").strip()
    if program not in ("[IPC]", "[TCP]"):
        return os.path.basename(program.split(" ")[0]) not in FORWARDERS
    words = fields.get("A", "").split()
    return words[:1] == ["FILE"] or (len(words) > 1 and LOOPBACK.match(words[1]) is not None)
