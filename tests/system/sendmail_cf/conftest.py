# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts of every release with a sendmail daemon for each sendmail.cf of the corpus, and two clients."""

from __future__ import annotations

import json
import time

import pytest

from support.mail import Smtp
from support.places import CHECKOUT
from support.playbook import play
from support.releases import releases
from support.throttles import lift_throttles

from .corpus import ROOT, STOCK, files, written_by_hand

RELEASES = tuple(releases(dict.fromkeys(("bullseye", "bookworm", "trixie"))))
PLAYBOOK = str(CHECKOUT / "tests" / "system" / "sendmail_cf" / "rulesets.yml")
PATIENCE_SECONDS = 60


class Host:
    """A guest with the files of the corpus, and a daemon for each."""

    def __init__(self, lab, guest):
        self._lab = lab
        self.guest = guest
        self.files = files()
        self.write_files()
        self.before = self.sums()

    def write_files(self):
        """Write each file of the corpus; the stock ones are made by the host's own m4."""
        for file in self.files:
            self.guest.run(["mkdir", "-p", f"{file.directory}/queue"])
        source = self.guest.read("/etc/mail/sendmail.mc")
        feature, mailers, rest = source.partition("MAILER_DEFINITIONS")
        assert mailers
        texts = written_by_hand()
        for file in self.files:
            if file.name in STOCK:
                features, rules = STOCK[file.name]
                text = feature + features + mailers + rest + rules
                made = self.guest.run(["sh", "-c", "cd /etc/mail && m4 -"], input=text).stdout
                texts[file.name] = made.encode()
            self.guest.path(file.path).write_bytes(texts[file.name])

    def sums(self):
        """Return what sha256sum says of each file."""
        return self.guest.run(["sha256sum", *(file.path for file in self.files)]).stdout.splitlines()

    def apply(self, state, *options, **more):
        """Run the module over all files at once; return the run."""
        wanted = [{"path": file.path, "relayers_db": file.relayers_db} for file in self.files]
        variables = json.dumps({"files": wanted, "state": state, **more})
        return play(self._lab, PLAYBOOK, "-e", variables, "--limit", self.guest.name, *options)

    def start(self):
        """Start a daemon for each file, and wait until all answer."""
        for file in self.files:
            # In the foreground, in a unit of its own: systemd ends it with all its children.
            options = {
                "DaemonPortOptions": f"Port={file.port},Addr=0.0.0.0",
                "PidFile": f"{file.directory}/pid",
                "QueueDirectory": f"{file.directory}/queue",
                "ControlSocketName": "",
                "RefuseLA": "1000",
            }
            words = [f"-O{name}={value}" for name, value in options.items() if value]
            command = ["systemd-run", "--quiet", "--collect", f"--unit={unit(file)}", "/usr/sbin/sendmail"]
            self.guest.run([*command, f"-C{file.path}", *words, "-bD"])
        deadline = time.monotonic() + PATIENCE_SECONDS
        for file in self.files:
            while not self._answers(file):
                assert time.monotonic() < deadline, f"no answer from the daemon of {file.name}"
                time.sleep(0.1)

    def stop(self):
        self.guest.run(["systemctl", "stop", *(unit(file) for file in self.files)])

    def _answers(self, file):
        try:
            with self._lab.controller.connect(self.guest.address4, file.port, 5) as connection:
                return connection.recv(3) == b"220"
        except OSError:
            return False

    def delivers_locally(self, name, recipient):
        """Tell whether sendmail, with this file, would hand mail to the recipient to its local mailer, or to none."""
        question = f"canonify,parse {recipient}\n"
        command = ["sendmail", f"-C{ROOT}/{name}/sendmail.cf", "-bt"]
        answer = self.guest.run(command, input=question).stdout.rpartition("returns: ")[2]
        return answer.startswith(("$# local", "$# error"))

    def list_client(self, address):
        """List the address in the database of each file, by makemap."""
        for file in self.files:
            line = f"{address} {int(time.time())}\n" if address else ""
            self.guest.run(["makemap", "hash", file.relayers_db], input=line)

    def ask(self, client, file, recipient):
        """Return the code of sendmail's answer to RCPT in a new session."""
        with Smtp(client, self.guest.address4, file.port) as session:
            return session.ask(recipient)[0]


def unit(file):
    return f"sendmail-{file.name}.service"


@pytest.fixture(scope="package")
def guests(lab):
    guests = {release: lab.guest(f"cf-{release}", release=release) for release in RELEASES}
    lab.boot(guests.values())
    for guest in guests.values():
        lift_throttles(guest)
        guest.run(["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", "python3-bsddb3"])
    return guests


# The release in between is that of the table of all kinds.
@pytest.fixture(scope="package", params=dict.fromkeys((RELEASES[0], RELEASES[-1])))
def host(request, lab, guests):
    """The host of the oldest release and the newest one in turn."""
    return Host(lab, guests[request.param])


@pytest.fixture(scope="package")
def stranger(lab):
    """A client of somebody who never logs in."""
    return lab.client("stranger", address4="192.0.2.102", address6="2001:db8:99::102")
