# SPDX-License-Identifier: GPL-3.0-or-later
"""After the change every answer over SMTP is the one of before, with two exceptions, in every kind of sendmail.cf there is.

The exceptions: listed clients are accepted where strangers are refused for relaying, and a file that is open to everybody
refuses strangers what leaves for other hosts. ``WRITE_TABLE=1`` writes the table of docs/sendmail_cf.md anew.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.mail import SENDER, Smtp
from support.places import CHECKOUT, COLLECTIONS
from support.playbook import play

from . import table
from .conftest import PATIENCE_SECONDS, PLAYBOOK
from .kinds import LITERAL, LOCAL, POSTMASTER, REMOTE, kinds

ROOT = "/srv/kinds"
PACKAGE = COLLECTIONS / "ansible_collections" / "vsmtp" / "relay" / "plugins" / "module_utils" / "_vsmtprelay"
IN_GUEST = CHECKOUT / "tests" / "system" / "sendmail_cf" / "in_guest"
KINDS = kinds()
DATABASE = f"{ROOT}/relayers.db"
FIRST_PORTS = {"before": 4000, "after": 5000}
SENDERS = ("", SENDER)
ASKERS = 8
NOTE = re.compile(r"^# BEGIN vsmtp\.relay[^(\n]*(?:\((\S+) (\S+)\))?", re.MULTILINE)
# One line for each daemon: it runs in the foreground, and ends with the unit.
DAEMON = (
    "/usr/sbin/sendmail -C{directory}/{name} -ODaemonPortOptions=Port={port},Addr=0.0.0.0 "
    "-OPidFile={directory}/{name}.pid -OQueueDirectory={directory}/queue "
    "-OControlSocketName= -ORefuseLA=1000 -OQueueLA=1000 -ODeliveryMode=queue {options} -bD &\n"
)


def directory_of(number):
    return f"{ROOT}/{number}"


def path_of(number):
    return f"{directory_of(number)}/sendmail.cf"


class Table:
    """A host with a file of each kind, what the module did with each, and all answers."""

    def __init__(self, lab, clients):
        self._lab = lab
        self._clients = clients
        self.guest = lab.guest("cf-kinds", release="bookworm")
        lab.boot([self.guest])
        self._write_files()
        self._serve_names()
        variables = json.dumps({"files": self.wanted(), "state": "present"})
        self.run = play(lab, PLAYBOOK, "-e", variables, "--limit", self.guest.name)
        result = re.search(r"^fatal: \S+ FAILED! => (.*)$", self.run.output, re.MULTILINE)
        said = json.loads(result[1])["msg"] if result else ""
        self.refusals = {
            number: said.partition(f"{path_of(number)}: ")[2].partition(f"; {ROOT}/")[0]
            for number in range(len(KINDS))
            if f"{path_of(number)}: " in said
        }
        self.answers = {number: {} for number in range(len(KINDS))}
        self._start()
        self._ask("before", "before")
        self._ask("unlisted", "after")
        lines = [f"{client.address4} {int(time.time())}\n" for client in clients.values()]
        self.guest.run(["makemap", "hash", DATABASE], input="".join(lines))
        # Not every daemon runs as root.
        self.guest.run(["chmod", "644", DATABASE])
        self._ask("listed", "after")
        self.guest.run(["systemctl", "stop", "kinds.service"])

    def wanted(self):
        return [{"path": path_of(number), "relayers_db": DATABASE} for number in range(len(KINDS))]

    def places(self):
        """Return number → the rulesets that hold the block."""
        return {number: self._place(self.guest.read(path_of(number))) for number in range(len(KINDS))}

    @staticmethod
    def _place(text):
        notes = [(name or "Rcpt_ok", what) for name, what in NOTE.findall(text)]
        return ", ".join(f"`{name}`" + (" (refuses)" if what == "refuses" else "") for name, what in notes)

    def _write_files(self):
        """Write the files, by m4 where they are generated, and their maps, all in one shell."""
        script = ["set -e"]
        for number, kind in enumerate(KINDS):
            directory = directory_of(number)
            for part in (self.guest.path(directory), self.guest.path(directory) / "queue"):
                part.mkdir(parents=True)
            name = "sendmail.m4" if kind.is_source else "before.cf"
            self.guest.path(f"{directory}/{name}").write_text(kind.text.replace("DIRECTORY", directory), encoding="utf-8")
            script.append(f"cd {directory}")
            if kind.is_source:
                script.append("m4 sendmail.m4 >before.cf")
            for map_name, text in kind.maps.items():
                self.guest.path(f"{directory}/{map_name}").write_text(text, encoding="utf-8")
                script.append(f"makemap hash {map_name} <{map_name}")
            script.append("cp before.cf sendmail.cf")
        self.guest.run(["sh", "-c", "\n".join(script)])

    def _serve_names(self):
        shutil.copytree(PACKAGE, self.guest.path(f"{ROOT}/lib/vsmtprelay"))
        shutil.copy(IN_GUEST / "name_server.py", self.guest.path(f"{ROOT}/name_server.py"))
        self.guest.write("/etc/resolv.conf", "nameserver 127.0.0.1\n")
        switch = self.guest.read("/etc/nsswitch.conf")
        self.guest.write("/etc/nsswitch.conf", re.sub(r"^hosts:.*", "hosts: files dns", switch, flags=re.MULTILINE))
        command = ["python3", f"{ROOT}/name_server.py", self.guest.address4, f"{self.guest.name}.example.test"]
        self.guest.run(["systemd-run", "--quiet", "--unit=kinds-names", *command])

    def _start(self):
        """Start a daemon for each file as it was, and for each as it is, and wait until all answer."""
        script = "".join(
            DAEMON.format(directory=directory_of(number), name=name, port=FIRST_PORTS[when] + number, options=kind.options)
            for number, kind in enumerate(KINDS)
            for when, name in (("before", "before.cf"), ("after", "sendmail.cf"))
        )
        self.guest.write(f"{ROOT}/start", f"{script}wait\n")
        self.guest.run(["systemd-run", "--quiet", "--unit=kinds", "--property=TasksMax=infinity", "sh", f"{ROOT}/start"])
        deadline = time.monotonic() + PATIENCE_SECONDS
        for number, kind in enumerate(KINDS):
            for first in FIRST_PORTS.values():
                while not self._is_up(first + number):
                    assert time.monotonic() < deadline, f"no answer from the daemon of {kind.group}: {kind.name} ({number})"
                    time.sleep(0.1)

    def _is_up(self, port):
        try:
            with self._lab.controller.connect(self.guest.address4, port, 5) as connection:
                return connection.recv(3) == b"220"
        except OSError:
            return False

    def _ask(self, phase, when):
        with ThreadPoolExecutor(ASKERS) as askers:
            for number, found in enumerate(askers.map(lambda number: self._answers(number, when), range(len(KINDS)))):
                self.answers[number][phase] = found

    def _answers(self, number, when):
        found = {}
        for name, client in self._clients.items():
            with Smtp(client, self.guest.address4, FIRST_PORTS[when] + number) as session:
                for sender in SENDERS:
                    for recipient in (REMOTE, LITERAL, LOCAL, POSTMASTER, *KINDS[number].local):
                        _command, code, text = session.transaction(recipient, sender)
                        found[name, sender, recipient] = code, text
        return found


@pytest.fixture(scope="module")
def made(lab, reader, stranger):
    """A Table. The reader has a reverse name, the stranger has none."""
    return Table(lab, {"with a name": reader, "without a name": stranger})


def faults_of(kind, answers):
    """Yield each question whose answer after the change is not what the rule says, with all three answers."""
    before, unlisted, listed = (answers[phase] for phase in ("before", "unlisted", "listed"))
    for question, was in before.items():
        client, sender, recipient = question
        leaves = recipient in (REMOTE, LITERAL)
        denial = _without((client, sender, REMOTE), before[client, sender, REMOTE])
        # Rules written by hand can take a bare name for one of another host.
        denied = _without(question, was) == denial
        own = {_without((client, sender, user), before[client, sender, user]) for user in (LOCAL, POSTMASTER)} - {denial}
        if kind.is_private:
            own = {(250, "2.1.5 ... Recipient ok")}
        closed_now = kind.is_open and leaves and was[0] == 250
        if not (500 <= unlisted[question][0] < 600 if closed_now else unlisted[question] == was):
            yield "unlisted", question, was, unlisted[question]
        relays_now = (leaves or denied) and was[0] != 250 and own and recipient not in kind.banned
        # A client that may relay gets what it gets for recipients here: it can be banned for another reason.
        if not (_without(question, listed[question]) in own if relays_now else listed[question] == was):
            yield "listed", question, was, listed[question]


def _without(question, answer):
    """Return the answer without the recipient that it names."""
    return answer[0], answer[1].replace(question[2], "")


@pytest.mark.parametrize("number", range(len(KINDS)), ids=[f"{kind.group}: {kind.name}" for kind in KINDS])
@pytest.mark.fault("open-sendmail-cf")
def test_every_answer_is_the_one_of_before_but_for_listed_clients_and_open_relays(made, number):
    kind = KINDS[number]
    before = made.answers[number]["before"]
    plain = before["with a name", SENDER, REMOTE][0]
    assert (plain == 250) == (kind.is_open or "$#discard" in kind.text)
    if kind.refused:
        assert kind.refused in made.refusals[number]
        assert made.guest.read(path_of(number)) == made.guest.read(f"{directory_of(number)}/before.cf")
        return
    assert number not in made.refusals, made.refusals[number]
    assert not list(faults_of(kind, made.answers[number]))


def test_the_page_shows_the_answers_of_each(made):
    shown = table.render(KINDS, made.places(), made.answers)
    if os.environ.get("WRITE_TABLE"):
        table.write(shown)
    assert table.shown() == shown, "write the table anew: make sendmail-cf WRITE_TABLE=1"


def test_a_second_time_changes_nothing_and_removed_again_every_file_is_what_it_was(made, lab):
    for state, changes in (("present", False), ("absent", True)):
        variables = json.dumps({"files": made.wanted(), "state": state})
        run = play(lab, PLAYBOOK, "-e", variables, "--limit", made.guest.name)
        if not changes:
            assert not re.search(r'"changed": true, "path"', run.output), run.output
    assert run.status == 0, run.output
    same = [
        made.guest.read(path_of(number)) == made.guest.read(f"{directory_of(number)}/before.cf") for number in range(len(KINDS))
    ]
    assert all(same)
