# SPDX-License-Identifier: GPL-3.0-or-later
"""The two mail hosts of the front page's inventory, and the controller, which has only that inventory."""

from __future__ import annotations

import subprocess
from pathlib import Path

from guests import Lab
from guests.guest import Guest
from guests.inventory import key_file, ssh_options
from support.mail import log_in
from support.playbook import settings_for, tarball
from support.throttles import lift_throttles

from .blocks import CHECKOUT, FRONT_DOOR, Block, blocks_of
from .console import CONTROLLER, Command, commands
from .substitutions import substituted

DOMAIN = "example.org"
# The second one has the address that the inventory gives to one of its virtual servers.
HOSTS = {"mail1": "192.0.2.11", "mail2": "192.0.2.10"}
# What Courier's packages bring on Debian.
PAM_FILES = dict.fromkeys(("pop3", "imap"), "@include common-auth\n@include common-account\n@include common-session\n")
# Trees that examples assume, each with its own sendmail.cf.
ROOTS = ("/srv/example.org", "/srv/example.net")
# Removes all entries, permanent ones too. An address that one of the databases lacks is no error.
FORGET = "vsmtprelay --all dump | sed '/^#/d; s/ .*//' | xargs --no-run-if-empty vsmtprelay --all delete 2> /dev/null || true"
SECONDS = 300


class Failed(AssertionError):
    """A command of a page did not do what the page says."""


class Bed:
    """The hosts that run the pages. ``directory`` is the working directory on the controller."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        self._lab = lab
        self.directory = directory
        self._done: set[Block] = set()
        self._page = ""
        # By page, what runs in check mode showed.
        self.shown: dict[str, str] = {}
        self._front_door = blocks_of(CHECKOUT / FRONT_DOOR)
        self.guests: dict[str, Guest] = {
            name: lab.guest(name, release="bookworm", address4=address) for name, address in HOSTS.items()
        }

    # Setting up

    def boot(self) -> None:
        """Boot the hosts, prepare what the pages assume, and write the inventory of the front page."""
        self._lab.boot(self.guests.values())
        for guest in self.guests.values():
            lift_throttles(guest)
            self.make_roots(guest.name, ROOTS)
            for service, text in PAM_FILES.items():
                guest.write(f"/etc/pam.d/{service}", text)
        state = self._lab.state
        names = [f"Host {name}.{DOMAIN}\n HostName {address}" for name, address in HOSTS.items()]
        options = {"IdentityFile": key_file(state), **ssh_options(state)}
        self.write("ssh_config", "\n".join([*names, "Host *", *(f" {name} {value}" for name, value in options.items())]))
        (inventory,) = (block for block in self._front_door if block.language == "yaml")
        self.write("inventory", inventory.text)

    def set_up(self, page: str = FRONT_DOOR) -> None:
        """Run the set-up of the front page; begin a page with one login as the only entry."""
        for block in self._front_door:
            if block.language == "console" and "vsmtp.relay.site" in block.text:
                self.run_console(block)
        if page != self._page:
            self._page = page
            for name, guest in self.guests.items():
                guest.run(["sh", "-c", FORGET])
                if not self.log_in(name):
                    raise Failed(f"{page}: a login at {name} fails")

    def make_roots(self, host: str, roots: tuple[str, ...] | list[str]) -> None:
        """Make the trees of virtual servers on a host, each with the host's sendmail.cf unless it has one."""
        for root in roots:
            script = f"mkdir -p {root}/etc; test -e {root}/etc/sendmail.cf || cp -p /etc/mail/sendmail.cf {root}/etc/"
            self.guests[host].run(["sh", "-ec", script])

    # Doing what a page says

    def run_console(self, block: Block) -> None:
        """Run the commands of a block, only once in all calls. Raises Failed."""
        if block in self._done:
            return
        for command in commands(block.text):
            self._run(command, block)
        self._done.add(block)

    def _run(self, command: Command, block: Block) -> None:
        if command.host == CONTROLLER:
            process = self.shell(command.text)
        else:
            process = self.guests[command.host].run(["sh", "-c", command.text], check=False, timeout=SECONDS)
        output = process.stdout + process.stderr
        if process.returncode != 0:
            raise Failed(f"{block}: {command.text!r} ended with status {process.returncode}:\n{output}")
        if not command.prints(output):
            raise Failed(f"{block}: {command.text!r} printed something else:\n{output}")

    def shell(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command that a page shows for the controller."""
        script = substituted(command, tarball=tarball(), checkout=CHECKOUT)
        return self._lab.controller.run(
            ["sh", "-c", script], cwd=self.directory, env=self._environment(), check=False, timeout=SECONDS
        )

    def _environment(self) -> dict[str, str]:
        return {
            **settings_for(self.directory / "collections"),
            "ANSIBLE_SSH_ARGS": f"-F {self.directory / 'ssh_config'}",
            "ANSIBLE_NOCOLOR": "true",
        }

    def write(self, name: str, text: str) -> Path:
        """Write a file into the working directory on the controller."""
        (self.directory / name).write_text(text, encoding="utf-8")
        return self.directory / name

    def log_in(self, host: str) -> bool:
        """Log in by POP at a host, from a client's address; return whether that succeeded."""
        client = self._lab.client("reader", address4="192.0.2.101", address6="2001:db8:99::101")
        return log_in(client, HOSTS[host])
