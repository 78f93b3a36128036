# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of these tests: what they are, how they are set up, and what can be asked of them."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

from support.load import MANY
from support.mail import Address, log_in
from support.playbook import play
from support.sharing import PORT, write_inventory
from support.throttles import bear_load, lift_throttles

RELEASES = {"mail1": "bullseye", "mail2": "bookworm", "mail3": "trixie", "engine1": "bookworm", "engine2": "trixie"}
HOSTS = ("mail1", "mail2", "mail3")
ENGINES = ("engine1", "engine2")
READERS = ("mail1", "mail3")
RELAYS = ("mail2", "mail3")
SHARER, RECORDER = "vsmtprelay-share.service", "vsmtprelay-recorder.service"
# Not on mail1, which therefore may not speak for it.
OFFICE = {"name": "office", "root": "/srv/office", "domains": ["office.example"]}
CUSTOMERS = {"name": "customers"}
DATABASES = {"customers": "/etc/mail/relayers.db", "office": "/srv/office/etc/relayers.db"}
VARIABLES = {
    "mail1": {"pop_before_smtp_relay": "none", "pop_before_smtp_virtual_servers": [CUSTOMERS]},
    "mail2": {"pop_before_smtp_recorder": "none", "pop_before_smtp_virtual_servers": [CUSTOMERS, OFFICE]},
    "mail3": {"pop_before_smtp_virtual_servers": [CUSTOMERS, OFFICE]},
}
# What a host of this kind does not have. Engines read and send no mail at all.
ABSENT = {"mail1": ["sendmail"], "mail2": ["dovecot.socket", "dovecot"], "mail3": []}
NO_MAIL = ["sendmail", "dovecot.socket", "dovecot"]
# Both networks belong to the client as a whole; those who log in on mail3 come from the second one.
NETWORKS = {"mail1": MANY, "mail3": "198.19.0.0/16"}
BOTH_NETWORKS = "198.18.0.0/15"
MAKE_OFFICE = "mkdir -p /srv/office/etc && cp -p /etc/mail/sendmail.cf /srv/office/etc/sendmail.cf"
STATUS = "/run/vsmtprelay-share/status.json"
CLIENT = Path(__file__).parent / "in_guest" / "engine_client.py"


