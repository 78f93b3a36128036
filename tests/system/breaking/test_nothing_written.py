# SPDX-License-Identifier: GPL-3.0-or-later
"""Where nothing changes nothing is written: the same inode, the same times, and nobody was in the directory either."""

from support.playbook import play

PLAYBOOK = """\
- hosts: all
  gather_facts: false
  module_defaults:
    group/vsmtp.relay.relayers: {path: /etc/mail/relayers.db}
  tasks:
    - vsmtp.relay.relayers: {relayers: [{address: 10.0.0.1, timestamp: 4000000000}, 10.0.0.2, "2001:db8::5"]}
    - vsmtp.relay.relayers: {relayers: [10.0.0.1, 10.0.0.2, "2001:db8::5"], purge: true}
    - vsmtp.relay.relayers: {relayers: [10.0.0.1], refresh: 60}
    - vsmtp.relay.relayers: {relayers: [10.9.9.9], state: absent}
    - vsmtp.relay.relayers_expire: {older_than: 0}
    - vsmtp.relay.relayers_info:
"""
ENTRIES = "10.0.0.1 4000000000\n10.0.0.2 4000000007\nipv6:2001:db8:0:0:0:0:0:5 4000000000\n"
STATE = "stat --format='%n %i %.Y %.Z' /etc/mail/relayers.db; stat --format='%n %.Y' /etc/mail; sha256sum /etc/mail/relayers.db"


def test_what_changes_nothing_writes_nothing(host, run_script):
    counts = run_script(host, "nothing_written").counts
    assert counts["faults"] == []
    assert counts["runs"] > 0


def state(guests):
    return {name: guest.run(["sh", "-c", STATE]).stdout for name, guest in guests.items()}


def test_module_runs_that_report_no_change_write_nothing(hosts, lab, tmp_path):
    for guest in hosts.values():
        guest.run(["sh", "-ec", "makemap hash /etc/mail/relayers.db; touch -d 2001-01-01 /etc/mail"], input=ENTRIES)
    playbook = tmp_path / "nothing.yml"
    playbook.write_text(PLAYBOOK)
    before = state(hosts)
    run = play(lab, str(playbook), "--limit", "break-*")
    assert run.status == 0, run.output
    assert {counts["changed"] for counts in run.counts.values()} == {0}
    assert state(hosts) == before
    tasks = PLAYBOOK.count("    - ")
    print(f"{len(hosts)} hosts: {tasks * len(hosts)} module runs, 0 changed, nothing written")
