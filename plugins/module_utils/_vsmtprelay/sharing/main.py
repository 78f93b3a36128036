# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command vsmtprelay-share: the service, its status, and what the setting up of an engine needs."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sqlite3
import sys
import threading
import time

from .. import __version__
from ..errors import RelayError, printable
from ..options import Options
from ..servers.virtual_servers import SHARE
from . import access, check, configuration, libraries, recorder_client, status, status_text
from .configuration import Configuration
from .sharer import CARE_SECONDS, Sharer
from .store import Damaged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

STATE = "/var/lib/vsmtprelay-share"
EXIT_UNAVAILABLE = 69
EXIT_SOFTWARE = 70
EXIT_UNWRITABLE = 73
# How often the interpreter lets other threads run: the default of 5 ms would be added to a login, thread by thread.
SWITCH_SECONDS = 0.001


def main(arguments: Sequence[str]) -> int:
    """Run the command with ``arguments`` (without the program name); return the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.json and not options.status:
        parser.error("--json belongs to --status")
    try:
        return _run(options)
    except RelayError as error:
        return _complain(str(error), error.exit_status)
    except Damaged as error:
        return _complain(str(error), EXIT_SOFTWARE)
    except sqlite3.Error as error:
        return _complain(
            f"{options.state}: the store cannot be used: {error}; check the directory and the disk", EXIT_UNWRITABLE
        )
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _parser() -> argparse.ArgumentParser:
    parser = Options(
        prog="vsmtprelay-share",
        description="Shares the logins of this host with the other hosts of the fleet, over one or several engines.",
    )
    other = parser.add_mutually_exclusive_group()
    other.add_argument("--status", action="store_true", help="print what the service does, and exit")
    other.add_argument("--check", action="store_true", help="check what the engines permit to this host, and exit")
    other.add_argument("--acl", action="store_true", help="print the lines of this host for an engine's ACL file, and exit")
    other.add_argument("--create-secret", metavar="PATH", help="write a new secret there, and exit")
    parser.add_argument("--json", action="store_true", help="with --status: print it as JSON")
    parser.add_argument("--config", default=SHARE, metavar="PATH", help="the configuration (default: %(default)s)")
    parser.add_argument(
        "--secret-file", default=access.SECRET_PATH, metavar="PATH", help="the secret of this host (default: %(default)s)"
    )
    state = os.environ.get("STATE_DIRECTORY", STATE)
    parser.add_argument("--state", default=state, metavar="DIRECTORY", help="keep the store there (default: %(default)s)")
    parser.add_argument(
        "--recorder", default=recorder_client.SOCKET, metavar="SOCKET", help="the recorder's socket (default: %(default)s)"
    )
    runtime = os.environ.get("RUNTIME_DIRECTORY", status.DIRECTORY)
    parser.add_argument("--runtime", default=runtime, metavar="DIRECTORY", help="keep the status there (default: %(default)s)")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    return parser


def _run(options: argparse.Namespace) -> int:
    if options.status:
        return _print_status(options.runtime, options.json)
    if options.create_secret:
        access.create_secret(options.create_secret)
        return 0
    configured = configuration.load(options.config)
    secret = access.load_secret(options.secret_file)
    if options.acl:
        sys.stdout.write("".join(f"{line}\n" for line in access.acl_lines(configured.host, secret)))
        return 0
    if libraries.PlainConnection is None:
        return _complain("install python3-redis from the distribution", EXIT_UNAVAILABLE)
    if options.check:
        return _check(configured, secret)
    if libraries.daemon is None and "NOTIFY_SOCKET" in os.environ:
        return _complain("install python3-systemd from the distribution", EXIT_UNAVAILABLE)
    return _serve(Sharer(configured, secret, options.state, options.recorder, options.runtime))


def _serve(sharer: Sharer) -> int:
    """Run ``sharer`` until SIGTERM or SIGINT; return the exit status."""
    sys.setswitchinterval(SWITCH_SECONDS)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stopped.set())
    sharer.start()
    _notify("READY=1")
    try:
        while not stopped.wait(CARE_SECONDS):
            members = sharer.care()
            if members is not None:
                _notify(f"STATUS={status.summary(members)}")
            fault = sharer.fault or "".join(f"{name} hangs" for name in sharer.silent()[:1])
            if fault:
                return _complain(fault, EXIT_SOFTWARE)
            _notify("WATCHDOG=1")
        return 0
    finally:
        _notify("STOPPING=1")
        sharer.stop()


def _notify(state: str) -> None:
    if libraries.daemon is not None:
        libraries.daemon.notify(state)


def _print_status(directory: str, as_json: bool) -> int:
    members, now = status_text.load(directory), int(time.time())
    text = [json.dumps(members)] if as_json else status_text.lines(members, now)
    sys.stdout.write("".join(f"{printable(line)}\n" for line in text))
    sys.stdout.flush()
    return status_text.verdict(members, now)


def _check(configured: Configuration, secret: str) -> int:
    """Print a line about each engine that lacks something; return FINE, ATTENTION, or BROKEN if that holds for all of them."""
    faults = 0
    for engine in configured.engines:
        found = check.missing(configured, engine, secret)
        if found:
            faults += 1
            sys.stdout.write(f"{check.line(engine, found)}\n")
    if faults == len(configured.engines):
        return status_text.BROKEN
    return status_text.ATTENTION if faults else status_text.FINE


def _complain(message: str, exit_status: int) -> int:
    sys.stderr.write(f"vsmtprelay-share: {printable(message)}\n")
    return exit_status
