# SPDX-License-Identifier: GPL-3.0-or-later
"""Fleets of several sizes: how long the role and the day-to-day playbooks take over all of their hosts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from guests import Guest, GuestsError, Lab
from guests.recipe import RELEASES

from . import mail_host
from .fleet_results import Fleet, FleetResults, Timed
from .timed_run import timed_run

SIZES = (1, 4, 8)
QUICK_SIZES = (1, 2)
REPETITIONS = 3
ADDRESS = "198.51.100.7"
CALLBACK = "processor_times"
# How ansible-playbook -vvv tells that it sends something over SSH: a command, or a file.
ROUND_TRIPS = (" SSH: EXEC ", " PUT ")


def measure(lab: Lab, quick: bool) -> FleetResults:
    """Measure each size on new hosts."""
    fleets = []
    host = {}
    for size in QUICK_SIZES if quick else SIZES:
        with _hosts(lab, size) as guests:
            mail_host.say(f"==> Measure a fleet of {size}")
            fleets.append(_fleet(lab, size, 1 if quick else REPETITIONS))
            host = host or mail_host.measure(guests[0], "recorder_host.py", quick)
    return FleetResults(fleets, host)


@contextmanager
def _hosts(lab: Lab, size: int) -> Iterator[list[Guest]]:
    """New hosts of all releases, which have the packages already: what apt takes is not measured. Raises GuestsError."""
    releases = [RELEASES[number % len(RELEASES)] for number in range(size)]
    guests = [mail_host.untouched(lab, f"fleet-{number}", release) for number, release in enumerate(releases, 1)]
    for guest in guests:
        mail_host.install_packages(guest)
    try:
        yield guests
    finally:
        lab.down([guest.name for guest in guests])


def _fleet(lab: Lab, size: int, repetitions: int) -> Fleet:
    def timed(playbook: str, *words: str, changes: bool) -> Timed:
        run, seconds, used = timed_run(lab, CALLBACK, f"vsmtp.relay.{playbook}", f"--forks={size}", *words)
        changed = sum(counts["changed"] > 0 for counts in run.counts.values())
        if changed != (size if changes else 0):
            raise GuestsError(f"{playbook}: {changed} of {size} hosts changed:\n{run.output}")
        mail_host.say(f"    {playbook} {' '.join(words)}: {seconds:.1f} s")
        return Timed(seconds, used["main"], used["main"] + used["others"], max(counts["ok"] for counts in run.counts.values()))

    def several(measured: Callable[[], Timed]) -> list[Timed]:
        return [measured() for _ in range(repetitions)]

    first = [timed("site", changes=True)]
    again = several(lambda: timed("site", changes=False))
    address = ("-e", f"relay_address={ADDRESS}")
    permit, revoke = [], []
    for _ in range(repetitions):
        permit.append(timed("permit", *address, changes=True))
        revoke.append(timed("revoke", *address, changes=True))
    status = several(lambda: timed("status", "-e", "relay_drift=false", changes=False))
    drift = several(lambda: timed("status", changes=False))
    works = {"first": first, "again": again, "permit": permit, "revoke": revoke, "status": status, "drift": drift}
    return Fleet(size, works, _round_trips(lab, size))


def _round_trips(lab: Lab, size: int) -> int:
    """Return how often a host is asked over SSH in a run that has nothing to do: that of the host that is asked most often."""
    run = timed_run(lab, CALLBACK, "vsmtp.relay.site", f"--forks={size}", "-vvv")[0]
    asked = Counter(line.split()[0] for line in run.output.splitlines() if any(mark in line for mark in ROUND_TRIPS))
    if len(asked) != size:
        raise GuestsError(f"cannot see which hosts are asked over SSH:\n{run.output}")
    return max(asked.values())
