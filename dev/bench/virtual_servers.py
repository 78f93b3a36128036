# SPDX-License-Identifier: GPL-3.0-or-later
"""Many virtual servers on one host: the role, beside a playbook of loops over modules that come with Ansible."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from guests import Guest, GuestsError, Lab

from . import mail_host
from .timed_run import PATIENCE_SECONDS, timed_run
from .virtual_servers_results import Contest, Expiry, Timed, VirtualServersResults

RELEASE = "bookworm"
HERE = Path(__file__).parent
# "users" is the role too: there each virtual server belongs to a user of its own, and else to root.
PLAYBOOKS = {"role": "vsmtp.relay.site", "users": "vsmtp.relay.site", "loops": str(HERE / "loops" / "site.yml")}
SIZES = {"role": (1, 10, 100, 1_000), "users": (1, 1_000), "loops": (10, 100)}
QUICK_SIZES = {"role": (1, 10), "users": (1, 10), "loops": (2, 4)}
# A run that is to find something to do is repeated by giving it another thing to do.
REPETITIONS = {"role": 5, "users": 5, "loops": 1}
SERVERS = "/root/bench/servers.json"


def measure(lab: Lab, quick: bool) -> VirtualServersResults:
    """Measure each size on a host of its own."""
    contests: list[Contest] = []
    expiries: dict[str, Expiry] = {}
    host: dict[str, str] = {}
    sizes = QUICK_SIZES if quick else SIZES
    for contestant, counts in sizes.items():
        for count in counts:
            with _host(lab, f"{contestant}-{count}") as guest:
                mail_host.say(f"==> Measure {contestant}: {count} virtual servers")
                contests.append(_contest(lab, guest, contestant, count, 1 if quick else REPETITIONS[contestant]))
                if contestant != "loops" and count == counts[-1]:
                    mail_host.say(f"==> Expire the databases of {count} virtual servers")
                    expiries[contestant] = Expiry(**mail_host.measure(guest, "all_expire.py", quick))
                    host = mail_host.measure(guest, "recorder_host.py", quick)
    return VirtualServersResults(contests, expiries, host)


def servers(count: int, moved: int = 0) -> list[dict[str, Any]]:
    """Return ``count`` virtual servers as the role's variable has them; ``moved`` gives the middle one another domain."""
    names = [f"vs{number:04d}" for number in range(1, count + 1)]
    domains = [f"{name}.example.test" for name in names]
    if moved:
        domains[count // 2] = f"moved{moved}.example.test"
    return [{"name": name, "root": f"/srv/{name}", "domains": [domain]} for name, domain in zip(names, domains, strict=True)]


@contextmanager
def _host(lab: Lab, name: str) -> Iterator[Guest]:
    """A new host that has the packages already, so that their installation is not what is measured. Raises GuestsError."""
    guest = mail_host.untouched(lab, name, RELEASE)
    mail_host.install_packages(guest)
    try:
        yield guest
    finally:
        lab.down([guest.name])


def _contest(lab: Lab, guest: Guest, contestant: str, count: int, repetitions: int) -> Contest:
    playbook = PLAYBOOKS[contestant]
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)

        def timed(what: str, moved: int, changes: bool) -> Timed:
            variables = directory / "variables.json"
            variables.write_text(json.dumps({"pop_before_smtp_virtual_servers": servers(count, moved)}), encoding="utf-8")
            run = _timed(lab, guest, playbook, variables)
            if (run.changed > 0) != changes:
                raise GuestsError(f"{playbook}, {what}: {run.changed} tasks changed something")
            mail_host.say(f"    {what}: {run.seconds:.1f} s")
            return run

        guest.write(SERVERS, json.dumps({"pop_before_smtp_virtual_servers": servers(count)}))
        _trees(guest, "make")
        if contestant == "users":
            _trees(guest, "give")
        first = timed("first run", 0, True)
        _trees(guest, "check")
        again = [timed("nothing to do", 0, False) for _ in range(repetitions)]
        changed = []
        if contestant != "loops":
            for turn in range(1, repetitions + 1):
                _trees(guest, "spoil")
                changed.append(timed("one server changed", turn, True))
            _trees(guest, "check")
    return Contest(contestant, count, first, again, changed)


def _timed(lab: Lab, guest: Guest, playbook: str, variables: Path) -> Timed:
    run, seconds, tasks = timed_run(lab, "task_times", playbook, "-e", f"@{variables}", "--limit", guest.name)
    return Timed(seconds, run.counts[guest.name]["changed"], tasks)


def _trees(guest: Guest, work: str) -> None:
    guest.run(["python3", "/root/bench/server_trees.py", work, SERVERS], timeout=PATIENCE_SECONDS)
