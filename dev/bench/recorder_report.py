# SPDX-License-Identifier: GPL-3.0-or-later
"""The report about the recorder: tables for the terminal and for docs/benchmark_recorder.md."""

from __future__ import annotations

import datetime
import statistics

from .recorder_results import LoginRow, RecorderResults, Records, quantile
from .table import milliseconds, number, spread, table, verdict

LEAST_RATE = 2_000
MOST_P99 = 0.050
CONNECTIONS, ENTRIES = 64, 10_000
MOST_ADDED = {0.5: 0.001, 0.99: 0.005}
WRITERS = {"makemap": "makemap", "own": "vsmtprelay"}
NAMES = {"bookworm": "Debian 12", "trixie": "Debian 13"}

INTRODUCTION = """\
# Benchmark of the login recorder

Made by `make bench` on {date}; do not edit. Times are milliseconds. What the recorder does is described in
[how it works](how_it_works.md), how it writes in [the database](database.md), how fast the database is in its
[benchmark](benchmark.md).
"""

METHOD = """\
## How it is measured

- In a Debian guest each, as the role sets it up; cron and sendmail are stopped. The load runs on the same cores. It is raw
  sockets and one loop, and its processor time is in the table.
- The recorder alone: the installed service, under systemd, with all its settings and a line in the journal for each login,
  asked over TCP as Dovecot 2.3 asks. Every connection is kept and sends the next report when the last one is answered. Every
  report has an address that is not in the file, so that the file grows while it is measured. One turn before is not counted.
  After every turn `makemap -u` finds every acknowledged address in the file. Writes are renames that the kernel saw (inotify).
- Logins: a second Dovecot runs beside that of the role, with the same configuration except that it reports nothing and has
  its own port; passwords are checked by PAM, as Debian's Dovecot does it, but against MD5 hashes: to check one of Debian's
  own (yescrypt) keeps a core busy for 20 ms and more, in which any recorder's part would be lost. The client is in a network
  namespace of its own and comes from a new address each time. The time is that from `PASS` to the answer `+OK`. One at a time,
  the two take turns login by login; more at a time, in turns of {rounds} logins for each client, next when the last is done.
  The clients are doubled until there are not 5% more logins a second. After every row each login is in the database.
- Others: what other programs took of the machine's two cores just before and after, while nobody logged in. Where that is more
  than a few hundredths, the figures tell less about the recorder than about the wait for a core and for the disk.
- Delayed are logins that Dovecot let in before they were written, because the recorder did not get to it in time.
- What is answered at once: a stand-in of 40 lines listens in the recorder's place. The two flushes: in a directory beside
  the database, after nothing was written for 20 ms, as between two logins: the disk takes longer for the next thing then.
- The file of 100 entries stands for a small host. The logins come on top of the entries that are given.
"""


BOUNDS = """\
The least that a write takes that replaces the file is a copy of it, flushed to the disk, and its rename, flushed as well:
for each of the two the file system writes its journal. The recorder [prepares the copy](database.md#a-login-that-comes-alone)
where a login comes some milliseconds after the one before; here each follows at once. What a write of the recorder takes is the
time of the turn divided by the number of writes. Others are the programs that took processor time of the machine meanwhile,
journald of this guest among them.
"""


def render(results: RecorderResults) -> str:
    """Return the whole report in Markdown."""
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    return "\n".join(
        [
            INTRODUCTION.format(date=date),
            "## The recorder alone\n",
            _records(results),
            "## What a login takes longer\n",
            _logins(results),
            "## What bounds the figures\n",
            _bounds(results),
            METHOD.format(rounds=10),
            "## Measured with\n",
            *(_host(results, release) for release in results.hosts),
        ]
    )


def _rates(rates: list[float]) -> str:
    whole = [number(round(rate)) for rate in (statistics.median(rates), min(rates), max(rates))]
    return f"{whole[0]} ({whole[1]}..{whole[2]})"


