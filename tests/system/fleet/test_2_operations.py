# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done day by day over the whole fleet: permit, revoke, expire, permissions of the inventory, backup and restore."""

from __future__ import annotations

import json
import time

import pytest

from support.mail import log_in

OFFICE = "203.0.113.9"
FOR_GOOD = "253402214400"
DAY = 86400


def changed(run):
    """Return which hosts a run changed."""
    return {name for name, counts in run.counts.items() if counts["changed"]}


def test_permit_and_revoke_open_and_close_the_relay_everywhere(fleet, reader, relays):
    address = ("-e", f"relay_address={reader.address4}")
    foreseen = fleet.play("permit", *address, "--check")
    assert changed(foreseen) == set(fleet.hosts)
    assert relays() == set()
    assert changed(fleet.play("permit", *address)) == set(fleet.hosts)
    assert relays() == set(fleet.hosts)
    assert all(reader.address4 in fleet.listed(*place) for place in fleet.everywhere())
    assert changed(fleet.play("revoke", *address, "--check")) == set(fleet.hosts)
    assert changed(fleet.play("revoke", *address)) == set(fleet.hosts)
    assert relays() == set()
    assert not any(reader.address4 in fleet.listed(*place) for place in fleet.everywhere())
    assert changed(fleet.play("revoke", *address)) == set()


def test_permit_can_be_for_some_hosts_some_virtual_servers_and_until_a_day(fleet):
    words = ("-e", f"relay_address={OFFICE}", "-e", "relay_until=2099-12-31", "-e", "relay_virtual_servers=vs1,vs2")
    words = (*words, "--limit", "mail2:mail4")
    assert changed(fleet.play("permit", *words)) == {"mail2", "mail4"}
    places = {place for place in fleet.everywhere() if OFFICE in fleet.listed(*place)}
    assert places == {(name, server) for name in ("mail2", "mail4") for server in ("vs1", "vs2")}
    # The end of that day in UTC, less the window that follows every timestamp.
    assert fleet.listed("mail2", "vs1")[OFFICE] == str(4102444799 - DAY)
    assert changed(fleet.play("permit", *words)) == set()
    assert changed(fleet.play("revoke", "-e", f"relay_address={OFFICE}")) == {"mail2", "mail4"}


def test_several_addresses_come_and_go_at_once(fleet, reader, relays):
    some = ("--limit", "mail1:mail2")
    keys = {reader.address4, OFFICE, "ipv6:2001:db8:0:0:0:0:0:9"}
    run = fleet.play("permit", "-e", f"relay_address='{reader.address4}, {OFFICE} 2001:db8::9'", *some)
    assert changed(run) == {"mail1", "mail2"}
    assert f"mail1: {reader.address4}, {OFFICE}, 2001:db8::9 may relay through main for 1440 minutes" in run.output.splitlines()
    assert relays() == {"mail1", "mail2"}
    assert all(keys <= set(fleet.listed(*place)) for place in fleet.everywhere() if place[0] in ("mail1", "mail2"))
    as_list = json.dumps({"relay_address": [reader.address4, OFFICE, "2001:db8::9"], "relay_virtual_servers": ["main", "vs1"]})
    run = fleet.play("revoke", "-e", as_list, *some)
    assert changed(run) == {"mail1", "mail2"}
    assert not any(keys & set(fleet.listed(*place)) for place in [("mail1", "main"), ("mail2", "main"), ("mail2", "vs1")])
    assert keys <= set(fleet.listed("mail2", "vs2"))
    assert changed(fleet.play("revoke", "-e", f"relay_address={reader.address4},{OFFICE},2001:db8::9")) == {"mail2"}


def test_revoke_says_what_was_not_listed(fleet):
    fleet.hosts["mail1"].run(["vsmtprelay", "add", "10.0.0.1"])
    run = fleet.play("revoke", "-e", f"relay_address=10.0.0.1,{OFFICE}", "--limit", "mail1")
    assert changed(run) == {"mail1"}
    assert f"mail1: 10.0.0.1 is off main; {OFFICE} was not listed in main" in run.output.splitlines()


AN_ADDRESS = ("-e", "relay_address=10.0.0.1")
TWO_HOSTS = ("--limit", "mail1:mail2")


