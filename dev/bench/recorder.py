# SPDX-License-Identifier: GPL-3.0-or-later
"""The login recorder: by itself, and what it adds to a login."""

from __future__ import annotations

from typing import Any

from guests import Lab

from . import earlier, mail_host
from .logins import Logins
from .recorder_results import BusyRow, Least, RecorderResults, Records

# Debian 12's Dovecot (2.3) reports over TCP, Debian 13's (2.4) over a UNIX socket.
RELEASES = ("bookworm", "trixie")
SERVICES = ("cron", "sendmail")
SIZES = (100, 10_000)
# The load of the recorder alone speaks as Dovecot 2.3 does.
ALONE = "bookworm"


def measure(lab: Lab, quick: bool, revision: str | None = None) -> RecorderResults:
    """Measure everything in one guest after the other; the version of ``revision`` (git), if one is given, in turns with it."""
    records: list[Records] = []
    logins = []
    busy: list[BusyRow] = []
    least: dict[str, Least] = {}
    hosts: dict[str, dict[str, str]] = {}
    for release in RELEASES:
        guest = mail_host.boot(lab, f"recorder-{release}", release, recorder="dovecot", idle=SERVICES)
        if revision:
            earlier.install(guest, revision)
        # Otherwise the first report starts it.
        guest.run(["systemctl", "start", "vsmtprelay-recorder.service"])
        found: dict[str, Any] = mail_host.measure(guest, "recorder_host.py", quick)
        hosts[release] = found
        if release == ALONE:
            mail_host.say("==> Measure the recorder alone")
            records = [Records(**row) for row in mail_host.measure(guest, "recorder_alone.py", quick)]
        mail_host.say("==> Measure logins with and without the recorder")
        with Logins(lab, guest, quick) as contest:
            for entries in SIZES:
                logins += contest.measure(entries)
            busy += contest.busy(SIZES[-1])
            flushes = mail_host.measure(guest, "flushes.py", quick)
            least[release] = Least(contest.answered_at_once(SIZES[0]).added(0.5), flushes)
        lab.down([guest.name])
    return RecorderResults(records, logins, busy, least, hosts)
