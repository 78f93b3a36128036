# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of docs/provider.md, the person who types its commands, and the runner of its CI jobs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import yaml
from documentation.blocks import blocks_of
from documentation.console import CONTROLLER, commands
from documentation.substitutions import substituted

from guests.inventory import key_file
from support.documentation import block
from support.places import CHECKOUT
from support.playbook import Run, settings_for, tarball
from support.throttles import bear_load, lift_throttles

PAGE = CHECKOUT / "docs" / "provider.md"
FILES = CHECKOUT / "docs" / "provider"
RELEASES = {"pop1": "trixie", "smtp1": "bookworm", "web1": "bookworm"}
DOMAIN = "example.org"
# What a host of this kind does not have. On web1 the daemons of the customers are all there is.
ABSENT = {"pop1": ["sendmail"], "smtp1": ["dovecot.socket", "dovecot"], "web1": ["sendmail"]}
CUSTOMERS = {"flowers": "192.0.2.31", "garage": "192.0.2.32"}
# sendmail accepts no connections while the machine is busy.
BEAR_LOAD = "define(`confREFUSE_LA', `1000')dnl\n"
# The virtual server that docs/virtual_servers.md sets up, and its addresses.
DOCUMENTED, DOCUMENTED4, DOCUMENTED6 = "/srv/a/", "192.0.2.61", "2001:db8:99::61"
GIT = {f"GIT_{role}_{what}": "you@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
SECONDS = 300


class Provider:
    """The hosts by name, and the repository, which the page calls fleet."""

    def __init__(self, lab, directory: Path) -> None:
        self._lab = lab
        self._directory = directory
        # Where the person is.
        self._at = directory
        self.fleet = directory / "fleet"
        self.guests = {name: lab.guest(name, release=release) for name, release in RELEASES.items()}
        self.addresses = {**{name: guest.address4 for name, guest in self.guests.items()}, **CUSTOMERS}

    # Setting up

    def prepare(self) -> None:
        """Boot the hosts with the mail servers that the page assumes, and give the person a key and the hosts' names."""
        self._lab.boot(self.guests.values())
        names = {name: f"{name}.{DOMAIN}" for name in self.guests}
        lines = "".join(f"{self.addresses[name]} {full}\n" for name, full in names.items())
        for name, guest in self.guests.items():
            lift_throttles(guest)
            bear_load(guest)
            guest.write("/etc/hosts", guest.read("/etc/hosts") + lines)
            guest.run(["systemctl", "mask", "--now", *ABSENT[name]], check=False)
        self._make_customers()
        self.write("addresses", lines)
        known = [f"Host {full}\n HostName {self.addresses[name]}\n HostKeyAlias {full}\n" for name, full in names.items()]
        self.write("ssh_config", "".join(known))
        self.write("key", key_file(self._lab.state).read_text(encoding="utf-8")).chmod(0o600)
        self.write("vault", "open sesame\n")

    def _make_customers(self) -> None:
        """Make the tree and the daemon of each customer, as docs/virtual_servers.md says."""
        guest = self.guests["web1"]
        guest.write("/etc/systemd/system/sendmail@.service", block("virtual_servers.md", "ini"))
        stock = guest.read("/etc/mail/sendmail.mc").splitlines(keepends=True)
        others = "".join(line for line in stock if not line.startswith("DAEMON_OPTIONS"))
        for name, address in CUSTOMERS.items():
            address6 = f"2001:db8:99::{address.rpartition('.')[2]}"
            own = block("virtual_servers.md", "m4").replace(DOCUMENTED, f"/srv/{name}/")
            own = own.replace(DOCUMENTED4, address).replace(DOCUMENTED6, address6) + BEAR_LOAD
            text = others.replace("MAILER_DEFINITIONS\n", f"{own}MAILER_DEFINITIONS\n")
            for words in (f"{address}/24", f"{address6}/64 nodad"):
                guest.run(["ip", "address", "add", *words.split(), "dev", "eth0"])
            guest.run(["sh", "-ec", f"cd /srv; mkdir -p {name}/etc {name}/run; mkdir -m 700 {name}/mqueue"])
            guest.write(self.sendmail_cf(name), guest.run(["m4", "-"], input=text).stdout)
        guest.run(["systemctl", "daemon-reload"])
        guest.run(["systemctl", "enable", "--now", *(f"sendmail@{name}" for name in CUSTOMERS)])

    @staticmethod
    def sendmail_cf(server: str) -> str:
        """Return the path of the sendmail.cf of a customer or, for another name, of the host itself."""
        return f"/srv/{server}/etc/sendmail.cf" if server in CUSTOMERS else "/etc/mail/sendmail.cf"

    def rulesets(self) -> dict[str, str]:
        """Return the text of each sendmail.cf that relays, by the host or the customer."""
        hosts = {"smtp1": "smtp1", **dict.fromkeys(CUSTOMERS, "web1")}
        return {server: self.guests[host].read(self.sendmail_cf(server)) for server, host in hosts.items()}

    # Doing what the page says

    def shell(self, command: str, at: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command as the person does, or in the directory ``at``."""
        script = substituted(command, tarball=tarball(), addresses=self._directory / "addresses")
        environment = {
            **settings_for(self._directory),
            **GIT,
            "HOME": str(self._directory),
            "ANSIBLE_SSH_EXTRA_ARGS": f"-F {self._directory / 'ssh_config'}",
            "ANSIBLE_PRIVATE_KEY_FILE": str(self._directory / "key"),
            "ANSIBLE_VAULT_PASSWORD_FILE": str(self._directory / "vault"),
        }
        # It would have precedence over ansible.cfg.
        words = ["env", "--unset=ANSIBLE_COLLECTIONS_PATH", "bash", "-ec", script]
        return self._lab.controller.run(words, cwd=at or self._at, env=environment, check=False, timeout=SECONDS)

    def write(self, name: str, text: str) -> Path:
        """Write a file beside the repository; return its path."""
        file = self._directory / name
        file.write_text(text, encoding="utf-8")
        return file

    def run(self, command: str) -> Run:
        """Run a command in the repository."""
        return Run(self.shell(command, self.fleet))

    def do(self, section: str):
        """Do the commands of a section of the page. Yield the text of each and what it printed, once that is what it should."""
        for command in self.commands(section):
            if command.text.startswith("cd "):
                self._at /= command.text[3:]
                continue
            if command.host == CONTROLLER:
                done = self.shell(command.text)
            else:
                done = self.guests[command.host].run(["sh", "-c", command.text], check=False)
            output = done.stdout + done.stderr
            assert done.returncode == 0, f"{command.text}: {output}"
            assert command.prints(output), f"{command.text}: {output}"
            yield command.text, output

    @staticmethod
    def commands(section: str):
        """Return the commands of a section of the page."""
        blocks = [found for found in blocks_of(PAGE) if (found.section, found.language) == (section, "console")]
        assert blocks, section
        return [command for found in blocks for command in commands(found.text)]

    def job(self, name: str) -> Run:
        """Run a job of .gitlab-ci.yml as the CI does: in a clone, line by line, where the first failure ends it."""
        jobs = yaml.safe_load((self.fleet / ".gitlab-ci.yml").read_text(encoding="utf-8"))
        clone = self._directory / "clone"
        lines = [f"rm -rf {clone}", f"git clone --quiet {self.fleet} {clone}", f"cd {clone}"]
        # GitLab's file is one that everybody may read.
        lines.append('chmod 666 "$ANSIBLE_PRIVATE_KEY_FILE"')
        script = [*jobs["default"]["before_script"], *jobs[name]["script"]]
        lines += [substituted(line, tarball=tarball()) for line in script]
        return Run(self.shell("\n".join(lines), self._directory))
