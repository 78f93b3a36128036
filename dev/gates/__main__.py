# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of the gates: PYTHONPATH=dev python -m gates COMMAND ..."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from . import ansible_test, branches, environments, galaxy, interpreters, matrix, release, target_syntax
from .errors import GateError


def main() -> int:
    """Run the command line of this process; return the exit status."""
    parser = argparse.ArgumentParser(prog="gates", description="What the ecosystem of Ansible asks of a collection.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, does: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=does, description=does)

    syntax = command("target-syntax", "check that what runs on targets is written for Python 3.8")
    syntax.set_defaults(run=lambda _words: print(target_syntax.check()))
    covered = command("branches", "check how many branches of the pure code a JSON report of coverage calls covered")
    covered.add_argument("report", type=Path)
    covered.set_defaults(run=lambda words: print(branches.check(words.report)))
    test = command("ansible-test", "run ansible-test sanity and units with the ansible-core of this environment")
    test.add_argument("--quick", action="store_true", help="no pylint; import all unit tests, and run those of Ansible's part")
    test.set_defaults(
        run=lambda words: ansible_test.run_all(Path(sys.prefix), interpreters.OLDEST_AND_NEWEST, quick=words.quick)
    )
    every = command("matrix", "run ansible-test with every ansible-core that the interpreters here allow")
    every.set_defaults(run=lambda _words: matrix.run_all())
    to_come = command("next-ansible", "make an environment with the newest ansible-core, releases to come included")
    to_come.add_argument("directory", type=Path)
    to_come.set_defaults(run=lambda words: print(environments.make_of_next_ansible(words.directory.resolve())))
    importer = command("galaxy-importer", "check a tarball as Galaxy does")
    importer.add_argument("tarball", type=Path)
    importer.set_defaults(run=lambda words: galaxy.import_tarball(words.tarball.resolve()))
    check = command("release", "check what is in a tarball, and that it works where there is nothing but ansible-core")
    check.add_argument("tarball", type=Path)
    check.set_defaults(run=lambda words: release.check(words.tarball.resolve()))

    arguments = parser.parse_args()
    try:
        arguments.run(arguments)
    except (GateError, subprocess.SubprocessError, OSError) as error:
        print(f"gates: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