class Fleet:
    """All the hosts by name; ``permissions`` are those that the inventory declares."""

    def __init__(self, lab, client, directory):
        self.lab = lab
        self.guests = {name: lab.guest(name, release=release) for name, release in RELEASES.items()}
        self.addresses = {name: guest.address4 for name, guest in self.guests.items()}
        self.relays = {name: self.addresses[name] for name in RELAYS}
        self.permissions = []
        self._client = client
        self.directory = directory
        self._given = 0

    def __getitem__(self, name):
        return self.guests[name]

    def prepare(self):
        """Boot the hosts, with the services that hosts of their kind have, and let the client's networks in."""
        self.lab.boot(self.guests.values())
        for name, guest in self.guests.items():
            if name in HOSTS:
                lift_throttles(guest, "198.0")
                bear_load(guest)
                guest.run(["ip", "route", "add", BOTH_NETWORKS, "via", self._client.address4])
            if "office" in [server["name"] for server in VARIABLES.get(name, {}).get("pop_before_smtp_virtual_servers", [])]:
                guest.run(["sh", "-ec", MAKE_OFFICE])
            guest.run(["systemctl", "mask", "--now", *ABSENT.get(name, NO_MAIL)], check=False)
            guest.write("/root/engine_client.py", CLIENT.read_text(encoding="utf-8"))

    def play(self, playbook, *options, engines=ENGINES, **settings):
        """Run a playbook of the collection with Ansible's own settings, over the hosts of the inventory."""
        variables = {name: {**VARIABLES[name], "pop_before_smtp_permissions": self.permissions} for name in HOSTS}
        inventory = write_inventory(self.directory / "sharing.yml", variables, engines)
        return play(self.lab, f"vsmtp.relay.{playbook}", f"--inventory={inventory}", *options, **settings)

    # Logins and entries

    def address(self, reader="mail1"):
        """Return a client's address that no test had before, from the end of the network of those who log in on ``reader``."""
        self._given += 1
        network = NETWORKS[reader].partition(".0.0/")[0]
        return Address(self._client, f"{network}.{250 - self._given // 250}.{1 + self._given % 250}")

    def log_in(self, reader="mail1"):
        """Log in on ``reader`` from an address that no test had before; return it, and when the answer came."""
        source = self.address(reader)
        assert log_in(source, self.addresses[reader])
        return source, time.monotonic()

    def listed(self, name, server="customers"):
        """Return the entries of a database, as makemap reads it."""
        path = DATABASES[server]
        for _attempt in range(5):
            if not self.guests[name].path(path).exists():
                return {}
            # makemap refuses a file that is replaced while it opens it.
            done = self.guests[name].run(["makemap", "-u", "hash", path.removesuffix(".db")], check=False)
            if done.returncode == 0:
                return {address: int(stamp) for address, stamp in map(str.split, done.stdout.splitlines())}
        raise AssertionError(f"{name}: {done.stderr}")

    def command(self, name, *words):
        """Run vsmtprelay on a host, on the virtual server of the customers; return when it had ended."""
        self.guests[name].run(["vsmtprelay", "--server", "customers", *words])
        return time.monotonic()

    # The sharers and the engines

    def status(self, name):
        """Return what the sharer of a host says of itself, as "vsmtprelay-share --status --json" prints it."""
        try:
            return json.loads(self.guests[name].read(STATUS))
        except FileNotFoundError:
            # It goes with the service.
            return {"engines": [], "alone_since": None}

    def is_connected(self, name, engine):
        """Return whether the sharer of a host says that it is connected to an engine."""
        return any(each["connected"] for each in self._of_engine(name, engine))

    def error(self, name, engine):
        """Return what the sharer of a host says against an engine."""
        return " ".join(str(each["error"] or "") for each in self._of_engine(name, engine))

    def refused(self, name, origin):
        """Return how many of the entries that ``origin`` published a host has refused, by reason."""
        counts = {}
        for engine in ENGINES:
            for each in self._of_engine(name, engine):
                for reason, count in each["refused"].get(origin, {}).items():
                    counts[reason] = counts.get(reason, 0) + count
        return counts

    def all_connected(self):
        """Return whether every host is connected to every engine."""
        return all(self.is_connected(name, engine) for name in HOSTS for engine in ENGINES)

    def has_sent_all(self, name):
        """Return whether a host says that both engines have all that it said."""
        engines = self.status(name)["engines"]
        return len(engines) == len(ENGINES) and all(each["connected"] and not each["unsent"] for each in engines)

    def unit(self, engine):
        """Return the unit of the engine's own instance."""
        words = ["systemctl", "list-units", "--all", "--plain", "--no-legend", "*@vsmtprelay.service"]
        return self.guests[engine].run(words).stdout.split()[0]

    def certificate(self):
        """Return the paths of an engine's certificate and of its key."""
        return [f"/etc/vsmtprelay-engine/{name}.pem" for name in ("certificate", "key")]

    def ask(self, name, engine, user, commands, *more):
        """Say ``commands`` to an engine from a mail host, with that host's secret; return the answers."""
        words = ["python3", "/root/engine_client.py", engine, str(PORT), user, *more]
        return json.loads(self.guests[name].run(words, input=json.dumps(commands)).stdout)

    def on_engine(self, engine, origin):
        """Return the addresses of the customers that ``origin`` has published on an engine and not revoked."""
        keys = [f"vsmtprelay:1:{origin}:{kind}" for kind in ("logins", "revoked")]
        commands = [["ZRANGEBYSCORE", key, "-inf", "+inf", "WITHSCORES"] for key in keys]
        logins, revoked = (_scores(answer) for answer in self.ask("mail3", engine, "sub", commands))
        return {key for key, score in logins.items() if score > revoked.get(key, 0.0)}

    def main_pid(self, name, unit):
        """Return the process id of a service in the guest, "0" if it does not run."""
        return self.guests[name].run(["systemctl", "show", "--property=MainPID", "--value", unit]).stdout.strip()

    def kill(self, name, unit, signal="KILL"):
        """Send the main process of a service a signal, if there is one."""
        pid = self.main_pid(name, unit)
        if pid != "0":
            self.guests[name].run(["kill", f"-{signal}", pid], check=False)

    def _of_engine(self, name, engine):
        return [each for each in self.status(name)["engines"] if re.match(rf"{engine}\b", each["engine"])]


def _scores(answer):
    """Return the scores of the customers' addresses in a sorted set."""
    assert isinstance(answer, list), answer
    pairs = zip(answer[::2], answer[1::2], strict=True)
    return {member.partition(" ")[2]: float(score) for member, score in pairs if member.startswith("customers ")}
