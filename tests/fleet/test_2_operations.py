# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done day by day over the whole fleet: permit, revoke, expire, permissions of the inventory, backup and restore."""

from __future__ import annotations

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
    address = ("-e", f"address={reader.address4}")
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
    words = ("-e", f"address={OFFICE}", "-e", "until=2099-12-31", "-e", "virtual_servers=vs1,vs2", "--limit", "mail2:mail4")
    assert changed(fleet.play("permit", *words)) == {"mail2", "mail4"}
    places = {place for place in fleet.everywhere() if OFFICE in fleet.listed(*place)}
    assert places == {(name, server) for name in ("mail2", "mail4") for server in ("vs1", "vs2")}
    # The end of that day in UTC, less the window that follows every timestamp.
    assert fleet.listed("mail2", "vs1")[OFFICE] == str(4102444799 - DAY)
    assert changed(fleet.play("permit", *words)) == set()
    assert changed(fleet.play("revoke", "-e", f"address={OFFICE}")) == {"mail2", "mail4"}


@pytest.mark.parametrize(
    ("playbook", "words", "said"),
    [
        ("permit", (), "-e address=198.51.100.7"),
        ("revoke", ("-e", "address=mail.example.org"), "'mail.example.org'"),
        ("permit", ("-e", "address=10.0.0.1", "-e", "until=tomorrow"), "'tomorrow' is not a day"),
        ("permit", ("-e", "address=10.0.0.1", "-e", "until=2020-01-01"), "2020-01-01 is over"),
        ("permit", ("-e", "address=10.0.0.1", "-e", "virtual_servers=vs1,vsx"), "no host here has a virtual server called vsx"),
        ("backup", (), "-e directory="),
        ("restore", ("-e", "directory=/nonexistent"), "/nonexistent/mail1 has no main.txt"),
    ],
)
def test_what_cannot_be_is_said_in_a_line_and_nothing_changes(fleet, playbook, words, said):
    run = fleet.play(playbook, *words, "--limit", "mail1:mail2")
    assert run.status != 0
    assert said in run.output
    assert changed(run) == set()


def test_an_address_is_revoked_even_where_the_inventory_still_declares_it_and_that_is_said(fleet):
    run = fleet.play("revoke", "-e", "address=198.51.100.7", "--limit", "mail1")
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
    assert changed(fleet.play("expire", "-e", "older_than=0", "-e", "virtual_servers=main")) == set(fleet.hosts)
    assert "10.0.0.2" not in fleet.listed("mail2")
    assert "10.0.0.2" in fleet.listed("mail2", "vs9")
    for address in stamps:
        assert fleet.play("revoke", "-e", f"address={address}").status == 0


def test_what_was_backed_up_is_put_back(fleet, tmp_path):
    directory = ("-e", f"directory={tmp_path}")
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
    assert changed(fleet.play("restore", *directory, "-e", "exactly=true")) == {"mail6"}
    assert {place: fleet.listed(*place) for place in saved} == saved
