# SPDX-License-Identifier: GPL-3.0-or-later
"""The owner of a virtual server, who swaps its files while root works on them, gets nobody else's rights and files."""

from __future__ import annotations

import json

import pytest

from .conftest import ATTEMPTS, HELD_UP, SWAPS
from .host import ETC, SCRIPTS

WAYS = ("links", "exchange", "hard_links", "directory", "modes", "special")
# The command waits one second for a lock; what a link leads to can take a few more.
HELD_UP_SECONDS = 20
LINK = """
mkdir /srv/mallory/links
for file in /etc/shadow /etc/passwd /usr/bin/passwd /root/private/secret /etc/mail/relayers.db /srv/victor/etc/relayers.db \\
    /srv/victor/etc/sendmail.cf
do
    ln $file /srv/mallory/links/$(echo $file | tr / _)
done
"""


def operations(host, rounds):
    done = host.guest.run(["python3", f"{SCRIPTS}/operations.py", str(rounds)], timeout=1800)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.fault("hostile-owner")
@pytest.mark.parametrize("way", WAYS)
def test_no_race_against_the_command_gives_rights_or_files_away(host, unchanged, counts, way, full):
    host.restore("mallory", database="/root/large.db")
    if way == "hard_links":
        host.guest.run(["sh", "-ec", LINK])
    with host.attack(way) as attack:
        done = operations(host, 40 if full else 6)
        counts[SWAPS] += attack.end()
    host.guest.run(["rm", "-rf", "/srv/mallory/links"])
    print(f"{host.guest.release}: {way}: {done}")
    counts[ATTEMPTS] += done["operations"]
    held_up = done["statuses"].get("held up", 0) + (done["slowest"] > HELD_UP_SECONDS)
    counts[HELD_UP] += held_up
    assert not held_up, done
    assert done["strange"] == []
    # All that while the other one is served.
    assert host.guest.run(["vsmtprelay", "--server", "victor", "add", "192.0.2.203"]).returncode == 0
    assert "192.0.2.203" in host.listed("victor")


@pytest.mark.parametrize(("way", "what"), [("links", "database"), ("exchange", "database"), ("directory", "text")])
def test_these_races_are_won_against_a_program_that_works_there_by_name_as_root(host, way, what):
    with host.attack(way, "/root/private") as attack:
        done = host.guest.run(["python3", f"{SCRIPTS}/by_name.py", what, "1000"], timeout=300)
        attack.end()
    host.guest.run(["rm", "-rf", ETC])
    assert int(done.stdout) > 0
