# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command vsmtprelay-recorder: the service that systemd's socket starts, its secret, and its counters."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import signal
import socket
import sys
import time

from .. import __version__, programs
from ..errors import RelayError, UsageError
from ..options import Options
from ..servers.virtual_servers import TABLE, VirtualServers
from ..sharing import changes
from ..sharing.handover import Handover
from ..sharing.outbox import Outbox
from ..sharing.requests import LARGEST_CHANGES
from . import key as recorder_key
from . import large_write
from .fd_store import QUESTIONS, DescriptorStore, NoStore, sockets_from_systemd
from .http_service import HttpService
from .journal import RecorderLog
from .libraries import Parser, daemon
from .login import LoginReader
from .port import Port
from .recorder import Recorder
from .renewal import Renewal
from .sessions import Sessions
from .shared_logins import SharedLogins
from .shared_service import SharedService
from .spool import Spool, this_boot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .fd_store import Sockets

UNIT = "vsmtprelay-recorder.service"
EXIT_UNAVAILABLE = 69
# How often the service notifies systemd that it is alive, and checks its connections. Its unit requires once a second.
CARE_SECONDS = 0.25
# After how long a writing thread has to yield to the event loop. Python's default of 5 ms would be added to a login, and
# to the time between reading a report and adding it to the spool.
SWITCH_SECONDS = 0.0002
# How long clients have, when the service ends, to close their connections.
DISMISS_SECONDS = 2.0
# The sharer needs three. One that is in wrong hands must not take the descriptors that logins need.
MOST_OF_SHARER = 16


def main(arguments: Sequence[str]) -> int:
    """Run the recorder with ``arguments`` (without the program name) until SIGTERM; return the exit status."""
    parser = Options(
        prog="vsmtprelay-recorder",
        description="Records the addresses of clients that log in to read mail. Started by systemd's socket.",
    )
    other = parser.add_mutually_exclusive_group()
    other.add_argument("--status", action="store_true", help="print how many logins were recorded since it started, and exit")
    other.add_argument("--create-key", metavar="PATH", help="write a new secret there, and exit")
    other.add_argument("--write", metavar="DATABASE", help=argparse.SUPPRESS)  # large_write, for the service itself
    other.add_argument("--key-file", metavar="PATH", help="file with the secret that a report over TCP must carry")
    parser.add_argument("--ignore", action="append", default=[], metavar="NETWORK", help="do not record logins from there")
    parser.add_argument(
        "--spool", default="", metavar="PATH", help="keep logins there until they are written, in case it is killed"
    )
    parser.add_argument(
        "--dovecot", default="", metavar="DIRECTORY", help="ask the Dovecot with this base_dir whether it lets the account in"
    )
    parser.add_argument(
        "--renew",
        type=int,
        default=0,
        metavar="MINUTES",
        help="renew an entry before it is that old, while its session is open",
    )
    parser.add_argument("--sessions", default="", metavar="PATH", help="keep the open sessions there for the next start")
    parser.add_argument(
        "--no-userdb",
        action="store_true",
        help="do not ask it about the userdb, since that only passes on what the passdb gives",
    )
    parser.add_argument(
        "--share", default="", metavar="PATH", help="share logins with other hosts; keep them there until the sharer has them"
    )
    parser.add_argument("--counts", default="", metavar="PATH", help="keep what monitoring counts there")
    parser.add_argument("--table", default=TABLE, metavar="PATH", help="the virtual servers (default: %(default)s)")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    options = parser.parse_args(arguments)
    if options.status:
        return _print_status()
    if options.write:
        return large_write.main(options.write)
    try:
        if options.create_key:
            recorder_key.create(options.create_key)
            return 0
        missing = _missing_packages()
        if missing:
            parser.exit(EXIT_UNAVAILABLE, f"vsmtprelay-recorder: install {' and '.join(missing)} from the distribution\n")
        key = recorder_key.load(options.key_file) if options.key_file else ""
        servers = VirtualServers.from_table(options.table)
        reader = LoginReader(options.ignore)
        spool = Spool(options.spool)
        outbox = Outbox(options.share) if options.share else None
    except RelayError as error:
        parser.exit(error.exit_status, f"vsmtprelay-recorder: {error}\n")
    except OSError as error:
        parser.exit(73, f"vsmtprelay-recorder: {error.filename}: {error.strerror}\n")
    sockets = sockets_from_systemd()
    if not sockets.listening and not sockets.shared:
        parser.exit(
            UsageError.exit_status, "vsmtprelay-recorder: no socket: start it with systemctl start vsmtprelay-recorder.socket\n"
        )
    if not options.key_file and not all(map(_is_trusted, sockets.listening)):
        parser.exit(UsageError.exit_status, "vsmtprelay-recorder: any local user can report over TCP: give --key-file\n")
    limit = max(options.renew, 0) * 60 if options.dovecot else 0
    sessions = Sessions(options.sessions, limit)
    sessions.read({server.relayers_db for server in servers.servers}, int(time.time()))

    async def serve() -> None:
        log = RecorderLog(options.counts)
        store = DescriptorStore(asyncio.get_running_loop())
        has_userdb = not options.no_userdb
        handover, shared_logins = None, None
        if outbox is not None:
            handover = Handover(outbox, changes.DIRECTORY, this_boot(), functools.partial(log.shared, is_fault=True))
            shared_logins = SharedLogins(servers, handover.add)
        recorder = Recorder(
            servers, reader, log, spool, options.dovecot, has_userdb, sessions, store.keep_questions, shared_logins
        )
        shared = None if handover is None else SharedService(servers, reader, recorder.writers, handover, log)
        renewal = Renewal(sessions, limit, recorder.writers.renew, log)
        await _serve(recorder, store, sockets, key.encode(), log, renewal, shared)

    asyncio.run(serve())
    return 0


