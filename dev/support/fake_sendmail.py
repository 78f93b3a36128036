# SPDX-License-Identifier: GPL-3.0-or-later
"""A shell script that answers questions as ``sendmail -bt`` does, for tests without a sendmail."""

from __future__ import annotations

# Everybody may send to this host. Whether they may send to another host is up to $relay, which is looked at for each text.
SCRIPT = r"""#!/bin/sh
file="${{1#-C}}"
{before}
if {relay}; then answer=OK; else answer='$# error $@ 5 . 7 . 1 $: "550 Relaying denied"'; fi
echo 'ADDRESS TEST MODE (ruleset 3 NOT automatically invoked)'
echo 'Enter <ruleset> <address>'
printf '> '
while read -r word rest; do
    case "$word $rest" in
    check_rcpt*remote.example*|check_rcpt*203.0.113.200*|check_rcpt*fails.example*)
        printf 'check_rcpt         input: %s\ncheck_rcpt       returns: %s\n> ' "$rest" "$answer" ;;
    check_rcpt*) printf 'check_rcpt         input: %s\ncheck_rcpt       returns: OK\n> ' "$rest" ;;
    3,0*) printf 'parse              input: %s\nparse            returns: $# esmtp $@ x $: %s\n> ' "$rest" "$rest" ;;
    *) printf '> ' ;;
    esac
done
"""
# The test "everybody is listed" of the ruleset: see EVERYBODY in ruleset.py.
LISTED = "grep -A1 '^SVsmtprelay$' \"$file\" | grep -q 'RELAY$'"


def fake_sendmail(relay: str = LISTED, before: str = ":") -> str:
    """Return the script. ``relay`` is a shell command that succeeds if strangers may relay with ``$file``.

    ``before`` is a shell command that runs first.
    """
    return SCRIPT.format(relay=relay, before=before)
