# SPDX-License-Identifier: GPL-3.0-or-later
"""The report about fleets: tables for the terminal and for docs/benchmark_fleet.md."""

from __future__ import annotations

import datetime

from .fleet_results import FleetResults
from .table import number, seconds, seconds_spread, table, verdict

MOST_TASKS = 12
WORKS = {
    "first": "site, first run",
    "again": "site, nothing to do",
    "permit": "permit",
    "revoke": "revoke",
    "status": "status, without drift",
    "drift": "status",
}

INTRODUCTION = """\
# Benchmark of a fleet

Made by `make bench` on {date}; do not edit. Times are seconds, of the whole `ansible-playbook` from its start to its end: the
median of the runs, and in brackets the least and the most of them; without brackets there was one run. What follows from them
for a thousand hosts is told in [running a fleet](fleet.md).
"""

METHOD = """\
## How it is measured

- Debian 12, 13 and 11 in turn, as guests on the same {cores} cores as the controller, over SSH with pipelining and
  ControlPersist; `--forks` is the number of hosts. All hosts do their part at the same time, on the cores that the controller
  needs too: in a real fleet they have their own. So the time by the clock grows faster here; what bounds a real controller is
  the time of its own processors, which is told apart.
- New hosts for each size; they have the packages already: what apt takes is not measured. Each has one virtual server and the
  role as it comes.
- Nothing to do counts only if Ansible reports that no host changed; first run, permit and revoke only if every host did.
- Tasks are those that Ansible counts as ok, the skipped ones not among them. SSH round trips are commands and files sent over
  the connection that ControlPersist keeps, counted in a run with `-vvv`; to make that connection is one more.
- The main process of ansible-playbook hands the tasks out, one after the other; the forks, ssh among them, work side by side.
- Another host is the difference between the largest and the smallest fleet, divided by that of their sizes.
"""


def render(results: FleetResults) -> str:
    """Return the whole report in Markdown."""
    return "\n".join(
        [
            INTRODUCTION.format(date=datetime.datetime.now(datetime.UTC).date().isoformat()),
            "## By the clock\n",
            _by_the_clock(results),
            "## Processors of the controller\n",
            _processors(results),
            "## What a run with nothing to do asks of a host\n",
            _asked(results),
            METHOD.format(cores=results.host["machine"].split()[0]),
            "## Measured with\n",
            "".join(
                f"- {name}: {text}\n" for name, text in results.host.items() if name in ("machine", "kernel", "file system")
            ),
        ]
    )


def _by_the_clock(results: FleetResults) -> str:
    sizes = [each.size for each in results.fleets]
    heads = ["", *(_hosts(size) for size in sizes), f"a host of {sizes[-1]}", "another host"]
    rows = []
    for work, title in WORKS.items():
        spreads = [seconds_spread([run.seconds for run in each.works[work]]) for each in results.fleets]
        each_of_many = results.fleets[-1].median(work) / sizes[-1]
        rows.append([title, *spreads, seconds(each_of_many), seconds(results.another_host(work))])
    return table(heads, rows)


def _processors(results: FleetResults) -> str:
    heads = ["", *(_hosts(each.size) for each in results.fleets), "another host", "of that in the main process"]
    rows = []
    for work, title in WORKS.items():
        more = [seconds(results.another_host(work, of)) for of in ("processor", "main")]
        rows.append([title, *(seconds(each.median(work, "processor")) for each in results.fleets), *more])
    return table(heads, rows)


def _asked(results: FleetResults) -> str:
    largest = results.fleets[-1]
    tasks = largest.tasks("again")
    return table(
        ["", "a host", "target"],
        [
            ["tasks", number(tasks), verdict(f"≤ {MOST_TASKS}", tasks <= MOST_TASKS)],
            ["SSH round trips", number(largest.round_trips), ""],
        ],
    )


def _hosts(size: int) -> str:
    return f"{number(size)} host{'' if size == 1 else 's'}"
