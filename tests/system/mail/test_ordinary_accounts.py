# SPDX-License-Identifier: GPL-3.0-or-later
"""The story of a host from check mode to remove, however Ansible gets in: by sudo, by su, with another Python, pipelined."""

from __future__ import annotations

import re
import shutil
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from guests.image import ensure_image
from support.fingerprint import fingerprint
from support.mail import LOCAL, log_in, rcpt
from support.places import COLLECTIONS
from support.playbook import play, settings_for
from support.throttles import lift_throttles

SUDOERS = """\
Defaults requiretty
Defaults umask=0077, umask_override
alice ALL=(ALL:ALL) ALL
"""
NOEXEC = "noexec,nodev,nosuid"
# Where pyenv would have it for all users.
PYENV = "/opt/pyenv"
SHIM = """\
#!/bin/sh
PATH={version}/bin:$PATH
export PATH
exec {version}/bin/python3.9 "$@"
"""
# What Python 3.9 needs and a later Debian has no longer.
LIBRARIES = ("libcrypto.so.1.1", "libffi.so.7", "libmpdec.so.3", "libssl.so.1.1")
# Who runs a module, on what terminal, in which Python, and what it finds there: a line each.
PROOF = (
    "id -un; echo ${SUDO_USER:-nobody}; readlink /proc/$PPID/fd/0; readlink /proc/$PPID/exe; umask;"
    " for directory in /tmp /var/tmp; do findmnt --noheadings --output OPTIONS --target $directory | tail -n 1; done"
)
ANYTHING = ".*"
TERMINAL = "/dev/pts/.*"
WITHOUT_A_TERMINAL = "(?!/dev/pts).*"
DISTRIBUTION_PYTHON = "/usr/bin/python3.*"
ORDINARY_UMASK = "0022"


@contextmanager
def by_sudo(lab, host):
    """What careful administrators have: sudo for people at terminals, files for their owner alone, no programs in /tmp."""
    let_in(host)
    host.write("/etc/sudoers.d/alice", SUDOERS, mode=0o440)
    for file in (".bashrc", ".profile"):
        host.write(f"/home/alice/{file}", "umask 077\n" + host.read(f"/home/alice/{file}"))
    # Not new ones: services that run have directories there.
    host.run(["mount", "-o", f"remount,{NOEXEC}", "/tmp"])
    host.run(["mount", "--bind", "/var/tmp", "/var/tmp"])
    host.run(["mount", "-o", f"remount,bind,{NOEXEC}", "/var/tmp"])
    try:
        yield
    finally:
        host.run(["umount", "--lazy", "/var/tmp"])
        host.run(["mount", "-o", "remount,exec", "/tmp"])
        for file in (".bashrc", ".profile"):
            host.run(["sed", "-i", "1d", f"/home/alice/{file}"])
        host.run(["rm", "/etc/sudoers.d/alice"])


@contextmanager
def by_su(lab, host):
    """An account that sudo does not know, of somebody who knows root's password."""
    let_in(host)
    yield


@contextmanager
def with_another_python(lab, host):
    """A Python as pyenv makes them, behind a shim and without any package of the distribution: that of Debian 11."""
    image = ensure_image(lab.state, "bullseye")
    version = f"{PYENV}/versions/3.9"
    host.run(["mkdir", "-p", f"{version}/bin", f"{PYENV}/shims"])
    shutil.copytree(image / "usr/lib/python3.9", host.path(f"{version}/lib/python3.9"), symlinks=True)
    shutil.copy2(image / "usr/bin/python3.9", host.path(f"{version}/bin/python3.9"))
    for name in LIBRARIES:
        (library,) = (image / "usr/lib").glob(f"*/{name}")
        shutil.copy2(library, host.path(f"{version}/lib/{name}"))
    host.run(["ln", "-s", "python3.9", f"{version}/bin/python3"])
    host.write(f"{PYENV}/shims/python", SHIM.format(version=version), mode=0o755)
    host.write("/etc/ld.so.conf.d/pyenv.conf", f"{version}/lib\n")
    host.run(["ldconfig"])
    try:
        yield
    finally:
        host.run(["rm", "-r", PYENV, "/etc/ld.so.conf.d/pyenv.conf"])
        host.run(["ldconfig"])


