# SPDX-License-Identifier: GPL-3.0-or-later
"""The report about fleets: tables for the terminal and for docs/benchmarks/fleet.md."""

from __future__ import annotations

from .fleet_results import FleetResults
from .table import made_by, number, seconds, seconds_spread, table, verdict

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

{made_by}

Times are seconds of a whole `ansible-playbook`, from start to exit: the median, with the minimum
and maximum in brackets. A figure without brackets is a single run. [Day to
day](../operations.md#a-thousand-hosts-from-one-controller) derives figures for a thousand hosts.
"""

METHOD = """\
## Method

- The hosts are Debian 12, 13 and 11 guests in turn, on the same {cores} cores as the controller.
  SSH uses pipelining and ControlPersist. `--forks` is the number of hosts.
- All guests work at the same time and compete with the controller for its cores. Real hosts have
  their own cores, so the wall-clock time grows faster here. The controller's own processor time is
  listed apart.
- Each size starts with new hosts. Their packages are installed, so apt is not measured. Each host
  has one virtual server and the role's defaults.
- "Nothing to do" counts only if Ansible reports no changed host. First run, permit and revoke count
  only if every host changed.
- Tasks are those that Ansible counts as ok, without skipped ones. SSH round trips are the commands
  and files sent over the ControlPersist connection, counted in a run with `-vvv`. Opening that
  connection costs one more.
- The main process of ansible-playbook hands out tasks one by one. The forks, including ssh, run in
  parallel.
- "Another host" is the difference between the largest and the smallest fleet, divided by the
  difference of their sizes.
"""


def render(results: FleetResults) -> str:
    """Return the whole report in Markdown."""
    return "\n".join(
        [
            INTRODUCTION.format(made_by=made_by()),
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
