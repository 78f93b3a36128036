# SPDX-License-Identifier: GPL-3.0-or-later
"""``make bench``: boot a mail host, measure in it, print the tables and write docs/benchmark.md and its plot."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from guests import Guest, GuestsError, Lab
from support.playbook import CHECKOUT, play

from .report import PLOT, render
from .results import Results

NAME = "bench"
RESULT = "/run/bench-result"
SCRIPTS = Path(__file__).parent / "in_guest"
DOCS = CHECKOUT / "docs"
PATIENCE_SECONDS = 1200
# They would work beside the measurements.
SERVICES = ("cron", "dovecot", "sendmail")


def main() -> int:
    """Run the benchmark; return the exit status."""
    parser = argparse.ArgumentParser(prog="bench", description="How fast the database is, beside Perl's DB_File and makemap.")
    parser.add_argument("--quick", action="store_true", help="small databases and few turns: only to see whether it works")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIRECTORY",
        help="where to write benchmark.md and its plot (default: docs; with --quick: nowhere)",
    )
    options = parser.parse_args()
    directory = options.output or (None if options.quick else DOCS)
    begin = time.monotonic()
    try:
        with Lab() as lab:
            results = _measure(_mail_host(lab), options.quick)
    except (GuestsError, subprocess.SubprocessError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    report = render(results)
    print(f"\n{report}\n==> Measured in {time.monotonic() - begin:.0f} s")
    if directory:
        from .plot import draw

        directory.mkdir(parents=True, exist_ok=True)
        (directory / "benchmark.md").write_text(report, encoding="utf-8")
        draw(results, directory / PLOT)
        print(f"    written: {directory / 'benchmark.md'}, {directory / PLOT}")
    return 0


def _mail_host(lab: Lab) -> Guest:
    """Return a mail host with the role applied and with nothing at work on it. Raises GuestsError."""
    _say("==> Boot a mail host: Debian 12 (builds it the first time)")
    guest = lab.guest(NAME, release="bookworm")
    lab.boot([guest])
    _say("==> Apply the role")
    run = play(lab, "vsmtp.relay.site", "-e", "pop_before_smtp_recorder=none", "--limit", NAME)
    if run.status != 0:
        raise GuestsError(f"the playbook ended with {run.status}:\n{run.output}")
    guest.run(["systemctl", "stop", *SERVICES])
    return guest


def _measure(guest: Guest, quick: bool) -> Results:
    """Run the script in the guest, which prints its progress, and return what it found."""
    _say("==> Measure")
    guest.run(["mkdir", "-p", "/root/bench"])
    for script in SCRIPTS.glob("*.p[yl]"):
        guest.write(f"/root/bench/{script.name}", script.read_text(encoding="utf-8"))
    command = [*guest.enter(), "python3", "/root/bench/measure.py", RESULT, *(["--quick"] if quick else [])]
    subprocess.run(command, check=True, timeout=PATIENCE_SECONDS)
    return Results(json.loads(guest.read(RESULT)))


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
