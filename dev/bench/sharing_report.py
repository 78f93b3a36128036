# SPDX-License-Identifier: GPL-3.0-or-later
"""The report about logins that are shared: tables for the terminal and for docs/benchmarks/sharing.md."""

from __future__ import annotations

from .recorder_results import quantile
from .sharing_results import Readers, SharingResults
from .table import made_by, milliseconds, number, table, verdict

# Seconds.
MOST_ADDED = 0.0001
MOST_P50, MOST_P99, MOST = 0.1, 0.5, 1.0
# Parts of a core, and bytes.
MOST_OF_A_HOST, AT_RATE = 0.10, 200
# Seconds until all is made up for, by the number of logins.
MOST_UNTIL = {1_000: 2.0, 90_000: 18.0}
MOST_OF_AN_ENGINE, MOST_RESIDENT, READERS = 1.0, 100 << 20, 1_000

INTRODUCTION = """\
# Benchmark of shared logins

{made_by}

Times are milliseconds. See also [logins over a fleet](../fleet.md) and the [benchmark of the login
recorder](recorder.md).
"""

METHOD = """\
## Method

- Two Debian guests, 12 and 13, as the role sets them up, each with POP, SMTP and one virtual
  server, and an engine on a third one, Debian 12. All of them, the clients and the readers share
  the same cores.
- A login with and without sharing: POP3, one login at a time, in turns of blocks. "Without" is the
  same host with the recorder's option taken away and the sharer stopped, as on a host that has no
  engines. The other columns are as in the [benchmark of the login
  recorder](recorder.md#method). Part of the difference is the sharer and the engine, which use the
  same cores after the answer. What a login waits for is in the second table, measured by itself.
- Until another host relays: the client logs in on one host, and asks the other one every 5 ms, in
  a new SMTP session each time. The time of its own session is in it. At 20 logins a second, a
  program on the other host looks every 2 ms whether its database has been replaced, and reads it.
- Receiving: logins are published to the engine, with transactions like those of the sharer, 50 ms
  of them at once. The processor time is that of the other host's sharer and recorder together.
- After a host was cut off: its sharer was stopped, and the logins are in the recorder's outbox. The
  time begins before the sharer is started again.
- Readers: so many connections over TLS to one engine, each of which does what the sharer of a host
  does: it waits for the streams of {streams} hosts, and pauses 50 ms after each batch. Each single
  login that is published wakes all of them. That is the worst case: in a fleet of many virtual
  servers, a login wakes the hosts of its own one only. "Late" is how old a login was at most
  when a reader had it.
"""


def render(results: SharingResults) -> str:
    """Return the whole report in Markdown."""
    streams = results.readers[0].streams if results.readers else 0
    return "\n".join(
        [
            INTRODUCTION.format(made_by=made_by()),
            "## What a login takes longer\n",
            _logins(results),
            _outbox(results),
            "## Until another host relays\n",
            _latencies(results),
            "## A host that receives\n",
            _receiving(results),
            "## After a host was cut off\n",
            _made_up(results),
            "## An engine with many hosts\n",
            _readers(results),
            METHOD.format(streams=streams),
            "## Measured with\n",
            *(_host(results, name) for name in results.hosts),
            f"engine: {results.engine}\n",
        ]
    )


def _logins(results: SharingResults) -> str:
    heads = ["entries", "p50 with sharing", "without", "added", "target", "p99 with sharing", "without", "logins of each"]
    rows = []
    for entries in sorted({row.entries for row in results.logins}):
        shares, alone = results.login(entries, True), results.login(entries, False)
        # Both beside the same second server that reports nothing: what else was at work in a turn is in both.
        added = shares.added(0.5) - alone.added(0.5)
        times = [milliseconds(row.time(True, share)) for share in (0.5, 0.99) for row in (shares, alone)]
        bound = verdict(f"≤ +{MOST_ADDED * 1000:g}", added <= MOST_ADDED)
        count = sum(len(took) for _seconds, took in shares.reported)
        rows.append([number(entries), *times[:2], f"{added * 1000:+.2f}", bound, *times[2:], number(count)])
    return table(heads, rows)


def _outbox(results: SharingResults) -> str:
    p50, p99 = (quantile(results.outbox, part) * 1000 for part in (0.5, 0.99))
    heads = ["of it before the answer", "p50", "target", "p99", "times"]
    reached, count = verdict(f"≤ {MOST_ADDED * 1000:g}", p50 <= MOST_ADDED * 1000), number(len(results.outbox))
    return table(heads, [["the recorder adds the login to its outbox", f"{p50:.3f}", reached, f"{p99:.3f}", count]])


def _latencies(results: SharingResults) -> str:
    heads = ["from → to", "logins", "p50", "target", "p99", "target", "most", "target"]
    rows = []
    for row in results.latencies:
        cells = [row.where, number(len(row.took))]
        for share, most in ((0.5, MOST_P50), (0.99, MOST_P99), (1.0, MOST)):
            value = quantile(row.took, share)
            cells += [milliseconds(value), verdict(f"≤ {most * 1000:g}", value <= most)]
        rows.append(cells)
    return table(heads, rows)


def _receiving(results: SharingResults) -> str:
    heads = ["logins a second", "share of a core", "target", "of it the sharer", "the recorder", "p50", "p99", "most"]
    rows = []
    for row in results.receiving:
        sharer, recorder = (seconds / row.seconds for seconds in row.used.values())
        bound = verdict(f"≤ {MOST_OF_A_HOST:.0%}", row.share <= MOST_OF_A_HOST) if row.rate == AT_RATE else ""
        times = [milliseconds(quantile(row.took, share)) for share in (0.5, 0.99, 1.0)]
        rows.append([f"{row.rate:g}", f"{row.share:.1%}", bound, f"{sharer:.1%}", f"{recorder:.1%}", *times])
    return table(heads, rows)


def _made_up(results: SharingResults) -> str:
    rows = []
    for row in results.made_up:
        most = MOST_UNTIL[row.logins]
        rows.append([number(row.logins), f"{row.seconds:.2f}", verdict(f"≤ {most:g}", row.seconds <= most)])
    return table(["logins meanwhile", "seconds until another host has them all", "target"], rows)


def _readers(results: SharingResults) -> str:
    heads = ["hosts", "logins a second", "share of a core", "target", "memory in MiB", "target", "wakes a second", "late"]
    heads.append("without a login")
    return table(heads, [_reader_cells(row) for row in results.readers])


def _reader_cells(row: Readers) -> list[str]:
    is_bound = row.readers == READERS
    return [
        number(row.readers),
        f"{row.rate:g}",
        f"{row.share:.0%}",
        verdict(f"≤ {MOST_OF_AN_ENGINE:.0%}", row.share <= MOST_OF_AN_ENGINE) if is_bound else "",
        f"{row.resident / (1 << 20):.0f}",
        verdict(f"≤ {MOST_RESIDENT >> 20}", row.resident <= MOST_RESIDENT) if is_bound else "",
        number(round(row.wakes)),
        milliseconds(row.slowest),
        str(row.missed),
    ]


def _host(results: SharingResults, name: str) -> str:
    return f"{name}:\n\n" + "".join(f"- {each}: {text}\n" for each, text in results.hosts[name].items())
