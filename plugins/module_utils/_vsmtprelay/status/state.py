# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of a virtual server: the entries of its database, and whether its sendmail looks there."""

from __future__ import annotations

import os
from typing import NamedTuple

from ..database import relayers_db
from ..entries.timestamps import PERMANENT, SECONDS_OF_A_DAY, timestamp_of
from ..files import text_file
from ..sendmail.cf_text import has_ruleset_for, window_in
from ..sendmail.daemon import Daemon

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..database.locks import Deadline

SECONDS_OF_AN_HOUR = 3600
HOURS = SECONDS_OF_A_DAY // SECONDS_OF_AN_HOUR

LIVE = "live"
NOT_READ = "not read yet"
MISSING = "missing"
NO_DAEMON = "no daemon"
UNPROVEN = "unproven"


class RulesetState(NamedTuple):
    """The word for the ruleset of a sendmail.cf, and its window in minutes: 0 if it has no end, None without a ruleset."""

    word: str
    window: int | None = None


def of_database(path: str, now: int, lock_seconds: float | Deadline = relayers_db.LOCK_SECONDS) -> dict[str, Any]:
    """Return the state of the database at ``path`` at ``now`` (epoch seconds):

    - ``entries``: the number of entries, 0 if there is no such file;
    - ``pinned``: the number of entries with a timestamp in the future;
    - ``permanent``: the number of those among them that are permanent;
    - ``oldest`` and ``newest``: epoch seconds of the others, or None;
    - ``ages``: the number of the others less than 1 hour old, less than 2, and so on up to a day; last, the older ones.

    Raises RelayError as relayers_db.read() does.
    """
    entries, pinned, permanent, ages = 0, 0, 0, [0] * (HOURS + 1)
    oldest, newest = None, None
    with relayers_db.read(path, lock_seconds) as snapshot:
        for _key, value in snapshot.items():
            entries += 1
            timestamp = timestamp_of(value)
            if timestamp is None:
                continue
            if timestamp > now:
                pinned += 1
                permanent += timestamp == PERMANENT
                continue
            ages[min((now - timestamp) // SECONDS_OF_AN_HOUR, HOURS)] += 1
            oldest = timestamp if oldest is None else min(oldest, timestamp)
            newest = timestamp if newest is None else max(newest, timestamp)
    return {
        "entries": entries,
        "pinned": pinned,
        "permanent": permanent,
        "oldest": oldest,
        "newest": newest,
        "ages": ages,
    }


def of_ruleset(sendmail_cf: str, relayers_db: str) -> RulesetState:
    """Return whether the running sendmail of ``sendmail_cf`` has the ruleset that looks into ``relayers_db``, and its window.

    LIVE: it has. NOT_READ: the file has it, but changed after the daemon started. MISSING: the file lacks it.
    NO_DAEMON: no daemon runs with that file. UNPROVEN: the PidFile in another user's tree names a process that nothing proves
    to be its daemon. Raises RelayError if the file exists and cannot be read.
    """
    content = text_file.read(sendmail_cf, text_file.LARGEST_CONFIGURATION)
    text = "" if content is None else content.decode("utf-8", "surrogateescape")
    if not has_ruleset_for(text, os.path.normpath(relayers_db)):
        return RulesetState(MISSING)
    return RulesetState(_word_of(Daemon(sendmail_cf)), window_in(text))


def _word_of(daemon: Daemon) -> str:
    if not daemon.is_claimed():
        return NO_DAEMON
    if daemon.is_behind():
        return NOT_READ
    return UNPROVEN if daemon.refusal() else LIVE
