# SPDX-License-Identifier: GPL-3.0-or-later
"""The library on a host: the packages of the collection, at every depth, and nothing else."""

from __future__ import annotations

import hashlib

import pytest

from support.places import COLLECTIONS
from support.playbook import play

SITE = "vsmtp.relay.site"
LIBRARY = "/usr/local/lib/vsmtprelay"
SOURCE = COLLECTIONS / "ansible_collections/vsmtp/relay/plugins/module_utils/_vsmtprelay"
RECORDER = "vsmtprelay-recorder.service"
TWO_LEVELS_DOWN = f"{LIBRARY}/recorder/login.py"
# Of the library up to version 0.2.0, which had no packages: some of its names are those of packages now.
FLAT = ("addresses", "command", "database", "entries", "hashfile", "recorder", "recording", "status", "virtual_servers")


def installed(host):
    """Return path → SHA-256 of every file of the library, but for compiled Python."""
    command = ["find", ".", "-name", "__pycache__", "-prune", "-o", "-type", "f", "-exec", "sha256sum", "{}", "+"]
    lines = host.run(["env", "-C", LIBRARY, *command]).stdout.splitlines()
    return {path[2:]: digest for digest, path in (line.split("  ", 1) for line in lines)}


def released():
    return {str(path.relative_to(SOURCE)): hashlib.sha256(path.read_bytes()).hexdigest() for path in SOURCE.rglob("*.py")}


def process_of(host):
    return host.run(["systemctl", "show", "--property", "MainPID", "--value", RECORDER]).stdout.strip()


@pytest.fixture
def repaired(lab, mail_host):
    """The mail host, which gets its library back after the test."""
    yield mail_host
    assert play(lab, SITE).status == 0
    assert installed(mail_host) == released()


def test_it_is_that_of_the_collection(mail_host):
    assert installed(mail_host) == released()
    assert any(path.count("/") == 1 for path in released())


def test_an_upgrade_from_the_flat_library_leaves_no_old_file(lab, repaired):
    for name in (*FLAT, "old_package/deep/old"):
        repaired.run(["install", "-D", "/dev/null", f"{LIBRARY}/{name}.py"])
    assert play(lab, SITE).status == 0
    assert installed(repaired) == released()
    assert repaired.run(["find", LIBRARY, "-name", "old_package"]).stdout == ""


def test_a_file_that_changed_two_levels_down_restarts_the_recorder(lab, repaired):
    before = process_of(repaired)
    assert play(lab, SITE, "--tags", "pop_before_smtp_run").status == 0
    assert process_of(repaired) == before
    repaired.run(["sh", "-ec", f"echo '# changed' >> {TWO_LEVELS_DOWN}"])
    assert play(lab, SITE, "--tags", "pop_before_smtp_run").status == 0
    assert process_of(repaired) != before
