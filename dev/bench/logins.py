# SPDX-License-Identifier: GPL-3.0-or-later
"""POP3 logins to two Dovecots in one guest, turn and turn about: one reports them to the recorder, the other does not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from guests import Guest, GuestsError, Lab

from .login_load import CLIENT_NETWORK
from .mail_host import say
from .recorder_results import LoginRow

SECOND_DOVECOT = Path(__file__).with_name("second_dovecot.sh")
LOAD = Path(__file__).with_name("login_load.py")
ROUTER = "192.0.2.101"
WITH, WITHOUT = 110, 10110
USERS, PASSWORD = 32, "reader-secret"
LOGINS, QUICK_LOGINS = 400, 60
# In one turn of one Dovecot, unless they log in one by one: so many times as many as log in together.
ROUNDS = 10
MOST_TOGETHER = 32
# More at a time are of no use when they bring no more than so much more.
GROWTH = 1.05
LAY_OUT = "import sys; sys.path.insert(0, '/root/bench'); import databases; databases.{work}({entries}, 'own')"
# What stands in for the recorder, where it is not the recorder that is measured.
RECORDER = ("vsmtprelay-recorder.socket", "vsmtprelay-recorder.service")
STAND_IN = "bench-answers.service"
PATIENCE_SECONDS = 300
PAUSE_SECONDS = 1.5


class Logins:
    """The contest in one guest: a client with many addresses, and the second Dovecot. To be used in a ``with`` block."""

    def __init__(self, lab: Lab, guest: Guest, quick: bool) -> None:
        """Prepare ``guest``, in which the role has set up the first Dovecot and the recorder. Raises GuestsError."""
        self._guest = guest
        self._most = QUICK_LOGINS if quick else LOGINS
        self._next_address = 0
        self._lab = lab
        self._client = lab.client("readers", address4=ROUTER)
        # It answers for every address of that network, and the guest knows the way there.
        self._client.namespace.ip(f"route replace local {CLIENT_NETWORK} dev lo")
        words = ["sh", "-s", str(WITHOUT), str(CLIENT_NETWORK), ROUTER]
        guest.run(["env", f"USERS={USERS}", f"PASSWORD={PASSWORD}", *words], input=SECOND_DOVECOT.read_text(encoding="utf-8"))

    def __enter__(self) -> Logins:
        return self

    def __exit__(self, *unused: object) -> None:
        self._lab.down([self._client.name])

    def measure(self, entries: int) -> list[LoginRow]:
        """Let more and more clients log in together, until no more logins a second come of it."""
        self._guest.run(["python3", "-c", LAY_OUT.format(work="make", entries=entries)])
        rows: list[LoginRow] = []
        together = 1
        while together <= MOST_TOGETHER:
            row = self._row(entries, together)
            rows.append(row)
            say(f"    {self._guest.release}, {entries} entries, {together} at a time: {row.summary()}")
            if len(rows) > 1 and row.rate(True) < GROWTH * rows[-2].rate(True):
                break
            together *= 2
        return rows

    def answered_at_once(self, entries: int) -> LoginRow:
        """Let one client after the other log in while something answers in the recorder's place and does nothing else.

        The recorder is not there any more afterwards.
        """
        self._guest.run(["systemctl", "stop", *RECORDER])
        self._guest.run(["systemd-run", "--quiet", f"--unit={STAND_IN}", "python3", "/root/bench/answers.py"])
        row = self._row(entries, 1, recorded=False)
        self._guest.run(["systemctl", "stop", STAND_IN])
        say(f"    {self._guest.release}, answered at once: {row.summary()}")
        return row

    def _row(self, entries: int, together: int, recorded: bool = True) -> LoginRow:
        self._guest.run(["python3", "-c", LAY_OUT.format(work="lay_out", entries=entries)])
        logins = 1 if together == 1 else min(ROUNDS * together, self._most)
        pairs = max(1, self._most // logins)
        delayed, before = self._pause()
        # A few before the turns that count: they start Dovecot's processes.
        turns = [WITH, WITHOUT] * (pairs + 1)
        order = {
            "server": self._guest.address4,
            "users": [[f"u{number}", PASSWORD] for number in range(1, USERS + 1)],
            "turns": turns,
            "logins": logins,
            "together": together,
            "first_address": self._next_address,
        }
        self._next_address += len(turns) * logins
        words = [*self._client.enter(), sys.executable, str(LOAD)]
        done = subprocess.run(
            words, input=json.dumps(order), stdout=subprocess.PIPE, text=True, check=True, timeout=PATIENCE_SECONDS
        )
        found = json.loads(done.stdout)[2:]
        if recorded:
            self._require(entries + (pairs + 1) * logins)
        delayed_now, after = self._pause()
        return LoginRow(
            self._guest.release, entries, together, found[::2], found[1::2], delayed_now - delayed, (before + after) / 2
        )

    def _require(self, entries: int) -> None:
        """See to it that every login is in the database. Raises GuestsError."""
        deadline = time.monotonic() + 10
        while (there := self._entries()) != entries:
            if time.monotonic() > deadline:
                raise GuestsError(f"{there} entries are in the database instead of {entries}")
            time.sleep(0.1)

    def _entries(self) -> int:
        return self._guest.run(["makemap", "-u", "hash", "/etc/mail/relayers.db"]).stdout.count("\n")

    def _pause(self) -> tuple[int, float]:
        """Return how many logins were let in before they were written, since the recorder started, and how busy the machine is.

        The recorder tells its counters once a second; nothing of ours is at work meanwhile.
        """
        busy, begin = _busy_seconds(), time.monotonic()
        time.sleep(PAUSE_SECONDS)
        share = (_busy_seconds() - busy) / (time.monotonic() - begin) / (os.cpu_count() or 1)
        words = self._guest.run(["vsmtprelay-recorder", "--status"], check=False).stdout.replace(",", "").split()
        return int(words[words.index("delayed") + 1]) if "delayed" in words else 0, share


def _busy_seconds() -> float:
    """Return the processor time that all programs of the machine have taken so far."""
    user, nice, system, _idle, _waiting, *interrupts = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:8])
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")
