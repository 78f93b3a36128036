# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lines of the ruleset that lets a client relay if relayers.db lists it.

It hooks into an existing ruleset. In a stock sendmail.cf that is Rcpt_ok, which check_rcpt calls first
(proto.m4 of sendmail 8.15 to 8.18). The hook appends to its end, which only recipients reach that are not
local: whatever the state of the database, mail to local users never depends on it. It returns RELAY, as an
entry ``Connect:... RELAY`` in the access map would: Local_check_rcpt, the access map, black lists and all
other checks still apply. In every other case it leaves the decision to the existing rules, which refuse
with 550. So the ruleset can only permit, and it permits in one case: the client's address has a plain number
as its value, and that timestamp lies within the window.

If the existing rules refuse no client, the hook refuses: a client that is not listed, not of this host and
not authenticated, for a recipient that sendmail would pass on to another host. It calls rulesets 3 and 0 to
find out, as sendmail does when it delivers, so an address is judged by its destination, however it is written.
"""

from __future__ import annotations

import re

from ..errors import MalformedError
from .mailers import local_mailers

LONGEST_PATH = 200
# No character that has a special meaning to sendmail, m4 or a K line.
PATH_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+@:~")

COMMENT = """\
# A client that is listed in the database may relay{window}.
"""
CLOSED = """\
# Everybody else is left to the rules that were there before.
"""
OPEN = """\
# Everybody else is refused, but for this host, its networks in class R, and those who authenticated.
"""

# -o: without the file no client is listed. -t: an unreadable file permits nothing, and delays no local mail. The map is
# declared twice: a process that opens it at the very moment of an atomic replace fails, and does not retry (db_map_open() in
# map.c compares the two files); the second map then opens the new file.
FIRST_MAP = """\
Kvsmtprelay_first hash -o -t {relayers_db}
"""
MAPS = f"""\
{FIRST_MAP}\
Kvsmtprelay_again hash -o -t {{relayers_db}}
Kvsmtprelay_number regex -n -aNUMBER ^0.|[^0-9]|^.{{{{13}}}}
"""

# ${time} is useless here: it is the start of the session, and empty after RSET or STARTTLS (settime() and newenvelope() in
# envelope.c). date runs only for a client that is listed.
CLOCK = """\
Kvsmtprelay_arith arith
Kvsmtprelay_clock program -o -t /bin/date -u
"""

LOOK_UP = """\
SVsmtprelay
R$*	$: <$(vsmtprelay_first $&{{client_addr}} $: ? $)>
R<?>	$: <$(vsmtprelay_again $&{{client_addr}} $: ? $)>
R<$->	$: <$1> $(vsmtprelay_number $1 $: BAD $)
"""

LISTED = """\
R<$-> NUMBER	$@ RELAY
R$*	$@ NO
"""

# The text before the window in seconds.
AGE = "$(vsmtprelay_arith - $@ $2 $@ "
RECENT = f"""\
R<$-> NUMBER	$: <$1> now $(vsmtprelay_clock +%s $: BAD $)
R<$-> now $-	$: <$1> $2 $(vsmtprelay_number $2 $: BAD $)
R<$-> $- NUMBER	$: <$1> limit {AGE}{{seconds}} $: BAD $)
R<$-> limit BAD	$@ NO
R<$-> limit $-	$: limit $(vsmtprelay_arith l $@ $2 $@ $1 $: BAD $)
Rlimit TRUE	$@ RELAY
R$*	$@ NO
"""

# Replaces the look-up to test what happens to a listed client.
EVERYBODY = """\
SVsmtprelay
R$*	$@ RELAY
"""

ACCEPT = """\
S{ruleset}
R$*	$: $1 $| $>Vsmtprelay
R$* $| RELAY	$@ {answer}
R$* $| NO	$: $1
"""

# This host is recognized as in Relay_ok of proto.m4. Without a client address, the client is a program of this host. A
# recipient at a domain of this host, or one that this host forwards for, is accepted as before, unless its local part names a
# further host.
REFUSE = """\
Kvsmtprelay_dequote dequote
SVsmtprelay_refuse
R$*	$: $1 $| $&{{client_addr}}
R$* $|	$@ OK
R$* $| 0	$@ OK
R$* $| 127.$*	$@ OK
R$* $| IPv6:0:0:0:0:0:0:0:1	$@ OK
R$* $| IPv6:::1	$@ OK
R$* $| $=R $*	$@ OK
R$* $| $*	$: $1 $| $&{{auth_type}}
R$* $| $+	$@ OK
R$* $|	$: $1 $| $>Vsmtprelay
R$* $| RELAY	$@ OK
R$* $| NO	$: $>3 $1
R$*	$: $1 $| $1
R$* $| $- < @ $* > $*	$: $1 $| $(vsmtprelay_dequote $2 $) < @ $3 > $4
R$* $| $* % $* < @ $* > $*	$: $1
R$* $| $* ! $* < @ $* > $*	$: $1
R$* $| $* @ $* < @ $* > $*	$: $1
R$* $| $* : $* < @ $* > $*	$: $1
R$* $| $* < @ $=w . > $*	$@ OK
R$* $| $* < @ $* . > $*	$1 $| $2 < @ $3 > $4
R$* $| $* < @ $={{VirtHost}} > $*	$@ OK
R$* $| $* < @ $* $=R > $*	$@ OK
{mailertable}\
R$* $| $*	$: $1
R$*	$: $1 $| $>0 $1
R$* $| $#error $*	$@ OK
{mailers}\
R$* $| $#$*	$#error $@ 5.7.1 $: "550 Relaying denied. Log in to read your mail first."
R$*	$@ OK
S{ruleset}
R$*	$: $1 $| $>Vsmtprelay_refuse $1
R$* $| $#$*	$#$2
R$* $| OK	$: $1
"""
# As in Mailertable of proto.m4, without the entry for everything else (".").
MAILERTABLE = """\
R$* $| $* < @ $+ > $*	$: $1 $| <$(mailertable $3 $: ? $)> < $3 >
R$* $| <?> < $- . $+ >	$1 $| <$(mailertable .$3 $: ? $)> < $3 >
R$* $| <?> $*	$: $1
R$* $| <$*> $*	$@ OK
"""

ACCEPTS, REFUSES = "accepts", "refuses"
NOTE = re.compile(rf" \((\S+) ({ACCEPTS}|{REFUSES})\)")


class Hook:
    """The existing ruleset that the lines extend, and what they do there. ``note`` is the part of the marker that names it."""

    __slots__ = ("answer", "note", "ruleset")

    def __init__(self, ruleset: str, answer: str, note: str) -> None:
        """``answer`` is the result for a listed client; empty if the hook refuses clients that are not listed."""
        self.ruleset = ruleset
        self.answer = answer
        self.note = note

    @property
    def refuses(self) -> bool:
        """Whether the hook refuses clients that may not relay, instead of leaving that to the existing rules."""
        return not self.answer

    def text(self) -> str:
        """Return its lines, with braces doubled as in the other templates."""
        return (REFUSE if self.refuses else ACCEPT).replace("{ruleset}", self.ruleset).replace("{answer}", self.answer)


STOCK = Hook("Rcpt_ok", "RELAY", "")


def accepting(ruleset: str) -> Hook:
    """Return the hook before a rule of ``ruleset`` (str) that refuses: it accepts for a listed client."""
    return Hook(ruleset, STOCK.answer if ruleset == STOCK.ruleset else "OK", f" ({ruleset} {ACCEPTS})")


def refusing(ruleset: str) -> Hook:
    """Return the hook in ``ruleset`` (str) that refuses clients that may not relay."""
    return Hook(ruleset, "", f" ({ruleset} {REFUSES})")


def hook_in(marker: str) -> Hook:
    """Return the hook that the line ``marker`` names."""
    found = NOTE.search(marker)
    if found is None:
        return STOCK
    return accepting(found[1]) if found[2] == ACCEPTS else refusing(found[1])


class Ruleset:
    """The ruleset of one sendmail.cf: its database, and the window after a login in which the client may relay."""

    def __init__(self, relayers_db: str, window: int) -> None:
        """``relayers_db`` is an absolute path; ``window`` is in minutes, and with 0 every listed client may relay.

        Raises MalformedError for a path that a K line cannot hold, and for a negative window.
        """
        fits = PATH_CHARACTERS.issuperset(relayers_db) and len(relayers_db) <= LONGEST_PATH
        if not fits or not relayers_db.startswith("/") or not relayers_db.endswith(".db"):
            raise MalformedError(
                f"{relayers_db!r}: sendmail's K line takes an absolute path that ends in .db, "
                f"of at most {LONGEST_PATH} letters, digits and /._-+@:~"
            )
        if window < 0:
            raise MalformedError(f"a window of {window} minutes: it is 0 or more")
        self.relayers_db = relayers_db
        self.window = window

    def text(self, hook: Hook = STOCK, everybody: bool = False, configuration: str = "") -> str:
        """Return the lines for sendmail.cf. TABs separate the sides of a rule (Sendmail Operation Guide, 5.1).

        With ``everybody`` every client counts as listed: for a test, never to be installed. ``configuration`` is the text that
        the lines go into: its local mailers and its mailertable.
        """
        look_up = CLOCK + LOOK_UP + RECENT if self.window else LOOK_UP + LISTED
        if everybody:
            look_up = EVERYBODY
        template = COMMENT + (OPEN if hook.refuses else CLOSED) + MAPS + look_up + hook.text()
        return template.format(
            window=f" for {self.window} minutes after its timestamp" if self.window else "",
            relayers_db=self.relayers_db,
            seconds=self.window * 60,
            mailers="".join(f"R$* $| $#{name} $*\t$@ OK\n" for name in local_mailers(configuration)) if hook.refuses else "",
            mailertable=MAILERTABLE if "\nKmailertable " in configuration else "",
        )

    def more(self, hook: Hook) -> str:
        """Return the lines for a further place, besides text()."""
        return hook.text().format()


def window_of(text: str) -> int | None:
    """Return the window in minutes of the ruleset in ``text``: 0 if every listed client may relay, None without a ruleset."""
    if "SVsmtprelay\n" not in text.replace("\r\n", "\n"):
        return None
    _before, found, after = text.partition(AGE)
    return int(after.split(None, 1)[0]) // 60 if found else 0


def first_map(relayers_db: str) -> str:
    """Return the line that shows that a ruleset looks into the database at ``relayers_db``."""
    return FIRST_MAP.format(relayers_db=relayers_db)
