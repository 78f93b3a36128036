# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks do the same on every strategy: one host is slow, one is down, few have the virtual server that is named."""

from __future__ import annotations

import json

import pytest

OFFICE = "203.0.113.9"
OLD = "10.0.0.1"
# One of those with ten virtual servers, so all others are done long before it.
SLOW, DOWN = "mail2", "mail3"
WITH_VS1 = {"mail2", "mail4", "mail6"}


def changed(run):
    """Return which hosts a run changed."""
    return {name for name, counts in run.counts.items() if counts["changed"]}


def unreachable(run):
    """Return which hosts could not be reached in a run."""
    return {name for name, counts in run.counts.items() if counts["unreachable"]}


@pytest.fixture(scope="module")
def uneven(fleet):
    """The fleet with a host on which every command over ssh takes a second more, and one that is down."""
    fleet.hosts[SLOW].write("/etc/ssh/sshrc", "sleep 1\n")
    fleet.hosts[DOWN].run(["ip", "link", "set", "eth0", "down"])
    yield fleet
    fleet.hosts[DOWN].run(["ip", "link", "set", "eth0", "up"])
    fleet.hosts[SLOW].run(["rm", "/etc/ssh/sshrc"])


@pytest.fixture(params=["free", pytest.param("ansible.builtin.host_pinned", marks=pytest.mark.full)])
def run(request, uneven):
    """Return what runs a playbook over that fleet, with one of the strategies."""

    def run(playbook, *words):
        return uneven.play(playbook, *words, settings={"ANSIBLE_STRATEGY": request.param})

    return run


def has(fleet, address):
    """Return which databases have an address."""
    return {place for place in fleet.everywhere() if address in fleet.listed(*place)}


def test_permit_and_revoke_do_what_is_asked_where_it_can_be_done(run, uneven):
    words = ("-e", f"relay_address={OFFICE}", "-e", "relay_virtual_servers=vs1,vs2")
    done = run("permit", *words)
    assert unreachable(done) == {DOWN}
    assert changed(done) == WITH_VS1
    assert has(uneven, OFFICE) == {(name, server) for name in WITH_VS1 for server in ("vs1", "vs2")}
    told = done.output.splitlines()
    assert f"{SLOW}: {OFFICE} may relay through vs1, vs2 for 1440 minutes" in told
    assert "mail1: this host has none of the virtual servers that were named" in told
    done = run("revoke", "-e", f"relay_address={OFFICE}")
    assert unreachable(done) == {DOWN}
    assert changed(done) == WITH_VS1
    assert has(uneven, OFFICE) == set()


def test_expire_takes_away_what_is_old(run, uneven):
    for name, guest in uneven.hosts.items():
        guest.run(["vsmtprelay", "--server", "main", "add", OLD, "1"])
        assert OLD in uneven.listed(name)
    done = run("expire")
    assert unreachable(done) == {DOWN}
    assert changed(done) == set(uneven.hosts) - {DOWN}
    assert has(uneven, OLD) == {(DOWN, "main")}
    uneven.hosts[DOWN].run(["vsmtprelay", "delete", OLD])


@pytest.mark.parametrize("playbook", ["permit", *(pytest.param(name, marks=pytest.mark.full) for name in ("revoke", "expire"))])
def test_a_name_that_no_host_has_is_told_once_and_nothing_is_changed_anywhere(run, uneven, playbook):
    words = () if playbook == "expire" else ("-e", f"relay_address={OFFICE}")
    for name in WITH_VS1:
        uneven.hosts[name].run(["vsmtprelay", "--server", "vs1", "add", OFFICE, "1"])
    before = {place: uneven.listed(*place) for place in uneven.everywhere()}
    done = run(playbook, *words, "-e", "relay_virtual_servers=vs1,vsx")
    assert done.status != 0
    assert done.output.count("no host here has a virtual server called vsx") == 1
    assert changed(done) == set()
    assert {place: uneven.listed(*place) for place in before} == before
    for name in WITH_VS1:
        uneven.hosts[name].run(["vsmtprelay", "--server", "vs1", "delete", OFFICE])


def test_a_bad_value_is_told_once_and_nothing_is_changed_anywhere(run, uneven):
    before = {place: uneven.listed(*place) for place in uneven.everywhere()}
    done = run("expire", "-e", "relay_older_than=2h")
    assert done.status != 0
    assert done.output.count("relay_older_than: '2h' is not a number of minutes") == 1
    assert {place: uneven.listed(*place) for place in before} == before


def test_status_tells_of_every_host_once(run, uneven, tmp_path):
    done = run("status", "-e", f"relay_json={tmp_path}/fleet.json", "-e", "relay_virtual_servers=main,vs1")
    assert changed(done) == set()
    told = json.loads((tmp_path / "fleet.json").read_text())["hosts"]
    assert sorted(host["host"] for host in told) == sorted(uneven.hosts)
    faults = {host["host"]: host["fault"] for host in told if host["fault"]}
    assert set(faults) == {DOWN}
    assert faults[DOWN].startswith("unreachable: ")
    for host in told:
        if host["host"] != DOWN:
            servers = [server["name"] for server in host["virtual_servers"]]
            assert servers == (["main", "vs1"] if host["host"] in WITH_VS1 else ["main"])
            assert host["drift"] == [], host
    assert done.output.count("8 hosts, 10 virtual servers") == 1, done.output