@pytest.mark.parametrize(
    ("playbook", "words", "said"),
    [
        ("permit", TWO_HOSTS, "relay_address is missing: give it with -e relay_address=198.51.100.7"),
        ("revoke", ("-e", "relay_address=mail.example.org"), "relay_address: 'mail.example.org' is not an IP address"),
        ("permit", ("-e", "relay_address="), "relay_address: names no address"),
        ("permit", ("-e", "relay_address=10.0.0.1,10.0.0.256"), "relay_address: '10.0.0.256' is not an IP address"),
        ("permit", (*AN_ADDRESS, "-e", "relay_until=tomorrow"), "relay_until: 'tomorrow' is not a day"),
        ("permit", (*AN_ADDRESS, "-e", "relay_until=2020-01-01"), "relay_until: 2020-01-01 is in the past"),
        (
            "permit",
            (*AN_ADDRESS, *TWO_HOSTS, "-e", "relay_virtual_servers=vs1,vsx"),
            "relay_virtual_servers: no host here has a virtual server called vsx",
        ),
        *(
            ("expire", ("-e", f"relay_older_than={age}"), f"relay_older_than: '{age}' is not a number of minutes")
            for age in ("2h", "abc", "1d", "1.5", "-1", "")
        ),
        ("status", ("-e", "relay_drift=perhaps"), "relay_drift: 'perhaps' is neither true nor false"),
        ("status", ("-e", "relay_json=/nonexistent/fleet.json"), "relay_json: there is no directory /nonexistent"),
        ("backup", (), "relay_directory is missing: give it with -e relay_directory=relayers"),
        # What they were called before 0.2.0.
        (
            "permit",
            ("-e", "address=10.0.0.1"),
            "address is not read any more: write -e relay_address=… instead of",
        ),
        ("permit", (*AN_ADDRESS, "-e", "until=2099-12-31"), "until is not read any more: write -e relay_until=…"),
        ("revoke", (*AN_ADDRESS, "-e", "virtual_servers=vs1"), "virtual_servers is not read any more"),
        ("expire", ("-e", "older_than=0"), "older_than is not read any more"),
        ("status", ("-e", "drift=false"), "drift is not read any more"),
        ("backup", ("-e", "directory=/tmp/relayers"), "directory is not read any more"),
        # Hosts that there are not.
        *(
            (playbook, (*words, "-e", "pop_before_smtp_hosts=typo"), "pop_before_smtp_hosts: 'typo' matches no host")
            for playbook, words in (("permit", AN_ADDRESS), ("expire", ()), ("status", ()), ("site", ()), ("remove", ()))
        ),
        ("permit", (*AN_ADDRESS, "-e", "pop_before_smtp_hosts=mail1,typo"), "pop_before_smtp_hosts: 'typo' matches no host"),
        ("permit", (*AN_ADDRESS, "--limit", "mail1,typo"), "--limit: 'typo' matches no host"),
        (
            "expire",
            ("-e", "pop_before_smtp_hosts=mail2", "--limit", "mail1"),
            "no host is left of 'mail2' with --limit 'mail1'",
        ),
        # This one is Ansible's own.
        ("permit", (*AN_ADDRESS, "--limit", "typo"), "--limit"),
    ],
)
def test_what_cannot_be_is_said_in_a_line_and_nothing_changes(fleet, playbook, words, said):
    before = {name: fleet.listed(name) for name in ("mail1", "mail2")}
    run = fleet.play(playbook, *words)
    assert run.status != 0
    assert len([line for line in run.output.splitlines() if said in line]) == 1, run.output
    assert changed(run) == set()
    assert {name: fleet.listed(name) for name in before} == before


def test_restore_names_what_was_never_backed_up(fleet):
    run = fleet.play("restore", "-e", "relay_directory=/nonexistent", "--limit", "mail1:mail2")
    assert run.status != 0
    assert "/nonexistent/mail1 has no main.txt: back up first" in run.output
    assert changed(run) == set()


def test_what_a_host_is_said_to_have_for_an_address_is_not_permitted(fleet, tmp_path):
    more = tmp_path / "more.yml"
    more.write_text(json.dumps({"all": {"hosts": {"mail1": {"address": OFFICE}}, "vars": {"address": OFFICE}}}))
    run = fleet.play("permit", f"--inventory={more}")
    assert run.status != 0
    assert "relay_address is missing" in run.output
    assert not any(OFFICE in fleet.listed(*place) for place in fleet.everywhere())


