# SPDX-License-Identifier: GPL-3.0-or-later
"""The report about the recorder: tables for the terminal and for docs/benchmarks/recorder.md."""

from __future__ import annotations

import statistics

from .recorder_results import LoginRow, RecorderResults, Records, quantile
from .table import made_by, milliseconds, number, spread, table, verdict

LEAST_RATE = 2_000
MOST_P99 = 0.050
CONNECTIONS, ENTRIES = 64, 10_000
MOST_ADDED = {0.5: 0.001, 0.99: 0.005}
WRITERS = {"makemap": "makemap", "own": "vsmtprelay"}
NAMES = {"bookworm": "Debian 12", "trixie": "Debian 13"}

INTRODUCTION = """\
# Benchmark of the login recorder

{made_by}

Times are milliseconds. See also [how it works](../how_it_works.md), the [internals of the
database](../database.md), and the [benchmark of the database](database.md).
"""

METHOD = """\
## Method

- Each release is a Debian guest as the role sets it up, with cron and sendmail stopped. The load
  generator runs on the same cores. It uses raw sockets in one loop, and the table shows its
  processor time.
- The recorder alone: the installed systemd service with all its settings and one journal line for
  each login, asked over TCP as Dovecot 2.3 asks. Each connection stays open and sends the next
  report after each answer. Each report has a new address, so the file grows. One round is not
  counted. After each round, `makemap -u` finds each acknowledged address. Writes are the renames
  that inotify saw.
- Logins: a second Dovecot runs beside the first one, with the same configuration, its own port, and
  no reports. PAM checks passwords against MD5 hashes, since Debian's yescrypt needs 20 ms of a core
  and would hide the recorder's share. The client uses its own network namespace and a new address
  for each login. The time runs from `PASS` to `+OK`. Single logins alternate between both servers;
  parallel logins run in rounds of {rounds} for each client. The number of clients doubles until the
  rate grows by less than 5%. After each row, all logins are in the database.
- "Others" is the processor time that other programs took just before and after, without logins.
  Above a few percent, the figures measure the wait for a core or the disk more than the recorder.
- "Delayed" logins were let in before they were written, because the recorder was late.
- The immediate answer comes from a stand-in of 40 lines. The two flushes happen in a directory
  beside the database, after 20 ms without a write, as between two logins. The disk takes longer
  then.
- The file of 100 entries stands for a small host. The logins are added to these entries.
"""


BOUNDS = """\
A write that replaces the file takes at least a copy with its flush, and a rename with its flush.
The file system writes its journal for each of the two. The recorder [prepares the
copy](../database.md#a-single-login) where a login comes some milliseconds after the last one; here
each follows at once. A write of the recorder is the time of the round divided by the number of
writes. "Others" are programs that used processor time meanwhile, including the guest's journald.
"""


def render(results: RecorderResults) -> str:
    """Return the whole report in Markdown."""
    return "\n".join(
        [
            INTRODUCTION.format(made_by=made_by()),
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
