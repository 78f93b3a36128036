# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs called sendmail that do as its daemon does."""

from __future__ import annotations

import os

# As restart_daemon() in sendmail does: on SIGHUP the program starts itself anew, under another process id.
RESTARTING = """
umask 022
trap '"$1" "$0" "$@" & exit' HUP
echo $$ > "$2.new"; echo "sendmail -bd -C$4" >> "$2.new"; mv "$2.new" "$2"
while [ -e "$2" ]; do read -t 0.05 <> "$3"; done
"""


# As it does with -bD: the process id stays.
IN_THE_FOREGROUND = """
trap 'exec "$1" "$0" "$@"' HUP
echo $$ > "$2.new"; echo "sendmail -bD -C$4" >> "$2.new"; mv "$2.new" "$2"
while [ -e "$2" ]; do read -t 0.05 <> "$3"; done
"""


# It does not start with a configuration that it does not like.
PARTICULAR = """
grep -q impossible "$4" && exit 78
trap '"$1" "$0" "$@" & exit' HUP
echo $$ > "$2.new"; echo "$1 $0 $* -C$4" >> "$2.new"; mv "$2.new" "$2"
while [ -e "$2" ]; do read -t 0.05 <> "$3"; done
"""


# For dash, which does not catch the signal by itself: it starts, its PidFile of before names it, and SIGHUP would end it.
STARTING = """
echo $$ > "$2.new"; echo "sendmail -bD -C$4" >> "$2.new"; mv "$2.new" "$2"
sleep 0.5
trap 'exec "$1" "$0" "$@"' HUP
while [ -e "$2" ]; do sleep 0.05; done
"""


DEAF = """
trap "" HUP
echo $$ > "$2.new"; echo "sendmail -bd -C$4" >> "$2.new"; mv "$2.new" "$2"
while [ -e "$2" ]; do read -t 0.05 <> "$3"; done
"""


def configuration(directory, pid_file):
    path = directory / "sendmail.cf"
    path.write_text(f"O PidFile={pid_file}\n")
    return str(path)


def make_newer(path, other):
    """Change ``path`` until its ctime is later than the modification of ``other``."""
    while os.stat(path).st_ctime_ns <= os.stat(other).st_mtime_ns:
        os.utime(path)
