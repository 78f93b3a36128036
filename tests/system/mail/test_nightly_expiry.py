# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's own cron takes old entries out every night, be it of one database or of a thousand."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

SHIPPED = "/etc/cron.d/vsmtprelay"
COPY = "/etc/cron.d/vsmtprelay-test"
SCRIPT = Path(__file__).parent / "in_guest" / "many_databases.py"
DATABASES = 1_000


@pytest.fixture(scope="module")
def night(mail_host):
    """What the crontab's line did on a host with a thousand databases, eleven of them at fault."""
    mail_host.write("/root/many_databases.py", SCRIPT.read_text(encoding="utf-8"))
    done = mail_host.run(["python3", "/root/many_databases.py", str(DATABASES)], timeout=300)
    return json.loads(done.stdout)


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


def test_a_thousand_databases_are_expired_without_a_process_for_each(night):
    assert night["known_processes_counted"] >= night["known_processes"]
    # Those that other programs of the host started meanwhile are among them.
    assert night["processes"] < night["known_processes"]


def test_databases_at_fault_keep_none_of_the_others_from_being_expired(night):
    assert sorted(night["at_fault"].values()) == sorted(night["faults"])
    assert night["others"] == DATABASES - len(night["faults"])
    assert night["expired"] == night["others"]


def test_each_database_at_fault_is_named_in_a_line_of_its_own_and_the_status_tells(night):
    assert night["status"] != 0
    assert night["output"] == ""
    assert [line.split(": ")[:2] for line in night["lines"]] == [["vsmtprelay", path] for path in night["at_fault"]]
