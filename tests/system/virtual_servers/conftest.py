# SPDX-License-Identifier: GPL-3.0-or-later
"""A mail host of each Debian release, set up by the playbook, and clients with separate addresses.

The numbers of the files are their order: the tests of one daemon need the hosts before they get a daemon for each server.
"""

from __future__ import annotations

import json
from collections import Counter

import pytest

from support.playbook import play

from .host import Host, on_all

# The oldest is one for --full: what differs between the releases differs between these two as well.
RELEASES = {"bookworm": 60, "trixie": 70, "bullseye": 80}
"""The last parts of the first addresses of each release's host, whose virtual servers have the next ones."""
OF_EACH_RELEASE = ("host", "shared_host", "repaired", "departed")
"""Fixtures that stand for each host in turn."""


def releases(config):
    return list(RELEASES)[: None if config.getoption("--full") else 2]


def pytest_generate_tests(metafunc):
    for name in OF_EACH_RELEASE:
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, releases(metafunc.config), indirect=True)


@pytest.fixture(scope="session")
def counts():
    """What was done, by name; printed at the end."""
    counts = Counter()
    yield counts
    print("\nvirtual servers: " + ", ".join(f"{name} {number}" for name, number in counts.items()))


@pytest.fixture(scope="session")
def run_site(lab, counts):
    """Run vsmtp.relay.site on hosts, each with its own list of virtual servers."""

    def run(hosts):
        servers = {host.guest.name: host.servers for host in hosts}
        variables = {"servers": servers, "pop_before_smtp_virtual_servers": "{{ servers[inventory_hostname] }}"}
        run = play(lab, "vsmtp.relay.site", "-e", json.dumps(variables), "--limit", ",".join(servers))
        assert run.status == 0, run.output
        counts["runs of the role"] += len(servers)
        return run

    return run


@pytest.fixture(scope="session")
def new_hosts(lab, run_site, counts, pytestconfig):
    """The hosts by release, each with one sendmail for all its addresses."""
    hosts = {release: Host(lab, release, RELEASES[release]) for release in releases(pytestconfig)}
    lab.boot(host.guest for host in hosts.values())
    on_all(hosts.values(), Host.prepare)
    run_site(hosts.values())
    counts["releases"] += len(hosts)
    return hosts


@pytest.fixture(scope="session")
def shared_hosts(new_hosts, run_site):
    """The hosts later, when three virtual servers were added to their lists, and a daemon runs for each; by release."""

    def add(host):
        host.leave_addresses_to_others()
        host.start_daemons()
        host.add_servers()

    on_all(new_hosts.values(), add)
    run_site(new_hosts.values())
    return new_hosts


@pytest.fixture
def shared_host(request, shared_hosts):
    """Each of the hosts in turn, at that later time, with nobody listed."""
    host = shared_hosts[request.param]
    host.forget_logins()
    return host


@pytest.fixture(scope="session")
def stranger(lab):
    """A client of somebody who never logs in."""
    return lab.client("stranger", address4="192.0.2.102", address6="2001:db8:99::102")
