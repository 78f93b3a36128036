# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The text of ``vsmtprelay --help`` and of the help for each command."""

from __future__ import annotations

from .. import __version__
from ..database.relayers_db import LOCK_SECONDS
from ..servers.virtual_servers import TABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

USAGE = f"""\
vsmtprelay {__version__} usage (optional items in []):
    % vsmtprelay command [arg] [...]
where "command [arg] [...]" can be one of the following:

    "add ip [ticks]"   insert address with current timestamp (or ticks)
    "delete ip [...]"  remove specified address(es)
    "expire [n]"       expire all old (or older than n minutes) entries
    "list [n]"         list all old (or older than n minutes) entries
    "dump"             list every entry, including the future timestamped

IP addresses are expressed as ASCII "dotted quads", e.g. "10.11.12.13".
All timestamps are stored as ASCII strings representing a count of seconds
elapsed since 0 hours, 0 minutes, 0 seconds, January 1, 1970, Coordinated
Universal Time (the common UNIX epoch).
"""

MORE = f"""
More commands:
    "import [file ...]"  add the entries of other programs' files: pop-before-smtp,
                         DRAC, text for makemap; without a file the standard input
    "verify"             check every page of the database
    "repair"             save what can be read of a damaged database; keep a copy
    "status"             show the state of this host; the exit status is 0 if all is
                         well, 1 if something needs attention, 2 if it is broken
    "metrics"            print the state of this host for Prometheus

Option of status, list, dump, expire, verify, repair and import:
    --json               print a JSON document

Option of delete, before the addresses:
    --here                where logins are shared, on this host only

Option of metrics:
    --output FILE         write it to this file instead, in one step

Options of import, before the files:
    --expires-after MINS  the times in the files are those at which an entry
                          expires, so long after the login (DRAC: 30, or its -e)
    --value WORD          entries with this value may relay (known: ok, RELAY)
    --skip-malformed      name what cannot be imported, and import the rest

Options, before the command:
    --database PATH       work on this file
    --server NAME         work on the database of this virtual server
    --all                 work on the databases of all virtual servers
    --lock-timeout SECS   wait this long for other writers (default {LOCK_SECONDS:g})
    --help, --version     after a command, --help describes that command alone

Without --database, --server or --all: the virtual server whose root is your
home directory, else the host's only or default one, as {TABLE}
says. IPv6 addresses may be written in any way, e.g. "2001:db8::5".
"""

HELP_OPTIONS = ("-h", "--help")
TEXTS = {**dict.fromkeys(HELP_OPTIONS, USAGE + MORE), "--version": f"vsmtprelay {__version__}\n"}

# By command: its arguments and its description; import_command has the help of import.
HELP = {
    "add": (
        "ip [ticks]",
        """\
Stores the address with the current time, or with ticks, a time in epoch
seconds. An address that is there already gets the new time. A time in the
future is a permission that stays until then. Where logins are shared, other
hosts get it, too, if root adds it and the time is not in the future.
""",
    ),
    "delete": (
        "ip [...]",
        """\
Removes the addresses. Those that are not listed are named on the standard error
output, and the exit status is then 1; the others are removed. Where logins are
shared and root removes them, they are removed from the other hosts, too, which
keep only what is in the future.

    --here      before the addresses: leave the other hosts alone; what they
                have does not bring an address back here
""",
    ),
    "expire": (
        "[n]",
        """\
Removes every entry that is at least n minutes old, or without n every entry
that is not in the future.

    --json      print the removed addresses as a JSON document
""",
    ),
    "list": (
        "[n]",
        """\
Prints every entry that is at least n minutes old, or without n every entry
that is not in the future. makemap reads what it prints.

    --json      print a JSON document instead
""",
    ),
    "dump": (
        "",
        """\
Prints every entry, those in the future too. makemap reads what it prints.

    --json      print a JSON document instead
""",
    ),
    "verify": (
        "",
        """\
Looks at every page of the database, and prints how many entries a sound one
has.

    --json      print a JSON document instead
""",
    ),
    "repair": (
        "",
        """\
Puts a sound database in the place of a damaged one, with all of it that can be
trusted. The damaged file is kept beside it. A sound one is left alone.

    --json      print a JSON document instead
""",
    ),
    "status": (
        "",
        """\
Shows the state of this host: its virtual servers, the login recorder, the
nightly expiry, the sharing of logins, and what needs attention. The first line
is the summary. The exit status is that of a monitoring plug-in: 0 if all is
well, 1 if something needs attention, 2 if something is broken. Errors of the
call have the exit statuses from 64 on. What only root can know is named for
other users, and does not count.

Without an option before the command: the virtual server whose root is your home
directory, else all of them.

    --json      print a JSON document instead
""",
    ),
    "metrics": (
        "[--output file]",
        """\
Prints what status finds, and what the login recorder counts, in the text format
of Prometheus. Only root can run it. It needs the distribution's package
python3-prometheus-client.

Without an option before the command: all virtual servers, unless root's home
directory is the root of one.

    --output FILE   write it to this file instead, in one step: for the textfile
                    collector of node exporter, in whose directory its name has
                    to end in .prom
""",
    ),
}


def help_of_command(words: Sequence[str]) -> str:
    """Return the help of the command if its arguments request it, else an empty text."""
    name, arguments = words[0], words[1:]
    if "--" in arguments:
        arguments = arguments[: arguments.index("--")]
    if name not in (*HELP, "import") or not any(option in arguments for option in HELP_OPTIONS):
        return ""
    if name == "import":
        from . import import_command

        return import_command.HELP if import_command.asks_for_help(arguments, HELP_OPTIONS) else ""
    usage, text = HELP[name]
    return f"usage: vsmtprelay [option ...] {name} {usage}".rstrip() + f"\n\n{text}\nvsmtprelay --help shows the options.\n"
