# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What sendmail is asked about a sendmail.cf: which clients may send to which recipients, and by which mailer.

All questions go to one ``sendmail -bt`` (Sendmail Operation Guide, 8.4). The macros of an SMTP session are set by hand, as
srvrsmtp.c sets them; where sendmail takes their values from rulesets of the file, by rulesets that are added to it. The names
and addresses are those of the resolver.
"""

from __future__ import annotations

import re
import socket
from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

STRANGER_ADDRESS = "203.0.113.77"
# The values of ${client_resolve} are those of srvrsmtp.c. The name of a client that cannot be trusted is its address.
UNNAMED = f"[{STRANGER_ADDRESS}]"
CLIENTS = {
    "a stranger": ("mail.stranger.example", STRANGER_ADDRESS, "OK", ""),
    "a stranger without a name": (UNNAMED, STRANGER_ADDRESS, "FAIL", ""),
    "a stranger with a forged name": (UNNAMED, STRANGER_ADDRESS, "FORGED", ""),
    "a stranger whose name cannot be looked up": (UNNAMED, STRANGER_ADDRESS, "TEMP", ""),
    "a client that has authenticated": ("mail.stranger.example", STRANGER_ADDRESS, "OK", "PLAIN"),
    "this host": ("localhost", "127.0.0.1", "OK", ""),
}
STRANGERS = tuple(name for name in CLIENTS if name.startswith("a stranger"))
SENDERS = ("<>", "<somebody@stranger.example>")
# Rulesets that set the macro for the sender as setsender() in envelope.c does, and the one for the recipient's mailer.
MORE_RULESETS = """
Kvsmtprelay_set macro
SVsmtprelay_from
R$*	$: $>3 $1
R$*	$: $>1 $1
R$*	$: $>4 $1
R@ $*	< @ $1 >
R$*	$: $(vsmtprelay_set f $@ $1 $)
SVsmtprelay_to
R$*	$: $>3 $1
R$*	$: $>0 $1
R$#$- $*	$: $(vsmtprelay_set {rcpt_mailer} $@ $1 $)
"""
# Recipients at another host.
REMOTE = "<somebody@remote.example>"
LITERAL = "<somebody@[203.0.113.200]>"
FAILING = "<somebody@host.fails.example>"
# Other ways to write such a recipient; {0} stands for a domain of this host.
SPELLINGS = (
    "<@{0}:somebody@remote.example>",
    "<somebody%remote.example@{0}>",
    "<remote.example!somebody>",
    "<remote.example!somebody@{0}>",
    "<somebody@remote.example@{0}>",
    '<"somebody@remote.example"@{0}>',
)
# Recipients of this host, if somebody is one.
LOCAL_PARTS = ("postmaster", "somebody")
MOST_DOMAINS = 2  # of each class
CLASS_LINE = re.compile(r"^C(?:([wR])|\{(w|R|VirtHost)\})[ \t]*([^\r\n]*)", re.MULTILINE)
DOMAIN = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[.])*[A-Za-z0-9-]+")
# A word that the left side of a rule which refuses has as a local part, as in a ban of a recipient or a sender.
BANNED = re.compile(r"^R(?:[^\t\n]*[^\t\n\w-])?([A-Za-z][\w-]*) *<? *@[^\t\n]*\t+ *\$# *(?:error|discard)\b", re.MULTILINE)
MOST_BANNED = 3
MAP_LINE = re.compile(r"^K[ \t]*([^ \t\r\n]+)[ \t]+([A-Za-z]+)", re.MULTILINE)
OUTSIDE_MAPS = (
    *("hash", "btree", "dbm", "ndbm", "cdb", "text", "implicit"),
    *("ldap", "ldapx", "nis", "nisplus", "netinfo", "hesiod", "ph", "socket"),
)
MOST_MAPS = 20
# 75 is EX_TEMPFAIL.
FAILING_MAP = re.compile(r"^map_lookup: (\S+) \([^\n]*\) no match \(75\)", re.MULTILINE)
ROUTE = re.compile(r"^[^\n]*returns: +\$# *(\S+)[^\n]*$", re.MULTILINE)
REFUSED = re.compile(r"\$# ?(error|discard)\b")
TEMPORARY = re.compile(r"""\$# ?error\b.*(\$@ ?(4 ?\.|TEMPFAIL\b|75\b)|\$: ?"?4[0-9][0-9]\b)""")
ACCEPTED = "accepted"


class Question(NamedTuple):
    """One RCPT: the name of a client in CLIENTS, the sender and the recipient, as in SMTP."""

    client: str
    sender: str
    recipient: str

    def __str__(self) -> str:
        return f"{self.client}, from {self.sender} to {self.recipient}"


class Answers:
    """The answers of one file: ``replies`` is the answer to each question, ``mailers`` the mailer for each recipient.

    A reply is ACCEPTED, or the text of the error as check_rcpt returns it. ``complaint`` is what sendmail printed besides.
    """

    def __init__(self, replies: dict[Question, str], mailers: dict[str, str]) -> None:
        self.replies = replies
        self.mailers = mailers
        self.complaint = ""


