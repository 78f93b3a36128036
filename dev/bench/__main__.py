# SPDX-License-Identifier: GPL-3.0-or-later
"""``make bench``: boot mail hosts, measure in them, print the tables and write the pages in docs/benchmarks."""

from __future__ import annotations

import argparse
import functools
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from guests import GuestsError, Lab
from support.places import CHECKOUT

from . import fleet, mail_host, recorder, sharing, virtual_servers
from .fleet_report import render as render_fleet
from .recorder_report import render as render_recorder
from .report import PLOT, render
from .results import Results
from .sharing_report import render as render_sharing
from .virtual_servers_report import render as render_virtual_servers

PAGES = CHECKOUT / "docs" / "benchmarks"
Part = Callable[[Lab, bool, Path | None], None]
# They would work beside the measurements.
SERVICES = ("cron", "dovecot", "sendmail")


def main() -> int:
    """Run the benchmark; return the exit status."""
    parser = argparse.ArgumentParser(prog="bench", description="How fast the database, the recorder, the role and sharing are.")
    parser.add_argument("--quick", action="store_true", help="small databases and few turns: only to see whether it works")
    parser.add_argument(
        "--only", choices=_parts(None), help="measure one of them, and leave the pages of the others as they are"
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIRECTORY",
        help="where to write the pages and the plot (default: docs/benchmarks; with --quick: nowhere)",
    )
    parser.add_argument(
        "--earlier",
        metavar="REVISION",
        help="measure the recorder of this revision (git) as well, in turns with the present one",
    )
    options = parser.parse_args()
    directory = options.output or (None if options.quick else PAGES)
    if directory:
        directory.mkdir(parents=True, exist_ok=True)
    try:
        with Lab() as lab:
            for name, part in _parts(options.earlier).items():
                if options.only in (None, name):
                    begin = time.monotonic()
                    part(lab, options.quick, directory)
                    mail_host.say(f"==> Measured in {time.monotonic() - begin:.0f} s")
    except (GuestsError, subprocess.SubprocessError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _database(lab: Lab, quick: bool, directory: Path | None) -> None:
    """Measure the database beside Perl's DB_File and makemap."""
    guest = mail_host.boot(lab, "bench", "bookworm", recorder="none", idle=SERVICES)
    mail_host.say("==> Measure the database")
    results = Results(mail_host.measure(guest, "measure.py", quick))
    lab.down([guest.name])
    report = render(results)
    mail_host.say(f"\n{report}")
    if directory:
        from .plot import draw

        _write(directory / "database.md", report)
        draw(results, directory / PLOT)


def _report(measure: Callable[[Lab, bool], Any], render: Callable[[Any], str], page: str) -> Part:
    """Return the part that prints, and writes to ``page``, what ``render`` makes of what ``measure`` finds."""

    def part(lab: Lab, quick: bool, directory: Path | None) -> None:
        report = render(measure(lab, quick))
        mail_host.say(f"\n{report}")
        if directory:
            _write(directory / page, report)

    return part


def _write(path: Path, report: str) -> None:
    path.write_text(report, encoding="utf-8")
    mail_host.say(f"    written: {path}")


def _parts(earlier: str | None) -> dict[str, Part]:
    """Return what is measured, by name; the recorder of the revision ``earlier`` (git) as well, if one is given."""
    return {
        "database": _database,
        "recorder": _report(functools.partial(recorder.measure, revision=earlier), render_recorder, "recorder.md"),
        "virtual_servers": _report(virtual_servers.measure, render_virtual_servers, "virtual_servers.md"),
        "fleet": _report(fleet.measure, render_fleet, "fleet.md"),
        "sharing": _report(sharing.measure, render_sharing, "sharing.md"),
    }


if __name__ == "__main__":
    sys.exit(main())
