# SPDX-License-Identifier: GPL-3.0-or-later
"""A Debian 13 host sets itself up with Debian's own Ansible, in each way that there is; a controller has nothing to do then.

All is as Ansible comes. What docs/operations.md says about ansible-pull is taken from there.
"""

from __future__ import annotations

import re
import shutil

import pytest
from documentation.blocks import blocks_of
from documentation.console import commands

from support.fingerprint import fingerprint
from support.mail import log_in, rcpt
from support.places import CHECKOUT
from support.playbook import Run, play, tarball
from support.throttles import lift_throttles

HOST = "pullhost"
BLOCKS = [block for block in blocks_of(CHECKOUT / "docs" / "operations.md") if block.section == "Without a controller"]
(SITE,) = (block.text for block in BLOCKS if block.language == "yaml")
INSTALL, PULL = (command.text for block in BLOCKS if block.language == "console" for command in commands(block.text))
REPOSITORY = "/srv/fleet.git"
# What the page has people type, and what it is in a place that has neither Galaxy nor a git server.
REPLACED = {
    r"collection install vsmtp\.relay": "collection install /root/{tarball}",
    r"https://git\.example\.org/fleet\.git": f"file://{REPOSITORY}",
}
# In front of all programs: Ansible wants UTF-8.
ENVIRONMENT = ["env", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"]
TABLE = "/etc/vsmtprelay/virtual_servers"
INVENTORY = f"mail_hosts:\n  hosts:\n    {HOST}:\n      ansible_connection: local\n"


class Itself:
    """The host as somebody sees it who is root there, in a directory for work."""

    def __init__(self, guest):
        self.guest = guest

    def run(self, command, check=True):
        """Run a command of the page, or one like those; return what it printed and counted."""
        for shown, instead in REPLACED.items():
            command = re.sub(shown, instead.format(tarball=tarball().name), command)
        done = Run(self.guest.run([*ENVIRONMENT, "sh", "-c", f"cd /root/work && {command}"], check=False, timeout=300))
        assert not check or done.status == 0, done.output
        return done

    def changes(self, command, name=HOST):
        """Return how much a command changed on the host, which Ansible calls ``name``."""
        done = self.run(command)
        assert name in done.counts, done.output
        return done.counts[name]["changed"]


@pytest.fixture(scope="module")
def itself(lab):
    """A host with Debian's Ansible and git, the collection, and a repository that has the inventory of the controller."""
    guest = lab.guest(HOST, release="trixie")
    lab.boot([guest])
    lift_throttles(guest)
    guest.run(
        [*ENVIRONMENT, "apt-get", "install", "--quiet", "--yes", "--no-install-recommends", "ansible-core", "git"], timeout=300
    )
    shutil.copy(tarball(), guest.path("/root"))
    guest.run(["mkdir", "-p", "/root/work", REPOSITORY])
    guest.write("/root/work/inventory", INVENTORY)
    guest.write(f"{REPOSITORY}/inventory", lab.inventory())
    guest.write(f"{REPOSITORY}/site.yml", SITE)
    identity = "-c user.name=root -c user.email=root@example.test"
    guest.run(["sh", "-ec", f"cd {REPOSITORY}; git init --quiet; git add .; git {identity} commit --quiet --message=Begin"])
    itself = Itself(guest)
    itself.run(INSTALL)
    yield itself
    lab.down([HOST])


def test_with_a_local_connection_it_goes_from_check_mode_to_nothing_left(itself, reader):
    playbook = "ansible-playbook -i inventory vsmtp.relay."
    before = fingerprint(itself.guest)
    assert itself.changes(f"{playbook}site --check --diff") > 0
    assert fingerprint(itself.guest) == before
    assert itself.changes(f"{playbook}site") > 0
    assert itself.changes(f"{playbook}site") == 0
    server = itself.guest.address4
    assert rcpt(reader, server)[0] == 550
    assert log_in(reader, server)
    assert rcpt(reader, server)[0] == 250
    assert "Nothing needs attention." in itself.run(f"{playbook}status").output
    entries = itself.guest.run(["vsmtprelay", "dump"]).stdout
    itself.run(f"{playbook}backup -e relay_directory=relayers")
    assert itself.changes(f"{playbook}revoke -e relay_address={reader.address4}") == 1
    assert rcpt(reader, server)[0] == 550
    itself.run(f"{playbook}restore -e relay_directory=relayers")
    assert itself.guest.run(["vsmtprelay", "dump"]).stdout == entries
    assert itself.changes(f"{playbook}remove -e pop_before_smtp_remove_databases=true") > 0
    assert sorted(set(before.splitlines()) ^ set(fingerprint(itself.guest).splitlines())) == []


def test_what_ansible_pull_sets_up_a_local_run_and_a_controller_find_done_under_the_same_name(lab, itself, reader):
    assert itself.changes(PULL) > 0
    assert itself.changes(PULL) == 0
    server = itself.guest.address4
    assert log_in(reader, server)
    assert rcpt(reader, server)[0] == 250
    table = itself.guest.read(TABLE)
    assert [line.split()[0] for line in table.splitlines() if not line.startswith("#")] == [HOST]
    assert itself.changes("ansible-playbook -i inventory vsmtp.relay.site") == 0
    pushed = play(lab, "vsmtp.relay.site", "--limit", HOST)
    assert pushed.status == 0, pushed.output
    assert pushed.counts[HOST]["changed"] == 0, pushed.output
    assert itself.guest.read(TABLE) == table


@pytest.mark.full
def test_without_an_inventory_localhost_is_the_same_host_once_it_is_meant(itself):
    bare = PULL.replace(" --inventory inventory", "")
    assert bare != PULL
    itself.run(PULL)
    before = fingerprint(itself.guest)
    # Ansible's "all" does not mean the localhost of nobody's inventory: it is said, and not taken for success.
    done = itself.run(bare, check=False)
    assert done.status != 0, done.output
    assert [line for line in done.output.splitlines() if "matches no host" in line], done.output
    # As the page says.
    assert itself.changes(f"{bare} -e pop_before_smtp_hosts=localhost", "localhost") == 0
    assert fingerprint(itself.guest) == before
