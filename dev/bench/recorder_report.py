# SPDX-License-Identifier: GPL-3.0-or-later
"""The report about the recorder: tables for the terminal and for docs/benchmarks/recorder.md."""

from __future__ import annotations

import statistics

from .in_guest.versions import NOW
from .recorder_results import LoginRow, RecorderResults, Records, quantile
from .table import made_by, milliseconds, number, spread, table, verdict

LEAST_RATE = 6_000
MOST_P99 = 0.050
CONNECTIONS, ENTRIES = 64, 10_000
# Seconds, by the number of entries, for one login at a time.
MOST_ADDED_ALONE = {100: 0.0016, 10_000: 0.0018}
# At the highest rate.
MOST_ADDED = {0.5: 0.003, 0.99: 0.006}
# The processor time of a record, as a part of the earlier version's.
MOST_OF_EARLIER = 0.6
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


BUSY = """\
Two programs on each core do nothing but keep it busy. Two clients log in at a time, to a database of
10 000 entries. A delayed login was let in before it was recorded.
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
            "## Logins on a busy host\n",
            _busy(results),
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
    heads = [
        "version",
        "connections",
        "entries",
        "file first by",
        "records a second",
        "target",
        "p50",
        "p99",
        "target",
        "records a write",
    ]
    rows = []
    for row in results.records:
        rate, late = statistics.median(row.rates), statistics.median(row.time(0.99))
        bound = (row.version, row.connections, row.entries) == (NOW, CONNECTIONS, ENTRIES)
        rows.append(
            [
                row.version,
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
        heads = ["version", "entries", "at a time", "logins a second with", "without"]
        heads += [head for share in MOST_ADDED for head in (f"p{share * 100:.0f} with", "without", "added", "target")]
        heads += ["delayed", "others"]
        rows = [_login_row(row, results) for row in results.logins if row.release == release]
        parts.append(f"### {NAMES[release]}\n\n{table(heads, rows)}")
    return "\n".join(parts)


def _login_row(row: LoginRow, results: RecorderResults) -> list[str]:
    cells = [row.version, number(row.entries), str(row.together), f"{row.rate(True):.0f}", f"{row.rate(False):.0f}"]
    is_highest = row is results.highest(row.release, row.entries)
    for share, most_at_highest in MOST_ADDED.items():
        added, most = row.added(share), most_at_highest if is_highest else None
        if (row.version, share, row.together) == (NOW, 0.5, 1):
            most = MOST_ADDED_ALONE[row.entries]
        cells += [milliseconds(row.time(True, share)), milliseconds(row.time(False, share)), f"{added * 1000:+.2f}"]
        cells.append("" if most is None else verdict(f"≤ +{most * 1000:g}", added <= most))
    return [*cells, str(row.delayed), f"{row.others:.0%}"]


def _busy(results: RecorderResults) -> str:
    heads = ["release", "version", "logins", "delayed", "target", "p50", "p99"]
    rows = []
    for row in results.busy:
        bound = verdict("< 1 in 1 000", row.delayed * 1000 < row.logins) if row.version == NOW else ""
        times = [milliseconds(quantile(row.took, share)) for share in (0.5, 0.99)]
        rows.append([NAMES[row.release], row.version, number(row.logins), str(row.delayed), bound, *times])
    return "\n".join([BUSY, table(heads, rows)])


def _bounds(results: RecorderResults) -> str:
    heads = ["version", "connections", "file first by", "copyfile + fsync", "+ rename, fsync", "a write of the recorder"]
    heads += ["processor for a record", "target", "for the load of it", "others' share of it"]
    rows = [
        [
            row.version,
            str(row.connections),
            WRITERS[row.variant],
            spread(row.copy),
            spread(row.swap),
            milliseconds(_median_write(row)),
            milliseconds(statistics.median(row.cpu) / row.records),
            _processor_verdict(row, results),
            milliseconds(statistics.median(row.load) / row.records),
            f"{statistics.median(row.others):.0%}",
        ]
        for row in results.records
    ]
    return "\n".join([BOUNDS, table(heads, rows), *_sentences(results)])


def _processor_verdict(row: Records, results: RecorderResults) -> str:
    """Return how the processor time of a record compares with the earlier version's, where that was measured."""
    about = (row.variant, row.connections)
    earlier = [each for each in results.records if each.version != NOW and (each.variant, each.connections) == about]
    if row.version != NOW or not earlier:
        return ""
    ratio = statistics.median(row.cpu) / statistics.median(earlier[0].cpu)
    return verdict(f"{ratio:.2f} ≤ {MOST_OF_EARLIER:g} of the earlier", ratio <= MOST_OF_EARLIER)


def _median_write(row: Records) -> float:
    return statistics.median(seconds / writes for seconds, writes in zip(row.seconds, row.writes, strict=True))


def _sentences(results: RecorderResults) -> list[str]:
    lines = []
    for row in (row for row in results.records if row.version == NOW):
        busy = statistics.median(cpu / seconds for cpu, seconds in zip(row.cpu, row.seconds, strict=True))
        lines.append(
            f"- {row.connections} at a time, file by {WRITERS[row.variant]}: the recorder keeps {busy:.0%} of one core busy;"
            " Python code runs on one core at a time."
        )
    for row in (row for row in results.logins if (row.version, row.together) == (NOW, 1)):
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
