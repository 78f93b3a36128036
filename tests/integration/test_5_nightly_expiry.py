# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's own cron takes old entries out every night."""

from __future__ import annotations

import time

SHIPPED = "/etc/cron.d/vsmtprelay"
COPY = "/etc/cron.d/vsmtprelay-test"


def test_the_entry_runs_the_command_at_a_quarter_past_three(mail_host):
    entries = [line for line in mail_host.read(SHIPPED).splitlines() if line and not line.startswith("#")]
    assert entries == ["15 3 * * * root /usr/local/bin/vsmtprelay --all expire 1440"]


def test_cron_expires_what_is_old_and_nothing_else(closed_relay):
    now = int(time.time())
    for address, timestamp in (("198.51.100.1", now - 1441 * 60), ("198.51.100.2", now), ("198.51.100.3", now + 10**8)):
        closed_relay.run(["vsmtprelay", "add", address, str(timestamp)])
    closed_relay.write(COPY, closed_relay.read(SHIPPED).replace("15 3 * * *", "* * * * *"))
    try:
        deadline = time.monotonic() + 150
        while "198.51.100.1 " in (dump := closed_relay.run(["vsmtprelay", "dump"]).stdout) and time.monotonic() < deadline:
            time.sleep(0.5)
    finally:
        closed_relay.path(COPY).unlink()
    assert sorted(line.split()[0] for line in dump.splitlines()[1::2]) == ["198.51.100.2", "198.51.100.3"]
