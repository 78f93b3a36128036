# SPDX-License-Identifier: GPL-3.0-or-later
"""What the scripts in a guest have in common. They run with the files that the role installed."""

import asyncio
import collections
import functools
import os
import subprocess
import sys
import time

sys.path.insert(0, "/usr/local/lib")

DATABASE = "/etc/mail/relayers.db"
TEMPORARY = "/etc/mail/.relayers.db.vsmtprelay"


def dump(path=DATABASE):
    """Return all entries as makemap reads them."""
    output = subprocess.run(["makemap", "-u", "hash", path], stdout=subprocess.PIPE, check=True).stdout.decode()
    return dict(line.split("\t") for line in output.splitlines())


def is_sound(path=DATABASE):
    """Ask libdb's own program."""
    return subprocess.run(["db5.3_verify", "-q", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


class Sendmail:
    """A sendmail process that has the map open and stays."""

    def __init__(self):
        self._process = subprocess.Popen(
            ["sendmail", "-bt"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            universal_newlines=True,
        )
        self.look_up("0.0.0.0")

    def look_up(self, address):
        """Return the value that sendmail finds under ``address``, None if there is none, "closed" if it cannot open the map.

        A second question, to a map that needs no file, marks the end of the answer to the first.
        """
        try:
            self._process.stdin.write(f"/map vsmtprelay_first {address}\n/map vsmtprelay_number 0\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # what it said before it ended is still to be read
        answer = "closed"
        said = collections.deque(maxlen=20)
        while True:
            line = self._process.stdout.readline()
            said.append(line)
            if not line:
                raise SystemExit(f"sendmail -bt ended with status {self._process.wait()}: {''.join(said)}")
            if "map_lookup: vsmtprelay_number" in line:
                return answer
            if "map_lookup: vsmtprelay_first" in line:
                # map_lookup: vsmtprelay_first (10.0.0.1) returns 1795343113 (0), or: no match (68)
                found = line.partition(f"({address}) ")[2]
                answer = found.split()[1] if found.startswith("returns") else None

    def close(self):
        self._process.stdin.close()
        self._process.wait()


def leftovers():
    """Return what lies beside the database and should not."""
    return [name for name in os.listdir("/etc/mail") if "relayers" in name and name not in ("relayers.db", "relayers")]


def record(logins, failed, together=10, seconds=60):
    """Record logins, keys with timestamps, as the recorder does, ``together`` at a time.

    Return the keys of those that were written in ``seconds``.
    """
    from vsmtprelay.recorder.login_entry import LoginEntry
    from vsmtprelay.recorder.spool import Spool
    from vsmtprelay.recorder.writers import Writers

    async def record_all():
        writers, written = Writers(asyncio.get_running_loop(), lambda _path, message: failed(message), Spool()), []
        deadline = time.monotonic() + seconds
        for start in range(0, len(logins), together):
            for key, timestamp in logins[start : start + together]:
                entry = LoginEntry(DATABASE, key, timestamp)
                writers.accept(entry)
                writers.write(entry, functools.partial(written.append, key))
            while writers.are_at_work() and time.monotonic() < deadline:
                await asyncio.sleep(0.001)
        writers.close()
        return written

    return asyncio.run(record_all())
