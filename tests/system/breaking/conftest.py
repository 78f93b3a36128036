# SPDX-License-Identifier: GPL-3.0-or-later
"""A mail host of each Debian release, with the ruleset and the command, for tests that try to break the database."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from support.playbook import play
from support.throttles import lift_throttles

# The one in between is for --full.
RELEASES = ("bullseye", "trixie", "bookworm")
SCRIPTS = Path(__file__).parent / "in_guest"


@pytest.fixture(scope="session")
def hosts(lab, full):
    """The hosts by release, all set up by the playbook in one run."""
    guests = {release: lab.guest(f"break-{release}", release=release) for release in RELEASES[: None if full else 2]}
    lab.boot(guests.values())
    for guest in guests.values():
        lift_throttles(guest)
    run = play(lab, "vsmtp.relay.site", "-e", "pop_before_smtp_recorder=none", "--limit", "break-*")
    assert run.status == 0, run.output
    for guest in guests.values():
        for script in SCRIPTS.glob("*.py"):
            guest.write(f"/root/{script.name}", script.read_text(encoding="utf-8"))
    return guests


@pytest.fixture(params=[*RELEASES[:2], pytest.param(RELEASES[2], marks=pytest.mark.full)])
def host(request, hosts):
    """Each of the hosts in turn, with nobody listed."""
    guest = hosts[request.param]
    # Made by our own code, as the role makes it: with a checksum in each page.
    guest.run(["sh", "-ec", "cd /etc/mail; rm -f relayers.db* .relayers*; vsmtprelay add 10.0.0.1; vsmtprelay delete 10.0.0.1"])
    return guest


@pytest.fixture(scope="session")
def client(lab):
    return lab.client("breaker")


class Report:
    """What a script in a guest found: its last line is JSON, and all lines are printed."""

    def __init__(self, guest, script, **arguments):
        words = [f"--{name}={value}" for name, value in arguments.items()]
        command = [*guest.enter(), "python3", f"/root/{script}.py", *words]
        process = subprocess.run(command, capture_output=True, text=True, timeout=3000, check=False)
        assert process.returncode == 0, process.stdout[-3000:] + process.stderr[-3000:]
        self.counts = json.loads(process.stdout.splitlines()[-1])
        print(f"{guest.release}: {script}: " + ", ".join(f"{name} {value}" for name, value in self.counts.items()))


@pytest.fixture
def run_script():
    return Report
