# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ruleset that lets a client relay which is listed in relayers.db: the lines of it.

It adds to Rcpt_ok, which the stock check_rcpt calls first (proto.m4 of sendmail 8.15 to 8.18), and stands at its end, where
only recipients arrive that are not local: whatever becomes of the database, mail to local users never gets to see it. It
returns RELAY, as an entry ``Connect:... RELAY`` in the access map would: Local_check_rcpt, the access map, black lists and
all other checks still apply. Whatever else it meets leaves the decision to sendmail's own rules, which refuse with 550. So
it can only ever say yes, and says it in one case alone: a plain number was found under the client's address, and it is
more recent than the window allows.
"""

from __future__ import annotations

from .errors import MalformedError

LONGEST_PATH = 200
# Nothing that sendmail, m4 or a K line would read as more than a part of a file name.
PATH_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+@:~")

COMMENT = """\
# A client that is listed in the database may relay{window}.
# Everybody else is left to the rules that were there before.
"""

# -o: without the file nobody is listed; -t: a file that cannot be read opens nothing, and keeps no local mail away. The
# map stands twice because a process that opens it in the very moment in which a new file takes the place of the old one
# fails, and remembers that (db_map_open() in map.c compares the two); the second opens what is there then.
MAPS = """\
Kvsmtprelay_first hash -o -t {relayers_db}
Kvsmtprelay_again hash -o -t {relayers_db}
Kvsmtprelay_number regex -n -aNUMBER ^0.|[^0-9]|^.{{13}}
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

RECENT = """\
R<$-> NUMBER	$: <$1> now $(vsmtprelay_clock +%s $: BAD $)
R<$-> now $-	$: <$1> $2 $(vsmtprelay_number $2 $: BAD $)
R<$-> $- NUMBER	$: <$1> limit $(vsmtprelay_arith - $@ $2 $@ {seconds} $: BAD $)
R<$-> limit BAD	$@ NO
R<$-> limit $-	$: limit $(vsmtprelay_arith l $@ $2 $@ $1 $: BAD $)
Rlimit TRUE	$@ RELAY
R$*	$@ NO
"""

HOOK = """\
SRcpt_ok
R$*	$: $1 $| $>Vsmtprelay
R$* $| RELAY	$@ RELAY
R$* $| $*	$: $1
"""


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

    def text(self) -> str:
        """Return the lines for sendmail.cf. TABs separate the sides of a rule (Sendmail Operation Guide, 5.1)."""
        template = COMMENT + MAPS + (CLOCK + LOOK_UP + RECENT if self.window else LOOK_UP + LISTED) + HOOK
        return template.format(
            window=f" for {self.window} minutes after its timestamp" if self.window else "",
            relayers_db=self.relayers_db,
            seconds=self.window * 60,
        )
