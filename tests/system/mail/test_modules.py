# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules: check mode tells what the run then does, and a second run has nothing to do.

The Molecule scenario "modules" goes through all their options.
"""

from __future__ import annotations

import json

import pytest
import yaml

from support.playbook import play

MODULES = [
    pytest.param(
        "relayers", {"relayers": ["198.51.100.7", {"address": "2001:db8::7", "timestamp": 4102444800}]}, id="relayers"
    ),
    pytest.param("relayers", {"relayers": ["198.51.100.1"], "state": "absent"}, id="relayers, absent", marks=pytest.mark.full),
    pytest.param("relayers_expire", {"older_than": 60}, id="relayers_expire", marks=pytest.mark.full),
    pytest.param("sendmail_ruleset", {"path": "/etc/mail/sendmail.cf", "window": 30}, id="sendmail_ruleset"),
]


@pytest.fixture
def run_module(lab, closed_relay, tmp_path):
    """Run a module on the mail host; return what it returned."""

    def run(name, arguments, check_mode=False):
        result = tmp_path / "result.json"
        tasks = [
            {"name": "Run", f"vsmtp.relay.{name}": arguments, "register": "result", "check_mode": check_mode, "diff": True},
            {"name": "Keep", "ansible.builtin.copy": {"content": "{{ result | to_json }}", "dest": str(result)}},
        ]
        tasks[1].update({"delegate_to": "localhost", "vars": {"ansible_connection": "local"}})
        playbook = tmp_path / "play.yml"
        playbook.write_text(yaml.safe_dump([{"hosts": "mailhost", "gather_facts": False, "tasks": tasks}]), encoding="utf-8")
        done = play(lab, str(playbook))
        assert done.status == 0, done.output
        return json.loads(result.read_text(encoding="utf-8"))

    return run


@pytest.mark.parametrize(("name", "arguments"), MODULES)
def test_check_mode_shows_the_same_as_the_run_and_the_second_run_changes_nothing(closed_relay, run_module, name, arguments):
    closed_relay.run(["vsmtprelay", "add", "198.51.100.1", "1000000000"])
    kept = closed_relay.read("/etc/mail/sendmail.cf")
    before = closed_relay.run(["sh", "-c", "cd /etc/mail; stat -c '%i %y' relayers.db sendmail.cf"]).stdout
    try:
        tried = run_module(name, arguments, check_mode=True)
        assert tried["changed"]
        assert closed_relay.run(["sh", "-c", "cd /etc/mail; stat -c '%i %y' relayers.db sendmail.cf"]).stdout == before
        done = run_module(name, arguments)
        for what in ("changed", "databases", "files"):
            assert done.get(what) == tried.get(what)
        # A new entry without a timestamp gets the second of its run.
        assert [each["before"] for each in done["diff"]] == [each["before"] for each in tried["diff"]]
        assert len(done["diff"]) == 1
        assert not run_module(name, arguments)["changed"]
    finally:
        closed_relay.write("/etc/mail/sendmail.cf", kept)


def test_relayers_info_tells_address_timestamp_and_age_and_a_missing_database_is_empty(closed_relay, run_module):
    closed_relay.run(["vsmtprelay", "add", "198.51.100.1", "1000000000"])
    result = run_module("relayers_info", {"paths": ["/etc/mail/relayers.db", "/nowhere/relayers.db"]})
    here, missing = result["databases"]
    assert (here["path"], here["exists"]) == ("/etc/mail/relayers.db", True)
    (entry,) = here["relayers"]
    assert (entry["address"], entry["timestamp"]) == ("198.51.100.1", 1000000000)
    assert entry["age"] > 700_000_000
    assert missing == {"path": "/nowhere/relayers.db", "exists": False, "relayers": []}
