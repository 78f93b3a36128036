# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet: eight mail hosts of three Debian releases, some with one virtual server, some with ten.

The numbers of the files are their order: they are the steps of one story, from the rollout on.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.mail import rcpt
from support.playbook import play
from support.throttles import lift_throttles

RELEASES = ("bookworm", "trixie", "bullseye", "bookworm", "trixie", "bullseye", "bookworm", "trixie")
WITH_TEN = ("mail2", "mail4", "mail6")
# What everybody is to have, as the inventory declares it.
PRINTER = {"address": "198.51.100.7", "owner": "accounting", "reason": "mails scanned invoices"}
TREES = ("/etc", "/usr", "/var/lib")
MAKE_WRITABLE = f"for tree in {' '.join(TREES)}; do mount -o remount,bind,rw $tree; done"
MAKE_READ_ONLY = f"for tree in {' '.join(TREES)}; do mount --bind $tree $tree; mount -o remount,bind,ro $tree; done"


class Fleet:
    """All the hosts by name, and what runs playbooks over them."""

    def __init__(self, lab):
        self._lab = lab
        self.hosts = {f"mail{number}": lab.guest(f"mail{number}", release=name) for number, name in enumerate(RELEASES, 1)}
        self.servers = {name: self._servers_of(name) for name in self.hosts}
        self.permissions = [PRINTER]

    @staticmethod
    def _servers_of(name):
        servers = [{"name": "main"}]
        if name in WITH_TEN:
            servers += [{"name": f"vs{n}", "root": f"/srv/vs{n}", "domains": [f"vs{n}.example"]} for n in range(1, 10)]
        return servers

    def prepare(self):
        """Boot the hosts, each with a tree for each of its virtual servers."""
        self._lab.boot(self.hosts.values())

        def make(name):
            guest = self.hosts[name]
            lift_throttles(guest)
            for server in self.servers[name][1:]:
                guest.run(["mkdir", "-p", f"{server['root']}/etc"])
                guest.run(["cp", "-p", "/etc/mail/sendmail.cf", f"{server['root']}/etc/sendmail.cf"])

        with ThreadPoolExecutor(2) as threads:
            list(threads.map(make, self.hosts))

    def play(self, playbook, *options, **settings):
        """Run a playbook of the collection over the fleet, or those that ``--limit`` names."""
        variables = {
            "servers": self.servers,
            "pop_before_smtp_virtual_servers": "{{ servers[inventory_hostname] }}",
            "pop_before_smtp_permissions": self.permissions,
        }
        return play(self._lab, f"vsmtp.relay.{playbook}", "-e", json.dumps(variables), *options, **settings)

    def listed(self, name, server="main"):
        """Return the addresses in a database, as makemap reads it."""
        databases = {"main": "/etc/mail/relayers"}
        path = databases.get(server, f"/srv/{server}/etc/relayers")
        lines = self.hosts[name].run(["makemap", "-u", "hash", path]).stdout.splitlines()
        return dict(line.split() for line in lines)

    def everywhere(self):
        """Return the host and the name of each virtual server of the fleet."""
        return [(name, server["name"]) for name, servers in self.servers.items() for server in servers]


@pytest.fixture(scope="session")
def new_fleet(lab):
    """The fleet before the role was there."""
    fleet = Fleet(lab)
    fleet.prepare()
    return fleet


class Rollout:
    """The runs of vsmtp.relay.site: with three hosts at fault, after they were mended, and once more."""

    DOWN, BROKEN, READ_ONLY = "mail3", "mail5", "mail7"
    BAD = (DOWN, BROKEN, READ_ONLY)

    def __init__(self, fleet):
        hosts = fleet.hosts
        configuration = hosts[self.BROKEN].path("/etc/mail/sendmail.cf")
        sound = configuration.read_bytes()
        hosts[self.DOWN].run(["ip", "link", "set", "eth0", "down"])
        configuration.write_bytes(sound + b"Xbroken\n")
        hosts[self.READ_ONLY].run(["sh", "-ec", MAKE_READ_ONLY])
        self.first = fleet.play("site")
        hosts[self.DOWN].run(["ip", "link", "set", "eth0", "up"])
        configuration.write_bytes(sound)
        hosts[self.READ_ONLY].run(["sh", "-ec", MAKE_WRITABLE])
        self.second = fleet.play("site")
        self.third = fleet.play("site")


@pytest.fixture(scope="session")
def rollout(new_fleet):
    return Rollout(new_fleet)


@pytest.fixture(scope="session")
def fleet(new_fleet, rollout):
    """The fleet with the role on all its hosts."""
    assert rollout.third.status == 0, rollout.third.output
    return new_fleet


@pytest.fixture
def relays(fleet, reader):
    """Return what tells which hosts let the client relay now."""

    def relays(names=None):
        answers = {name: rcpt(reader, fleet.hosts[name].address4)[0] for name in names or fleet.hosts}
        assert set(answers.values()) <= {250, 550}, answers
        return {name for name, answer in answers.items() if answer == 250}

    return relays
