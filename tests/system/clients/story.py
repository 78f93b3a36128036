# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pair of programs lives to see on a host: refused, reads mail, sends, and later is refused again."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Attempt:
    """What came of a message: whether the program says that it was accepted, all that it said, and the message's subject."""

    is_accepted: bool
    said: str
    subject: str

    @property
    def is_refused(self):
        """Whether the program says that it was refused, and shows why."""
        return not self.is_accepted and "Relaying denied" in self.said


class Story:
    """That of ``pair`` on ``computer``, which has the account at the guest ``host``."""

    def __init__(self, pair, computer, host):
        self._pair = pair
        self.computer = computer
        self._host = host
        self._process = None
        self.address = computer.address
        self.attempts = {}
        self.first_login = 0

    def begin(self):
        """Send in vain, read mail, send again. A reader that is to stay goes on."""
        for program in (self._pair.reader, self._pair.sender):
            program.set_up(self.computer)
        self._send("before it reads mail")
        self._process = self._pair.reader.begin(self.computer, letter_to(self.computer.account))
        self.first_login = self.entry()
        self._send("after it read mail")
        if not self._pair.stays_open:
            self.close()

    def come_back(self):
        """Send when the time of the login is over."""
        self._send("a window later")

    def close(self):
        """End the reader."""
        process, self._process = self._process, None
        if process is not None:
            self._pair.reader.end(process)

    def grow_old(self, seconds):
        """Make the entry as old as that, and send once more."""
        self._host.run(["vsmtprelay", "add", self.address, str(self.first_login - seconds)])
        self._send("after its session")

    def steps(self):
        """Return what came of it, in the page's words."""
        before, after, later, *last = self.attempts.values()
        seen = {
            "refused": before.is_refused,
            "reads mail": self.first_login > 0,
            "sends": after.is_accepted,
            "is renewed": self._pair.stays_open and later.is_accepted,
            "expires": all(attempt.is_refused for attempt in last or [later]),
        }
        return [step for step, is_seen in seen.items() if is_seen]

    def entry(self):
        """Return the timestamp of the computer's entry; 0 if there is none."""
        return entries(self._host).get(self.address, 0)

    def _send(self, when):
        subject = f"{self.computer.account} {when}"
        self.attempts[when] = Attempt(*self._pair.sender.send(self.computer, subject), subject)


def letter_to(account):
    """Return the text of the message that is there for the account."""
    return f"a letter to {account}"


def entries(host):
    """Return the host's entries, address → timestamp."""
    lines = host.run(["vsmtprelay", "dump"]).stdout.splitlines()[1::2]
    return {key: int(stamp) for key, stamp in map(str.split, lines)}