@contextmanager
def as_root(lab, host):
    """Root, as in all other tests."""
    yield


def let_in(host):
    """Let Ansible log in as alice."""
    host.run(["sh", "-ec", "cp -rT /root/.ssh ~alice/.ssh; chown -R alice: ~alice"])


@dataclass(frozen=True)
class Kind:
    """A kind of connection: what the host has for it, what the inventory says, and what a module then finds (PROOF)."""

    arranged: object
    finds: tuple[str, ...]
    variables: dict[str, object] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)


ROOT = "root, pipelined"
SUDO = "sudo with a password, requiretty, umask 077, no programs in tmp"
# The first one is what the others are compared with.
KINDS = {
    ROOT: Kind(
        as_root,
        ("root", "nobody", WITHOUT_A_TERMINAL, DISTRIBUTION_PYTHON, ORDINARY_UMASK, ANYTHING, ANYTHING),
        settings={"ANSIBLE_PIPELINING": "true"},
    ),
    SUDO: Kind(
        by_sudo,
        ("root", "alice", TERMINAL, DISTRIBUTION_PYTHON, "0077", ".*noexec.*", ".*noexec.*"),
        {"ansible_user": "alice", "ansible_become": True, "ansible_become_password": "alice-secret"},
    ),
    "su with root's password": Kind(
        by_su,
        ("root", "nobody", TERMINAL, DISTRIBUTION_PYTHON, ORDINARY_UMASK, ANYTHING, ANYTHING),
        {
            "ansible_user": "alice",
            "ansible_become": True,
            "ansible_become_method": "su",
            "ansible_become_password": "root-secret",
        },
    ),
    "root with a Python from pyenv": Kind(
        with_another_python,
        ("root", "nobody", TERMINAL, f"{PYENV}/.*/python3.9", ORDINARY_UMASK, ANYTHING, ANYTHING),
        {"ansible_python_interpreter": f"{PYENV}/shims/python"},
    ),
}
CASES = [(kind, "bookworm") for kind in (ROOT, SUDO)]
CASES_IN_FULL = [(kind, "bookworm") for kind in KINDS if kind not in (ROOT, SUDO)]
CASES_IN_FULL += [(SUDO, "trixie"), (SUDO, "bullseye")]


class Story:
    """A host as somebody sees it who reaches it in one way."""

    def __init__(self, lab, host, kind, directory):
        self._lab, self._host, self._kind = lab, host, kind
        self._inventory = directory / "connection.yml"
        # For all hosts, as many have it: the machine that Ansible runs on is among them.
        self._inventory.write_text(yaml.safe_dump({"all": {"vars": kind.variables}}), encoding="utf-8")

    def play(self, playbook, *words):
        """Run a playbook, which has to succeed; return how much it changed, and what it printed."""
        words = (f"--inventory={self._inventory}", f"--limit={self._host.name}", *words)
        run = play(self._lab, f"vsmtp.relay.{playbook}", *words, settings=self._kind.settings)
        assert run.status == 0, run.output
        return run.counts[self._host.name]["changed"], run.output

    def changes(self, playbook, *words):
        return self.play(playbook, *words)[0]

    def found_by_a_module(self):
        """Return the lines of PROOF."""
        inventories = [f"--inventory={path}" for path in (self._lab.state.directory / "inventory.yml", self._inventory)]
        command = [str(Path(sys.executable).parent / "ansible"), *inventories, self._host.name]
        environment = {**settings_for(COLLECTIONS), **self._kind.settings}
        done = self._lab.controller.run([*command, "-m", "ansible.builtin.shell", "-a", PROOF], env=environment)
        return done.stdout.rstrip("\n").split("\n")[1:]


