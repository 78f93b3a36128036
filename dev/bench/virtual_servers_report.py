# SPDX-License-Identifier: GPL-3.0-or-later
"""The report about many virtual servers: tables for the terminal and for docs/benchmarks/virtual_servers.md."""

from __future__ import annotations

import statistics

from .table import made_by, number, seconds, seconds_spread, table, verdict
from .virtual_servers_results import Contest, VirtualServersResults

MOST_GROWTH = 2
BULK, LEAST_RATIO, RATIO_SERVERS = 1_000, 40, 100
MOST_FIRST = 60
# Tasks that take less than so many seconds stand in one row.
SHOWN = 0.1

WORKS = {"first": "First run", "again": "Nothing to do", "changed": "One server changed"}
OWNERS = {"role": "root", "users": "a user each"}

INTRODUCTION = """\
# Benchmark of many virtual servers on one host

{made_by}

Times are seconds of a whole `ansible-playbook`, from start to exit: the median, with the minimum
and maximum in brackets. A figure without brackets is a single run. ≈ marks a figure that was
extrapolated on a straight line, not measured.
"""

USERS = """\
The same, but each directory tree belongs to a user of its own. Its files are read and written with
that user's rights, and sendmail judges its `sendmail.cf` in a sandbox.
"""

METHOD = """\
## Method

- The host is one Debian guest over SSH, with pipelining and ControlPersist for both sides.
  Controller and guest share the cores. Each size starts with a new guest that has all packages, so
  apt is not measured.
- Each virtual server is a directory `/srv/NAME` with a copy of the stock `etc/sendmail.cf` and a
  login domain. All of it belongs to root, or to a user with that home (mode 0711). The list is a
  JSON file (`-e @file`). The role runs with its defaults as `vsmtp.relay.site`, including the
  recorder.
- After a first run each server is checked: makemap reads its database, which belongs to the owner
  of the directory, and its `sendmail.cf` names it.
- "Nothing to do" is a second run; it counts only if Ansible reports no change. "One server
  changed": the middle server gets another domain, and the last server's `sendmail.cf` lost its
  ruleset.
- The loops are the tasks of `dev/bench/loops`: one loop each for directories, databases (`makemap`
  with `creates`), permissions, ruleset (`blockinfile`, validated by `sendmail`) and crontabs, and
  one script that Dovecot calls after each login. That is less than the role does: no table of
  servers for the command, no window, no recorder that answers before the login ends. The loops were
  measured at {measured} servers; the straight line goes through these two points.
- A callback on the controller times the tasks, from the start of one task to the start of the next.
- Expiry: each database is a fresh, flushed copy of one by makemap with {entries} entries, half of
  them old. makemap counts what is left. "A process each" is
  `vsmtprelay --database PATH expire 1440` for {processes} databases in sequence.
"""


def render(results: VirtualServersResults) -> str:
    """Return the whole report in Markdown."""
    measured = " and ".join(number(each.servers) for each in results.of("loops"))
    expiry = results.expiries["role"]
    return "\n".join(
        [
            INTRODUCTION.format(made_by=made_by()),
            "## The role, and loops over modules that come with Ansible\n",
            *(f"### {title}\n\n{_contest(results, work)}" for work, title in WORKS.items()),
            f"## A user for each virtual server\n\n{USERS}",
            _users(results),
            "## Where the time goes with nothing to do\n",
            "Virtual servers of root:\n",
            _tasks(results, "role"),
            "Virtual servers of a user each:\n",
            _tasks(results, "users"),
            "## The nightly expiry\n",
            _expiry(results),
            METHOD.format(measured=measured, entries=expiry.entries, processes=expiry.processes),
            "## Measured with\n",
            "".join(f"- {name}: {text}\n" for name, text in results.host.items()),
        ]
    )


