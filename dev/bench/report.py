# SPDX-License-Identifier: GPL-3.0-or-later
"""The report: tables for the terminal and for docs/benchmarks/database.md."""

from __future__ import annotations

import statistics

from .results import Results, Row
from .table import made_by, milliseconds, number, spread, table
from .targets import verdict

PLOT = "database.svg"
BARE_PYTHON = "Python and the binding, left by _exit"

INTRODUCTION = """\
# Benchmark of the database

{made_by}

Times are milliseconds: the median, with the minimum and maximum in brackets. Ratios compare
medians. Each target stands beside its ratio.

Perl stands for pop-before-smtp and DRAC. It uses `DB_File` on the live file, in place and without a
lock. It can lose changes, and a kill in mid-write leaves a damaged file. libdb flushes the file
when Perl closes it, so both sides wait for the disk. [Internals of the database](../database.md)
describes what `vsmtprelay` does in the same time.

![Growth with the number of entries]({plot})
"""

METHOD = """\
## Method

- The host is a Debian guest with the role applied, and the file is its `/etc/mail/relayers.db`.
  Other services are stopped. The contestants take turns (A B C A B C …) after one uncounted round.
- Each turn that changes the file starts from a fresh copy, in the page cache and flushed to the
  disk. The first result of each contestant is checked: the number of entries, and for `list` every
  byte.
- A whole command is timed from just before `posix_spawn` until `wait` returns. `list` writes to
  `/dev/null`. `makemap` gets the surviving entries as ready text; a real expiry would first have to
  dump and filter the file.
- Addresses are random. A random half of the timestamps is older than 1440 minutes. Files "by
  makemap" were built from such text. Files "by vsmtprelay" have a checksum in each page.
- One add inside a process is `relayers_db.change()` with one new address. It runs once after its
  own last write, and once after another program's write, which makes it check all pages. `copyfile`
  is `shutil.copyfile` and `fsync`.
- Peak memory is sampled throughout the run. It counts the process's own pages, its program and
  libraries, and the copy of the database in a memfd. `ru_maxrss` counts that copy only where it is
  mapped, and is at least the 12 MB of the measuring program. The page cache of files on disk is not
  counted, since the kernel can reclaim it.
"""


def render(results: Results) -> str:
    """Return the whole report in Markdown."""
    return "\n".join(
        [
            INTRODUCTION.format(made_by=made_by(), plot=PLOT),
            "## Whole commands\n",
            _commands(results),
            "## One add inside a process\n",
            _process(results),
            f"## Peak memory at {number(results.sizes[-1])} entries\n",
            _memory(results),
            f"## Where the time of `vsmtprelay add` goes, at {number(results.breakdown['entries'])} entries\n",
            _breakdown(results),
            "## What bounds the figures\n",
            _bounds(results),
            METHOD,
            "## Measured with\n",
            "".join(f"- {name}: {text}\n" for name, text in results.host.items()),
        ]
    )


def _writer(row: Row) -> str:
    return "makemap" if row.variant == "makemap" else "vsmtprelay"


def _commands(results: Results) -> str:
    parts = []
    for work, title in (
        ("add", "add, in place by Perl"),
        ("expire", "expire half, by cursor and delete in Perl, by a rebuild from text with `makemap -c 67108864`"),
        ("list", "list"),
    ):
        others = {"perl": "Perl", "makemap": "makemap"} if work == "expire" else {"perl": "Perl"}
        heads = ["entries", "file by", "vsmtprelay", *others.values()]
        heads += [head for name in others.values() for head in (f"÷ {name}", "target")]
        rows = []
        for row in results.of(work):
            cells = [number(row.entries), _writer(row), spread(row.took["vsmtprelay"]), *(spread(row.took[o]) for o in others)]
            for other in others:
                ratio = row.ratio("vsmtprelay", other)
                cells += [f"{ratio:.2f}", verdict(work, row.entries, other, ratio)]
            rows.append(cells)
        parts.append(f"### {title}\n\n{table(heads, rows)}")
    return "\n".join(parts)


