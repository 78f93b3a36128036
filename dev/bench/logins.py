# SPDX-License-Identifier: GPL-3.0-or-later
"""POP3 logins to two Dovecots in one guest, turn and turn about: one reports them to the recorder, the other does not."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from guests import Guest, GuestsError, Lab
from support.stopped_recorder import stop_recorder

from .in_guest import versions
from .login_load import CLIENT_NETWORK
from .mail_host import say
from .recorder_results import BusyRow, LoginRow, Turn

SECOND_DOVECOT = Path(__file__).with_name("second_dovecot.sh")
LOAD = Path(__file__).with_name("login_load.py")
ROUTER = "192.0.2.101"
WITH, WITHOUT = 110, 10110
USERS, PASSWORD = 32, "reader-secret"
LOGINS, QUICK_LOGINS = 400, 60
# The versions of the recorder take turns so often in a row.
BLOCKS = 4
# On a busy host: so many logins, so many at a time, beside so many programs.
BUSY_LOGINS, QUICK_BUSY_LOGINS = 500, 30
BUSY_TOGETHER = 2
LOOPS_PER_CORE = 2
# In one turn of one Dovecot, unless they log in one by one: so many times as many as log in together.
ROUNDS = 10
MOST_TOGETHER = 32
# More at a time are of no use when they bring no more than so much more.
GROWTH = 1.05
LAY_OUT = "import sys; sys.path.insert(0, '/root/bench'); import databases; databases.{work}({entries}, 'own')"
# What stands in for the recorder, where it is not the recorder that is measured.
STAND_IN = "bench-answers.service"
PATIENCE_SECONDS = 300
PAUSE_SECONDS = 1.5


class Logins:
    """The contest in one guest: a client with many addresses, and the second Dovecot. To be used in a ``with`` block."""

    def __init__(self, lab: Lab, guest: Guest, quick: bool) -> None:
        """Prepare ``guest``, in which the role has set up the first Dovecot and the recorder. Raises GuestsError."""
        self._guest = guest
        self._most = QUICK_LOGINS if quick else LOGINS
        self._busy_logins = QUICK_BUSY_LOGINS if quick else BUSY_LOGINS
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
        there = self._versions()
        rows: list[LoginRow] = []
        together, rate_before = 1, 0.0
        while together <= MOST_TOGETHER:
            found = self._rows(entries, together, there)
            for row in found:
                say(f"    {self._guest.release}, {entries} entries, {together} at a time, {row.version}: {row.summary()}")
            rows += found
            rate = found[0].rate(True)
            if rate < GROWTH * rate_before:
                break
            together, rate_before = 2 * together, rate
        self._switch(versions.NOW)
        return rows

    def alternate(self, entries: int, names: list[str]) -> list[LoginRow]:
        """Let one client after the other log in, while the recorder's versions with these ``names`` take turns."""
        self._guest.run(["python3", "-c", LAY_OUT.format(work="make", entries=entries)])
        rows = self._rows(entries, 1, names)
        for row in rows:
            say(f"    {entries} entries, {row.version}: {row.summary()}")
        self._switch(versions.NOW)
        return rows

    def answered_at_once(self, entries: int) -> LoginRow:
        """Let one client after the other log in while something answers in the recorder's place and does nothing else.

        The recorder is not there any more afterwards.
        """
        stop_recorder(self._guest)
        self._guest.run(["systemd-run", "--quiet", f"--unit={STAND_IN}", "python3", "/root/bench/answers.py"])
        (row,) = self._rows(entries, 1, [], recorded=False)
        self._guest.run(["systemctl", "stop", STAND_IN])
        say(f"    {self._guest.release}, answered at once: {row.summary()}")
        return row

    def busy(self, entries: int) -> list[BusyRow]:
        """Let clients log in while LOOPS_PER_CORE programs on each core do nothing but keep it busy."""
        there = self._versions()
        self._guest.run(["python3", "-c", LAY_OUT.format(work="make", entries=entries)])
        rows = []
        for version in there:
            self._lay_out(entries, version)
            with self._loops():
                (_seconds, took), *_more = self._turns(self._busy_logins, BUSY_TOGETHER, 1)
            delayed = self._delayed(2 * self._busy_logins)
            rows.append(BusyRow(self._guest.release, version, 2 * len(took), delayed, took))
            say(f"    {rows[-1].summary()}")
        self._switch(versions.NOW)
        return rows

    @contextlib.contextmanager
    def _loops(self) -> Iterator[None]:
        command = [*self._guest.enter(), "sh", "-c", "while :; do :; done"]
        loops = [subprocess.Popen(command) for _loop in range(LOOPS_PER_CORE * (os.cpu_count() or 1))]
        try:
            yield
        finally:
            for loop in loops:
                loop.kill()
                loop.wait()

    def _versions(self) -> list[str]:
        is_there = self._guest.path(versions.EARLIER_LIBRARY).is_dir()
        return [versions.NOW, versions.EARLIER] if is_there else [versions.NOW]

    def _lay_out(self, entries: int, version: str | None) -> None:
        """Lay the database out, and have the service run ``version``, if one is given; its counters begin anew."""
        if version is not None:
            # First of all: the new recorder records an event of Dovecot 2.3 whose report went to the one before.
            self._switch(version)
        self._guest.run(["python3", "-c", LAY_OUT.format(work="lay_out", entries=entries)])

    def _rows(self, entries: int, together: int, there: list[str], recorded: bool = True) -> list[LoginRow]:
        """Return a row for each version that is ``there``; they take turns. Without one it is whatever answers."""
        logins = 1 if together == 1 else min(ROUNDS * together, self._most)
        pairs = max(1, self._most // logins)
        blocks = min(BLOCKS, pairs) if len(there) > 1 else 1
        in_block = -(-pairs // blocks)
        found: dict[str, list[Turn]] = {version: [] for version in there or [versions.NOW]}
        delayed = dict.fromkeys(found, 0)
        others = _others()
        for _block in range(blocks):
            for version, turns in found.items():
                self._lay_out(entries, version if there else None)
                turns.extend(self._turns(logins, together, in_block))
                if recorded:
                    self._require(entries + (in_block + 1) * logins)
                    delayed[version] += self._delayed((in_block + 1) * logins)
        release = self._guest.release
        return [
            LoginRow(release, version, entries, together, turns[::2], turns[1::2], delayed[version], others)
            for version, turns in found.items()
        ]

    def _switch(self, version: str) -> None:
        self._guest.run(["python3", "/root/bench/versions.py", version])

    def _turns(self, logins: int, together: int, pairs: int) -> list[Turn]:
        """Return ``pairs`` turns of each Dovecot, of so many logins each."""
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
        found: list[Turn] = json.loads(done.stdout)
        return found[2:]

    def _require(self, entries: int) -> None:
        """See to it that every login is in the database. Raises GuestsError."""
        deadline = time.monotonic() + 10
        while (there := self._entries()) != entries:
            if time.monotonic() > deadline:
                raise GuestsError(f"{there} entries are in the database instead of {entries}")
            time.sleep(0.1)

    def _entries(self) -> int:
        return self._guest.run(["makemap", "-u", "hash", "/etc/mail/relayers.db"]).stdout.count("\n")

    def _delayed(self, recorded: int) -> int:
        """Return how many logins were let in before they were written, since the recorder started. Raises GuestsError.

        Once a second it says how many of each kind there were. It has recorded so many, or one more: Dovecot 2.3 may send the
        event of a login that was recorded before.
        """
        deadline = time.monotonic() + 10
        while True:
            words = self._guest.run(["vsmtprelay-recorder", "--status"], check=False).stdout.replace(",", "").split()
            counts = {word: int(count) for word, count in itertools.pairwise(words) if count.isdecimal()}
            if counts.get("recorded", 0) >= recorded:
                return counts["delayed"]
            if time.monotonic() > deadline:
                raise GuestsError(f"the recorder has counted {counts.get('recorded')} logins instead of {recorded}")
            time.sleep(0.1)


def _others() -> float:
    """Return the share of the processors that other programs take; nothing of ours is at work meanwhile."""
    busy, begin = _busy_seconds(), time.monotonic()
    time.sleep(PAUSE_SECONDS)
    return (_busy_seconds() - busy) / (time.monotonic() - begin) / (os.cpu_count() or 1)


def _busy_seconds() -> float:
    """Return the processor time that all programs of the machine have taken so far."""
    user, nice, system, _idle, _waiting, *interrupts = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:8])
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")