def _contest(results: VirtualServersResults, work: str) -> str:
    beside = work != "changed"
    smallest = statistics.median(results.of("role")[0].seconds(work))
    heads = ["virtual servers", "role", f"÷ role at {results.of('role')[0].servers}", "target"]
    heads += ["loops", "loops ÷ role", "target"] if beside else []
    rows = []
    for each in results.of("role"):
        median = statistics.median(each.seconds(work))
        rows.append(
            [
                number(each.servers),
                seconds_spread(each.seconds(work)),
                f"{median / smallest:.2f}",
                _own_target(each, work, smallest),
            ]
        )
        if beside:
            loops, measured = results.loops(work, each.servers)
            ratio = loops / median
            rows[-1] += [f"{'' if measured else '≈ '}{seconds(loops)}", f"{'' if measured else '≈ '}{ratio:.1f}"]
            bound = each.servers == RATIO_SERVERS
            rows[-1].append(verdict(f"≥ {LEAST_RATIO}", ratio >= LEAST_RATIO) if bound else "")
    return table(heads, rows)


def _own_target(each: Contest, work: str, smallest: float) -> str:
    median = statistics.median(each.seconds(work))
    if each.servers != BULK or work == "changed":
        return ""
    if work == "first":
        return verdict(f"≤ {MOST_FIRST} s", median <= MOST_FIRST)
    return verdict(f"≤ {MOST_GROWTH} ×", median <= MOST_GROWTH * smallest)


def _users(results: VirtualServersResults) -> str:
    one, many, of_root = results.of("users")[0], results.of("users")[-1], results.of("role")[-1]
    servers = number(many.servers)
    heads = ["", f"{one.servers} of a user", f"{servers} of a user each", f"÷ {one.servers} of a user", "target"]
    heads += [f"{servers} of root", "÷ root's"]
    rows = []
    for work, title in WORKS.items():
        smallest, median, beside = (statistics.median(each.seconds(work)) for each in (one, many, of_root))
        rows.append([title, seconds_spread(one.seconds(work)), seconds_spread(many.seconds(work)), f"{median / smallest:.2f}"])
        rows[-1] += [_own_target(many, work, smallest), seconds_spread(of_root.seconds(work)), f"{median / beside:.2f}"]
    users, roots = results.expiries["users"].together, results.expiries["role"].together
    ratio = statistics.median(users) / statistics.median(roots)
    rows.append(["Nightly expiry", "", seconds_spread(users), "", "", seconds_spread(roots), f"{ratio:.2f}"])
    return table(heads, rows)


def _tasks(results: VirtualServersResults, contestant: str) -> str:
    few, many = results.of(contestant)[0], results.of(contestant)[-1]
    one, all_of_them = few.median_tasks(), many.median_tasks()
    names = sorted(all_of_them, key=lambda name: -all_of_them[name])
    heads = ["task", f"at {number(few.servers)}", f"at {number(many.servers)}", "more"]
    rows = [[name, *_row(one.get(name, 0.0), all_of_them[name])] for name in names if all_of_them[name] >= SHOWN]
    small = [name for name in names if all_of_them[name] < SHOWN]
    rest = [sum(times.get(name, 0.0) for name in small) for times in (one, all_of_them)]
    rows.append([f"{len(small)} others, most of them skipped", *_row(*rest)])
    rows.append(["together", *_row(sum(one.values()), sum(all_of_them.values()))])
    return table(heads, rows)


def _row(few: float, many: float) -> list[str]:
    return [f"{few:.2f}", f"{many:.2f}", f"{many - few:+.2f}"]


def _expiry(results: VirtualServersResults) -> str:
    processes = results.expiries["role"].processes
    heads = [
        "databases",
        "owner",
        "in one process",
        f"in a process each, {number(processes)} of them",
        "all of them",
        "÷ one process",
    ]
    rows = []
    for contestant, owner in OWNERS.items():
        expiry = results.expiries[contestant]
        all_apart = statistics.median(expiry.extrapolated)
        mark = "" if expiry.processes == expiry.databases else "≈ "
        rows.append([number(expiry.databases), owner, seconds_spread(expiry.together), seconds_spread(expiry.apart)])
        rows[-1] += [f"{mark}{seconds(all_apart)}", f"{mark}{all_apart / statistics.median(expiry.together):.1f}"]
    return table(heads, rows)