def _process(results: Results) -> str:
    heads = ["entries", "file first by", "copyfile + fsync", "add", "÷ copy", "target"]
    heads += ["add after another's write", "÷ copy"]
    rows = []
    for row in results.of("process"):
        own, foreign = row.ratio("after its own", "copy"), row.ratio("after another", "copy")
        cells = [number(row.entries), _writer(row), spread(row.took["copy"]), spread(row.took["after its own"]), f"{own:.2f}"]
        cells += [verdict("process", row.entries, "copy", own), spread(row.took["after another"]), f"{foreign:.2f}"]
        rows.append(cells)
    return table(heads, rows)


def _memory(results: Results) -> str:
    heads = ["command", "file by", "file MB", "peak MB", "of it the copy", "ru_maxrss", "peak / file", "target"]
    rows = []
    for peak in results.memory:
        ratio = peak.together / peak.file
        ours = peak.who == "vsmtprelay"
        rows.append(
            [
                f"{'vsmtprelay' if ours else 'Perl'} {peak.work}",
                "makemap" if peak.variant == "makemap" else "vsmtprelay",
                *(f"{value / 1e6:.1f}" for value in (peak.file, peak.together, peak.memfd, peak.maxrss)),
                f"{ratio:.2f}",
                verdict("memory", peak.entries, "file", ratio) if ours else "",
            ]
        )
    return table(heads, rows)


def _breakdown(results: Results) -> str:
    stages = sorted(results.breakdown["stages"].items(), key=lambda stage: -stage[1])
    imports = results.breakdown["imports"].items()
    return "\n".join(
        [
            table(["stage", "ms"], [[name, milliseconds(seconds)] for name, seconds in stages]),
            "Each import by itself, with `-X importtime` (which makes them slower):\n",
            table(["module", "ms"], [[name, milliseconds(seconds)] for name, seconds in imports]),
        ]
    )


def _bounds(results: Results) -> str:
    starts = results.breakdown["starts"].items()
    floors = results.floors.items()
    return "\n".join(
        [
            "Starting and ending a process, before it does anything:\n",
            table(["process", "ms"], [[name, spread(seconds)] for name, seconds in starts]),
            f"The least that work on {number(results.sizes[-1])} entries takes, with no lock, check, copy, flush:\n",
            table(["work", "ms"], [[name, spread(seconds)] for name, seconds in floors]),
            *_sentences(results),
        ]
    )


def _sentences(results: Results) -> list[str]:
    """Say, for each figure that has a bound, how much of what it may take is gone before our code does anything."""
    starts = {name: statistics.median(seconds) for name, seconds in results.breakdown["starts"].items()}
    floors = {name: statistics.median(seconds) for name, seconds in results.floors.items()}
    deleting = floors["binding: delete every second entry by its key"]
    listing = floors["Python: keys and values out of the pages"] + floors["Python: two lines of text for each entry"]
    lines = []
    for bound, may, floor, what in (
        ("`add`, 1.3 × Perl", 1.3 * starts["Perl: add"], starts[BARE_PYTHON], "starting Python with the binding"),
        ("`expire`, 1/3 of Perl", floors["Perl: expire"] / 3, deleting, "deleting half through the binding"),
        ("`expire`, 1/2 of makemap", floors["makemap: survivors"] / 2, deleting, "deleting half through the binding"),
        ("`list`, 1/3 of Perl", floors["Perl: list"] / 3, listing, "taking pages apart and putting lines together in Python"),
    ):
        words = f"{milliseconds(may)} ms here; {what} takes {milliseconds(floor)} ms"
        lines.append(f"- {bound}: {words}, {floor / may:.0%} of that{'' if floor < may else ', so this way cannot reach it'}.")
    return ["\n".join(lines) + "\n"]
