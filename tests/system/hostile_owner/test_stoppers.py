# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever an owner makes of their files, root's work on all other servers is done, and soon; the one at fault is named.

Many such servers are on one list, those of Victor and of the host among them.
"""

from __future__ import annotations

import json
import re
import time

import pytest

from .conftest import ATTEMPTS, HELD_UP
from .host import MORE
from .trees import ALL, CHANGES, DATABASE, FILE_SYSTEMS, HELD, RULESET, SLOW, STOPPERS, WRITING, Crowd

# A program over a user's file ends after 20 seconds, and four of them run at a time; a lock that an owner holds costs the time
# that the call waits for it.
HELD_UP_SECONDS = 100
# A message begins with the path, alone in its line or among others; a list of what was done does not.
NAMED = re.compile(rf"(?:^|; |: |\"){MORE}/([a-z0-9-]+)/", re.MULTILINE)
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


class Work:
    """A kind of work on all servers: how to do it, what it needs of a server, and how to see that Victor's is done."""

    def __init__(self, host, counts):
        self._host = host
        self._counts = counts
        self.faults = []

    def check(self, name, output, seconds, stopped, trees, must_name=True):
        """Note a fault unless the output names the servers that were stopped, and no others, and it came in time."""
        self._counts[ATTEMPTS] += len(trees)
        print(f"{self._host.guest.release}: {name}: {seconds:.1f} s")
        if seconds > HELD_UP_SECONDS:
            self._counts[HELD_UP] += 1
            self.faults.append(f"{name}: took {seconds:.0f} s")
        named = set(NAMED.findall(output))
        if must_name and stopped - named:
            self.faults.append(f"{name}: does not name {sorted(stopped - named)}")
        if named - stopped:
            lines = [line for line in re.split(r"; (?=/)|\n", output) if (set(NAMED.findall(line)) - stopped)]
            self.faults.append(f"{name}: names {sorted(named - stopped)}: {[line[:300] for line in lines[:5]]}")
        if CONTROL.search(output) or any(line.startswith("vsmtprelay: forged") for line in output.splitlines()):
            self.faults.append(f"{name}: control characters or forged lines in the output")

    def require(self, name, what, condition):
        if not condition:
            self.faults.append(f"{name}: {what}")

    def command(self, *words):
        begin = time.monotonic()
        done = self._host.guest.run(["vsmtprelay", *words], check=False, timeout=900)
        for line in done.stderr.splitlines():
            self.require(words, f"no message: {line!r}", line.startswith("vsmtprelay: /"))
        return done.stderr, time.monotonic() - begin


def messages(run):
    """Return what failed tasks said, each in a line."""
    failed = re.findall(r"FAILED! => (\{.*\})$", run.output, re.MULTILINE)
    return "\n".join(json.loads(result).get("msg", "") for result in failed).replace("Task failed: Module failed: ", "")


@pytest.mark.fault("hostile-owner")
@pytest.mark.parametrize(
    "trees", [STOPPERS, FILE_SYSTEMS, pytest.param(HELD, marks=pytest.mark.full)], ids=["files", "file systems", "held files"]
)
def test_one_owner_keeps_no_other_server_waiting(host, unchanged, counts, trees, tmp_path, full):
    work = Work(host, counts)
    if trees is STOPPERS and not full:
        trees = {name: tree for name, tree in trees.items() if name not in SLOW}
    servers = host.servers(*trees)
    with Crowd(host, trees) as crowd:
        reads = crowd.that_stop(ALL, DATABASE)
        writes = reads | crowd.that_stop(CHANGES, WRITING)
        ruleset = crowd.that_stop(ALL, CHANGES, RULESET)

        def play(name, stopped, *options, must_name=True):
            run = host.play(f"vsmtp.relay.{name}", *options, servers=servers)
            work.check(name, messages(run), run.seconds, stopped, trees, must_name)
            work.require(name, f"another failure: {run.output[-3000:]}", run.status == 0 or MORE in messages(run))

        play("site", writes | ruleset, must_name=False)
        work.require("site", "Victor has no ruleset", "vsmtprelay" in host.guest.read("/srv/victor/etc/sendmail.cf"))
        said, seconds = work.command("--lock-timeout", "2", "--all", "expire", "1440")
        work.check("expire", said, seconds, writes, trees, must_name=False)
        work.require("expire", "Victor's old entry is there", "192.0.2.199" not in host.listed("victor"))
        play("permit", writes, "-e", "relay_address=192.0.2.204")
        work.require("permit", "Victor does not have it", "192.0.2.204" in host.listed("victor"))
        play("backup", reads, "-e", f"relay_directory={tmp_path}")
        play("revoke", writes, "-e", "relay_address=192.0.2.204", must_name=False)
        play("remove", writes | ruleset, must_name=False)
        listed = host.guest.run(["makemap", "-u", "hash", "/srv/victor/etc/relayers.db"]).stdout
        work.require("revoke", "Victor still has it", "192.0.2.204" not in listed)
        work.require("remove", "Victor has the ruleset", "vsmtprelay" not in host.guest.read("/srv/victor/etc/sendmail.cf"))
        begin = time.monotonic()
    host.play("vsmtp.relay.site")
    print(f"{host.guest.release}: clearing up {time.monotonic() - begin:.1f} s")
    assert not work.faults, "\n".join(work.faults)