def _missing_packages() -> list[str]:
    libraries = {"python3-httptools": Parser, "python3-systemd": daemon}
    return [package for package, library in libraries.items() if library is None]


def _print_status() -> int:
    """Print the last status that the service sent to systemd; return the exit status, 3 if it is not running, as systemctl."""
    properties = ("ActiveState", "StatusText", "ActiveEnterTimestamp")
    command = ["systemctl", "show", *(f"--property={name}" for name in properties), UNIT]
    try:
        shown = programs.run(command, programs.SECONDS_TO_REPORT)
    except RelayError as error:
        sys.stderr.write(f"vsmtprelay-recorder: {error}\n")
        return error.exit_status
    if shown.status != 0:
        sys.stderr.write(f"vsmtprelay-recorder: systemctl cannot show {UNIT}: {shown.complaint}\n")
        return EXIT_UNAVAILABLE
    state = dict(line.split("=", 1) for line in shown.text.splitlines())
    running = state["ActiveState"] == "active"
    since = f" since {state['ActiveEnterTimestamp']}" if running else ""
    sys.stdout.write(f"{state['ActiveState']}{since}: {state['StatusText'] or 'no reports yet'}\n")
    return 0 if running else 3


async def _serve(
    recorder: Recorder,
    store: DescriptorStore,
    sockets: Sockets,
    key: bytes,
    log: RecorderLog,
    renewal: Renewal,
    shared: SharedService | None,
) -> None:
    sys.setswitchinterval(SWITCH_SECONDS)
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    recorder.recover_spool()
    service = HttpService(recorder, log)
    refused = functools.partial(log.count, "refused")
    listening = sockets.listening
    ports = [Port(loop, each, service.take, None if _is_trusted(each) else key, store, refused) for each in listening]
    for name, connection in sockets.left:
        if name.startswith(QUESTIONS):
            store.close_questions_later(connection, name)
            continue
        # What matters is whether it needs the key; the unit may not have its socket any more.
        fitting = [port for port, each in zip(ports, listening) if _is_trusted(each) == _is_trusted(connection)]
        if fitting:
            fitting[0].adopt(connection, name)
        else:
            connection.close()
    # The permissions of their directory decide that only the sharer connects.
    shared_ports = [
        Port(loop, each, shared.take, None, NoStore(loop), refused, MOST_OF_SHARER, LARGEST_CHANGES)
        for each in sockets.shared
        if shared is not None
    ]
    renewal.start()
    log.counts.write_soon()
    daemon.notify("READY=1")
    while not stopped.is_set():
        daemon.notify("WATCHDOG=1")
        for port in ports:
            port.close_unauthenticated()
        if shared is not None:
            shared.look()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(stopped.wait(), CARE_SECONDS)
    daemon.notify("STOPPING=1")
    for port in (*ports, *shared_ports):
        port.close()
    if shared is not None:
        shared.finish()
    for port in shared_ports:
        port.abandon()  # what is cut off, the sharer asks again
    deadline = time.monotonic() + DISMISS_SECONDS
    while sum([port.dismiss() for port in ports]) and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    for port in ports:
        port.abandon()
    await recorder.finish()
    await renewal.finish()
    log.flush()


def _is_trusted(each: socket.socket) -> bool:
    """Return whether the permissions of the socket file decide who can connect."""
    return each.family == socket.AF_UNIX
