# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ruleset that lets a client relay which is listed in relayers.db: the lines of it.

It hooks into a ruleset that is there. In a stock sendmail.cf that is Rcpt_ok, which check_rcpt calls first (proto.m4 of
sendmail 8.15 to 8.18): it adds to its end, where only recipients arrive that are not local, so whatever becomes of the
database, mail to local users never gets to see it. It returns RELAY, as an entry ``Connect:... RELAY`` in the access map would:
Local_check_rcpt, the access map, black lists and all other checks still apply. Whatever else it meets leaves the decision to
the rules that are there, which refuse with 550. So it can only ever say yes, and says it in one case alone: a plain number
was found under the client's address, and it is more recent than the window allows.

Where the rules that are there refuse nobody, the hook does: whoever is not listed, not of this host and not authenticated, for
a recipient that sendmail would pass on to another host. It asks the rulesets 3 and 0 for that, as sendmail does when it
delivers, so whatever way an address is written, it is judged by where it would go.
"""

from __future__ import annotations

from ..errors import MalformedError

LONGEST_PATH = 200
# Nothing that sendmail, m4 or a K line would read as more than a part of a file name.
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

# -o: without the file nobody is listed; -t: a file that cannot be read opens nothing, and keeps no local mail away. The
# map stands twice because a process that opens it in the very moment in which a new file takes the place of the old one
# fails, and remembers that (db_map_open() in map.c compares the two); the second opens what is there then.
FIRST_MAP = """\
Kvsmtprelay_first hash -o -t {relayers_db}
"""
MAPS = f"""\
{FIRST_MAP}\
Kvsmtprelay_again hash -o -t {{relayers_db}}
Kvsmtprelay_number regex -n -aNUMBER ^0.|[^0-9]|^.{{{{13}}}}
"""

# ${time} is no help: it is the time at which the session began, and after RSET or STARTTLS it is empty (settime() and
# newenvelope() in envelope.c). date is run only for a client that is listed.
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

# What stands before the window in seconds.
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

# What stands in for the look-up where one wants to see what becomes of somebody who is listed.
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

# As Relay_ok in proto.m4 knows who is of this host. No client address at all: a program of this host.
REFUSE = """\
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
R$*	$: $1 $| $>0 $1
R$* $| $#local $*	$@ OK
R$* $| $#prog $*	$@ OK
R$* $| $#error $*	$@ OK
R$* $| $#$*	$#error $@ 5.7.1 $: "550 Relaying denied. Log in to read your mail first."
R$*	$@ OK
S{ruleset}
R$*	$: $1 $| $>Vsmtprelay_refuse $1
R$* $| $#$*	$#$2
R$* $| OK	$: $1
"""


class Hook:
    """How the ruleset is reached: from which ruleset of the file, and what it does there. ``note`` tells it in the file."""

    __slots__ = ("answer", "note", "ruleset")

    def __init__(self, ruleset: str, answer: str, note: str) -> None:
        """``answer`` is what it returns for a client that is listed; empty if it refuses those that are not."""
        self.ruleset = ruleset
        self.answer = answer
        self.note = note

    @property
    def refuses(self) -> bool:
        """Whether it refuses whoever may not relay, instead of leaving that to the rules that are there."""
        return not self.answer

    @property
    def tried(self) -> bool:
        """Whether it stands among rules that are not sendmail's own: whether it lets anybody relay has to be tried."""
        return self.ruleset == "check_rcpt"

    def text(self) -> str:
        """Return its lines, with braces doubled as those of the other templates."""
        return (REFUSE if self.refuses else ACCEPT).replace("{ruleset}", self.ruleset).replace("{answer}", self.answer)


STOCK = Hook("Rcpt_ok", "RELAY", "")
STOCK_OPEN = Hook("Local_check_rcpt", "", " (Local_check_rcpt refuses)")
OWN = Hook("check_rcpt", "OK", " (check_rcpt accepts)")
OWN_OPEN = Hook("check_rcpt", "", " (check_rcpt refuses)")
HOOKS = (STOCK_OPEN, OWN, OWN_OPEN, STOCK)


class Ruleset:
    """The ruleset for one sendmail.cf: which database it looks at, and for how long a login opens the relay."""

    def __init__(self, relayers_db: str, window: int) -> None:
        """``relayers_db`` is an absolute path; ``window`` is in minutes, and 0 means that being listed is enough.

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

    def text(self, hook: Hook = STOCK, everybody: bool = False) -> str:
        """Return the lines for sendmail.cf. TABs separate the sides of a rule (Sendmail Operation Guide, 5.1).

        With ``everybody`` they hold everybody for listed: to be tried, never to be installed.
        """
        look_up = CLOCK + LOOK_UP + RECENT if self.window else LOOK_UP + LISTED
        if everybody:
            look_up = EVERYBODY
        template = COMMENT + (OPEN if hook.refuses else CLOSED) + MAPS + look_up + hook.text()
        return template.format(
            window=f" for {self.window} minutes after its timestamp" if self.window else "",
            relayers_db=self.relayers_db,
            seconds=self.window * 60,
        )


def window_of(text: str) -> int | None:
    """Return the window in minutes of the ruleset in ``text``: 0 if being listed is enough, None if there is no ruleset."""
    if "SVsmtprelay\n" not in text.replace("\r\n", "\n"):
        return None
    _before, found, after = text.partition(AGE)
    return int(after.split(None, 1)[0]) // 60 if found else 0


def first_map(relayers_db: str) -> str:
    """Return the line by which one can tell that a ruleset looks into the database at ``relayers_db``."""
    return FIRST_MAP.format(relayers_db=relayers_db)