def domains_in(text: str) -> list[str]:
    """Return some domains of this host in ``text``, that of a sendmail.cf: localhost, and of its classes w, R and VirtHost."""
    classes: dict[str, list[str]] = {"": ["localhost", socket.gethostname()]}
    for line in CLASS_LINE.finditer(text):
        classes.setdefault(line[1] or line[2], []).extend(line[3].split())
    found = [[name for name in dict.fromkeys(names) if DOMAIN.fullmatch(name)] for names in classes.values()]
    return list(dict.fromkeys(name for names in found for name in names[:MOST_DOMAINS]))


def banned_in(text: str) -> list[str]:
    """Return some local parts that ``text``, that of a sendmail.cf, may ban."""
    return list(dict.fromkeys(BANNED.findall(text)))[:MOST_BANNED]


def maps_in(text: str) -> list[str]:
    """Return the names of the maps in ``text``, that of a sendmail.cf, that depend on a file or a server."""
    return [name for name, kind in MAP_LINE.findall(text) if kind.lower() in OUTSIDE_MAPS][:MOST_MAPS]


def script_for_maps(maps: Sequence[str]) -> bytes:
    """Return the input for ``sendmail -bt`` that looks into each of ``maps``."""
    return "".join(f"/map {name} somebody\n" for name in maps).encode()


def failing_maps(output: str) -> list[str]:
    """Return the name of each map that fails temporarily by ``output``, of a sendmail that was given script_for_maps().

    sendmail's complaint follows the name, if there is one.
    """
    failing = []
    for part in re.split(r"^> ", output, flags=re.MULTILINE):
        found = FAILING_MAP.search(part)
        if found:
            complaint = part[: found.start()].strip().replace("\n", ", ")
            failing.append(f"map {found[1]}" + (f" ({complaint})" if complaint else ""))
    return failing


def recipients(domains: Sequence[str], banned: Sequence[str] = ()) -> tuple[list[str], list[str]]:
    """Return recipients of this host and of another one, the plain one first; the local parts ``banned`` are in both."""
    local = [f"<{part}>" for part in LOCAL_PARTS] + [f"<{part}@{domain}>" for domain in domains for part in LOCAL_PARTS]
    remote = [REMOTE, LITERAL, FAILING, *(spelling.format(domain) for domain in domains[:1] for spelling in SPELLINGS)]
    local += [f"<{part}@{domain}>" for domain in domains[:1] for part in banned]
    remote += [f"<{part}@remote.example>" for part in banned]
    return local, remote


def script(questions: Sequence[Question], addresses: Sequence[str]) -> bytes:
    """Return the input for ``sendmail -bt`` that asks ``questions``, and for the mailer of each of ``addresses``.

    The file has to have MORE_RULESETS at its end. Questions about the same recipient are best asked in a row.
    """
    lines = [".Dr ESMTP", ".D{addr_type}e r"]
    before: Question | None = None
    for question in questions:
        name, address, resolve, mechanism = CLIENTS[question.client]
        if before is None or before.client != question.client:
            lines += [f".D{{client_name}}{name}", f".D{{client_addr}}{address}", f".D{{client_resolve}}{resolve}"]
            lines += [f".D{{client_ptr}}{name}", f".D{{auth_type}}{mechanism}", f".D{{auth_authen}}{'me' if mechanism else ''}"]
            lines += [f".Ds{name}", f".D_{name} [{address}]"]
        if before is None or before.sender != question.sender:
            lines += [f"Vsmtprelay_from {question.sender}", f".D{{mail_from}}{question.sender}"]
            lines.append(f".D{{mail_addr}}{question.sender.strip('<>') or '<>'}")
        if before is None or before.recipient != question.recipient:
            lines += [f"Vsmtprelay_to {question.recipient}", f".D{{rcpt_addr}}{question.recipient.strip('<>')}"]
        lines.append(f"check_rcpt {question.recipient}")
        before = question
    lines += [f"3,0 {address.strip('<>')}" for address in addresses]
    return ("\n".join(lines) + "\n").encode()


def parse(output: str, questions: Sequence[Question], addresses: Sequence[str]) -> Answers | None:
    """Return the answers in ``output``, of a sendmail that was given script(); None if some are missing.

    Without a ruleset check_rcpt sendmail says so, and accepts every client.
    """
    # The prompt comes before what a line prints.
    parts = re.split(r"^> ", output, flags=re.MULTILINE)
    rcpts = [part for part in parts if re.match(r"(?:> )*check_rcpt +input:|(?:> )*Undefined ruleset check_rcpt", part)]
    routes = parts[len(parts) - len(addresses) - 1 : -1] if addresses else []
    if len(rcpts) != len(questions):
        return None
    replies = {question: _reply(part) for question, part in zip(questions, rcpts)}
    mailers = {}
    for address, part in zip(addresses, routes):
        found = ROUTE.findall(part)
        mailers[address] = found[-1] if found else ""
    return Answers(replies, mailers)


def _reply(part: str) -> str:
    found = re.findall(r"^check_rcpt +returns: ([^\n]*)$", part, re.MULTILINE)
    if not found or not REFUSED.match(found[-1]):
        return ACCEPTED
    return str(found[-1])
