# SPDX-License-Identifier: GPL-3.0-or-later
"""The owner of a virtual server swaps files while playbooks work on it: nobody else's files change, and Victor is served."""

from __future__ import annotations

import pytest
import yaml

from .conftest import ATTEMPTS, HELD_UP, SWAPS

WAYS = ("directory", "exchange", "special", "links")
HELD_UP_SECONDS = 90
PERMITTED = "192.0.2.204"
FILES = [
    {"path": f"/srv/{name}/etc/sendmail.cf", "relayers_db": f"/srv/{name}/etc/relayers.db"} for name in ("mallory", "victor")
]


def in_cf(host):
    return "vsmtprelay" in host.guest.read("/srv/victor/etc/sendmail.cf")


# By what they have in common: the playbooks with their options, and what shows that Victor's server is done.
OPERATIONS = {
    "the role": [
        ("vsmtp.relay.site", [], in_cf),
        ("vsmtp.relay.remove", [], lambda host: not in_cf(host)),
        ("vsmtp.relay.site", [], in_cf),
    ],
    "the databases": [
        ("vsmtp.relay.permit", ["-e", f"relay_address={PERMITTED}"], lambda host: PERMITTED in host.listed("victor")),
        ("vsmtp.relay.backup", ["-e", "relay_directory={tmp}"], lambda _host: True),
        ("vsmtp.relay.revoke", ["-e", f"relay_address={PERMITTED}"], lambda host: PERMITTED not in host.listed("victor")),
        ("vsmtp.relay.restore", ["-e", "relay_directory={tmp}/saved"], lambda host: PERMITTED in host.listed("victor")),
        ("vsmtp.relay.expire", [], lambda host: "192.0.2.199" not in host.listed("victor")),
        ("vsmtp.relay.status", [], lambda _host: True),
    ],
    "rulesets with backups": [("{tmp}/present.yml", [], in_cf), ("{tmp}/absent.yml", [], lambda host: not in_cf(host))] * 2,
}


@pytest.fixture
def directory(host, tmp_path):
    """What the operations need on the controller: a backup of the databases, and playbooks that keep a copy of each file."""
    for state in ("present", "absent"):
        options = {"files": FILES, "backup": True, "state": state, "reload": True}
        tasks = [{"name": "Edit", "vsmtp.relay.sendmail_ruleset": options}]
        text = yaml.safe_dump([{"hosts": host.guest.name, "gather_facts": False, "tasks": tasks}])
        (tmp_path / f"{state}.yml").write_text(text)
    backup = tmp_path / "saved" / host.guest.name
    backup.mkdir(parents=True)
    for server in ("host", "mallory", "victor"):
        (backup / f"{server}.txt").write_text(f"{PERMITTED} 4102444800\n")
    return tmp_path


@pytest.mark.fault("hostile-owner")
@pytest.mark.parametrize("operations", OPERATIONS)
def test_no_race_against_a_playbook_gives_rights_or_files_away(host, unchanged, counts, directory, operations, full):
    for first in range(len(WAYS) if full else 1):
        for number, (playbook, options, is_done) in enumerate(OPERATIONS[operations], start=first):
            with host.attack(WAYS[number % len(WAYS)]) as attack:
                run = host.play(playbook.format(tmp=directory), *[option.format(tmp=directory) for option in options])
                counts[SWAPS] += attack.end()
            counts[ATTEMPTS] += 1
            counts[HELD_UP] += run.seconds > HELD_UP_SECONDS
            assert run.seconds < HELD_UP_SECONDS
            assert is_done(host), run.output
            assert "Traceback" not in run.output
            # The one at fault is named, and there is no other fault.
            assert run.status == 0 or "/srv/mallory/" in run.output, run.output
    # The copies of Victor's file are as they should be: they are Victor's.
    assert host.guest.run(["find", "/srv/victor", "!", "-user", "victor"]).stdout == ""
    host.guest.run(["sh", "-c", "rm -f /srv/victor/etc/*~"])