def test_an_address_is_revoked_even_where_the_inventory_still_declares_it_and_that_is_said(fleet):
    run = fleet.play("revoke", "-e", "relay_address=198.51.100.7", "--limit", "mail1")
    assert changed(run) == {"mail1"}
    assert "198.51.100.7 is declared in pop_before_smtp_permissions" in run.output
    assert "198.51.100.7" not in fleet.listed("mail1")
    assert fleet.play("site", "--limit", "mail1").status == 0
    assert fleet.listed("mail1")["198.51.100.7"] == FOR_GOOD


def test_permissions_of_the_inventory_come_and_go_with_it_and_logins_are_not_touched(fleet, reader):
    host = fleet.hosts["mail2"]
    before = list(fleet.permissions)
    log_in(reader, host.address4)
    host.run(["vsmtprelay", "--server", "vs3", "add", OFFICE, "4000000000"])
    login = fleet.listed("mail2")[reader.address4]
    assert {fleet.listed("mail2", name)["198.51.100.7"] for name in ("main", "vs3")} == {FOR_GOOD}
    fleet.permissions[:] = [{"address": "2001:db8::7", "owner": "office", "reason": "alarm panel", "virtual_servers": ["vs3"]}]
    try:
        # Only mail2 has such a virtual server.
        assert changed(fleet.play("site", "--limit", "mail2")) == {"mail2"}
        assert fleet.listed("mail2") == {reader.address4: login}
        assert fleet.listed("mail2", "vs3") == {OFFICE: "4000000000", "ipv6:2001:db8:0:0:0:0:0:7": FOR_GOOD}
    finally:
        fleet.permissions[:] = before
        host.run(["vsmtprelay", "--server", "vs3", "delete", OFFICE])
        host.run(["vsmtprelay", "delete", reader.address4])
    assert changed(fleet.play("site", "--limit", "mail2")) == {"mail2"}


def test_expire_takes_away_what_is_old_everywhere(fleet):
    stamps = {"10.0.0.1": -3 * DAY, "10.0.0.2": -DAY // 2, "10.0.0.3": DAY}
    for name, server in fleet.everywhere():
        for address, age in stamps.items():
            fleet.hosts[name].run(["vsmtprelay", "--server", server, "add", address, str(int(time.time()) + age)])
    assert changed(fleet.play("expire", "--check")) == set(fleet.hosts)
    assert changed(fleet.play("expire")) == set(fleet.hosts)
    assert all(set(stamps) & set(fleet.listed(*place)) == {"10.0.0.2", "10.0.0.3"} for place in fleet.everywhere())
    assert changed(fleet.play("expire", "-e", "relay_older_than=0", "-e", "relay_virtual_servers=main")) == set(fleet.hosts)
    assert "10.0.0.2" not in fleet.listed("mail2")
    assert "10.0.0.2" in fleet.listed("mail2", "vs9")
    for address in stamps:
        assert fleet.play("revoke", "-e", f"relay_address={address}").status == 0


def test_what_was_backed_up_is_put_back(fleet, tmp_path):
    directory = ("-e", f"relay_directory={tmp_path}")
    assert changed(fleet.play("backup", *directory)) == set(fleet.hosts)
    assert changed(fleet.play("backup", *directory)) == set()
    files = {(path.parent.name, path.stem) for path in tmp_path.glob("*/*.txt")}
    assert files == set(fleet.everywhere())
    assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("*/*.txt")} == {0o600}
    saved = {place: fleet.listed(*place) for place in fleet.everywhere()}
    fleet.hosts["mail4"].run(["rm", "/etc/mail/relayers.db", "/srv/vs1/etc/relayers.db"])
    fleet.hosts["mail6"].run(["vsmtprelay", "add", OFFICE])
    foreseen = fleet.play("restore", *directory, "--check", "--diff")
    assert foreseen.status == 0, foreseen.output
    assert changed(foreseen) == {"mail4"}
    assert "+198.51.100.7 253402214400" in foreseen.output
    assert changed(fleet.play("restore", *directory)) == {"mail4"}
    assert {place: fleet.listed(*place) for place in saved if place != ("mail6", "main")} == {
        place: entries for place, entries in saved.items() if place != ("mail6", "main")
    }
    # What came since stays, unless asked otherwise.
    assert OFFICE in fleet.listed("mail6")
    assert changed(fleet.play("restore", *directory, "-e", "relay_exactly=true")) == {"mail6"}
    assert {place: fleet.listed(*place) for place in saved} == saved