@pytest.fixture(scope="module")
def host_of(lab):
    """Return what gives the host of a release, one for all kinds of connections."""
    booted = {}

    def give(release):
        if release not in booted:
            booted[release] = lab.guest(f"account-{release}", release=release)
            lab.boot([booted[release]])
            lift_throttles(booted[release])
        return booted[release]

    yield give
    lab.down([guest.name for guest in booted.values()])


@pytest.fixture(scope="module")
def installed():
    """By release, what the first kind of connection left on the host."""
    return {}


def owners_and_modes(host, before):
    """Return owner and mode of all that came since the fingerprint ``before``."""
    spools = host.run(["sh", "-c", "find /var/lib/vsmtprelay* -printf '%p %U:%G %m\\n'"]).stdout
    lines = {line for line in fingerprint(host).splitlines() if line.startswith("/")}
    return lines.difference(before.splitlines()).union(spools.splitlines())


@pytest.mark.parametrize(
    ("name", "release"), [*CASES, *(pytest.param(*case, marks=pytest.mark.full) for case in CASES_IN_FULL)]
)
def test_the_whole_story(lab, host_of, installed, reader, stranger, tmp_path, name, release):
    host, kind = host_of(release), KINDS[name]
    with kind.arranged(lab, host):
        story = Story(lab, host, kind, tmp_path)
        before = fingerprint(host)

        # Check mode tells, and touches nothing.
        assert story.changes("site", "--check", "--diff") > 0
        found = story.found_by_a_module()
        assert len(found) == len(kind.finds), found
        assert all(map(re.fullmatch, kind.finds, found)), found
        assert fingerprint(host) == before

        # Everything is set up, readable for whom it has to be, whatever the umask; and that is that.
        assert story.changes("site") > 0
        assert story.changes("site") == 0
        came = owners_and_modes(host, before)
        assert came == installed.setdefault(release, came)

        # Who logs in may relay, and nobody else.
        assert rcpt(reader, host.address4)[0] == rcpt(stranger, host.address4)[0] == 550
        assert log_in(reader, host.address4)
        assert rcpt(reader, host.address4)[0] == 250
        assert rcpt(stranger, host.address4)[0] == 550
        assert rcpt(stranger, host.address4, LOCAL)[0] == 250

        # Day to day.
        address = f"relay_address={stranger.address4}"
        assert story.changes("permit", "-e", address) == 1
        assert rcpt(stranger, host.address4)[0] == 250
        assert story.changes("revoke", "-e", address) == 1
        assert rcpt(stranger, host.address4)[0] == 550
        host.run(["vsmtprelay", "add", "198.51.100.1", "1"])
        assert story.changes("expire") == 1
        changed, output = story.play("status")
        assert changed == 0
        assert "1 host, 1 virtual server, 1 entry, 0 of them in the future." in output
        assert "Nothing needs attention." in output

        # What is saved is the person's own file, and comes back.
        entries = host.run(["vsmtprelay", "dump"]).stdout
        directory = f"relay_directory={tmp_path}/relayers"
        story.play("backup", "-e", directory)
        (saved,) = (tmp_path / "relayers" / host.name).iterdir()
        assert reader.address4 in saved.read_text(encoding="utf-8")
        host.run(["vsmtprelay", "delete", reader.address4])
        assert rcpt(reader, host.address4)[0] == 550
        story.play("restore", "-e", directory)
        assert host.run(["vsmtprelay", "dump"]).stdout == entries
        assert rcpt(reader, host.address4)[0] == 250

        # And nothing of it is left.
        assert story.changes("remove", "-e", "pop_before_smtp_remove_databases=true") > 0
        assert difference(before, fingerprint(host)) == []
        assert rcpt(reader, host.address4)[0] == 550


def difference(before, after):
    """Return the lines that only one of two fingerprints has."""
    return sorted(set(before.splitlines()) ^ set(after.splitlines()))