def _records(results: RecorderResults) -> str:
    heads = ["connections", "entries", "file first by", "records a second", "target", "p50", "p99", "target", "records a write"]
    rows = []
    for row in results.records:
        rate, late = statistics.median(row.rates), statistics.median(row.time(0.99))
        bound = (row.connections, row.entries) == (CONNECTIONS, ENTRIES)
        rows.append(
            [
                str(row.connections),
                number(row.entries),
                WRITERS[row.variant],
                _rates(row.rates),
                verdict(f"≥ {number(LEAST_RATE)}", rate >= LEAST_RATE) if bound else "",
                spread(row.time(0.5)),
                spread(row.time(0.99)),
                verdict(f"< {MOST_P99 * 1000:.0f}", late < MOST_P99) if bound else "",
                f"{row.records / statistics.median(row.writes):.1f}",
            ]
        )
    return table(heads, rows)


def _logins(results: RecorderResults) -> str:
    parts = []
    for release in results.hosts:
        heads = ["entries", "at a time", "logins a second with", "without"]
        heads += [head for share in MOST_ADDED for head in (f"p{share * 100:.0f} with", "without", "added", "target")]
        heads += ["delayed", "others"]
        rows = [_login_row(row, results) for row in results.logins if row.release == release]
        parts.append(f"### {NAMES[release]}\n\n{table(heads, rows)}")
    return "\n".join(parts)


def _login_row(row: LoginRow, results: RecorderResults) -> list[str]:
    cells = [number(row.entries), str(row.together), f"{row.rate(True):.0f}", f"{row.rate(False):.0f}"]
    bound = row is results.highest(row.release, row.entries)
    for share, most in MOST_ADDED.items():
        added = row.added(share)
        cells += [milliseconds(row.time(True, share)), milliseconds(row.time(False, share)), f"{added * 1000:+.2f}"]
        # Both bounds hold at the highest rate; the median's holds for one login at a time as well.
        cells.append(verdict(f"≤ +{most * 1000:.0f}", added <= most) if bound or (share, row.together) == (0.5, 1) else "")
    return [*cells, str(row.delayed), f"{row.others:.0%}"]


def _bounds(results: RecorderResults) -> str:
    heads = ["connections", "file first by", "copyfile + fsync", "+ rename, fsync", "a write of the recorder"]
    heads += ["processor for a record", "for the load of it", "others' share of it"]
    rows = [
        [
            str(row.connections),
            WRITERS[row.variant],
            spread(row.copy),
            spread(row.swap),
            milliseconds(_median_write(row)),
            milliseconds(statistics.median(row.cpu) / row.records),
            milliseconds(statistics.median(row.load) / row.records),
            f"{statistics.median(row.others):.0%}",
        ]
        for row in results.records
    ]
    return "\n".join([BOUNDS, table(heads, rows), *_sentences(results)])


def _median_write(row: Records) -> float:
    return statistics.median(seconds / writes for seconds, writes in zip(row.seconds, row.writes, strict=True))


def _sentences(results: RecorderResults) -> list[str]:
    lines = []
    for row in results.records:
        busy = statistics.median(cpu / seconds for cpu, seconds in zip(row.cpu, row.seconds, strict=True))
        lines.append(
            f"- {row.connections} at a time, file by {WRITERS[row.variant]}: the recorder keeps {busy:.0%} of one core busy;"
            " Python code runs on one core at a time."
        )
    for row in (row for row in results.logins if row.together == 1):
        without = row.time(False, 0.5)
        lines.append(
            f"- {NAMES[row.release]}, {number(row.entries)} entries: a login by itself takes {milliseconds(without)} ms"
            f" without the recorder, which adds {row.added(0.5) / without:.0%}."
        )
    for release, least in results.least.items():
        lines.append(
            f"- {NAMES[release]}: something that answers every report at once, and records nothing, adds"
            f" {milliseconds(least.answer)} ms to a login by itself; to flush two pages, rename the file and flush the"
            f" directory takes {milliseconds(quantile(least.flushes, 0.5))} ms. That is {milliseconds(least.together)} ms"
            " in which no report is read, no secret compared, no address looked up."
        )
    return ["\n".join(lines) + "\n"]


def _host(results: RecorderResults, release: str) -> str:
    return f"{NAMES[release]}:\n\n" + "".join(f"- {name}: {text}\n" for name, text in results.hosts[release].items())
