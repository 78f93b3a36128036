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
from ..errors import RelayError
from ..servers.virtual_servers import TABLE, VirtualServers
from . import key as recorder_key
from . import large_write
from .fd_store import ServedConnections, sockets_from_systemd
from .http_service import Recorder
from .journal import RecorderLog
from .libraries import daemon, web
from .login import LoginReader
from .renewal import Renewal
from .sessions import Sessions
from .spool import Spool
from .tcp_gate import BACKLOG, Connections

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

UNIT = "vsmtprelay-recorder.service"
EXIT_UNAVAILABLE = 69
# How often the service notifies systemd that it is alive, and checks its connections. Its unit requires once a second.
CARE_SECONDS = 0.25
# After how long a writing thread has to yield to the event loop. Python's default of 5 ms would be added to a login, and
# to the time between reading a report and adding it to the spool.
SWITCH_SECONDS = 0.0002
# How long clients have, when the service ends, to close their connections.
DISMISS_SECONDS = 2.0


def main(arguments: Sequence[str]) -> int:
    """Run the recorder with ``arguments`` (without the program name) until SIGTERM; return the exit status."""
    parser = argparse.ArgumentParser(
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
        log = RecorderLog()
        servers = VirtualServers.from_table(options.table)
        limit = max(options.renew, 0) * 60 if options.dovecot else 0
        sessions = Sessions(options.sessions, limit)
        recorder = Recorder(
            servers,
            LoginReader(options.ignore),
            log,
            key,
            Spool(options.spool),
            options.dovecot,
            not options.no_userdb,
            sessions,
        )
    except RelayError as error:
        parser.exit(error.exit_status, f"vsmtprelay-recorder: {error}\n")
    except OSError as error:
        parser.exit(73, f"vsmtprelay-recorder: {options.spool}: {error.strerror}\n")
    sockets, left = sockets_from_systemd()
    if not sockets:
        parser.exit(64, "vsmtprelay-recorder: no socket: start it with systemctl start vsmtprelay-recorder.socket\n")
    if not options.key_file and not all(map(_is_trusted, sockets)):
        parser.exit(64, "vsmtprelay-recorder: any local user can report over TCP: give --key-file\n")
    sessions.read({server.relayers_db for server in servers.servers}, int(time.time()))
    asyncio.run(_serve(recorder, sockets, left, key, log, Renewal(sessions, limit, recorder.renew, log)))
    return 0


def _missing_packages() -> list[str]:
    libraries = {"python3-aiohttp": web, "python3-systemd": daemon}
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
    sockets: Sequence[socket.socket],
    left: Sequence[tuple[str, socket.socket]],
    key: str,
    log: RecorderLog,
    renewal: Renewal,
) -> None:
    sys.setswitchinterval(SWITCH_SECONDS)
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    await recorder.recover_spool()
    servers = {trusted: recorder.server(trusted) for trusted in (True, False)}
    served = ServedConnections(list(servers.values()), recorder.is_busy)
    for name, connection in left:
        await served.adopt(connection, name, servers[_is_trusted(connection)])
    ports: list[Connections] = []
    listeners: list[Connections | asyncio.AbstractServer] = []
    for each in sockets:
        if _is_trusted(each):
            listeners.append(await loop.create_server(served.serving(servers[True]), sock=each, backlog=BACKLOG))
        else:
            ports.append(
                Connections(each, served.serving(servers[False]), key.encode(), functools.partial(log.count, "refused"))
            )
    listeners += ports
    renewal.start()
    daemon.notify("READY=1")
    while not stopped.is_set():
        daemon.notify("WATCHDOG=1")
        served.store_fds()
        for port in ports:
            port.close_unauthenticated()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(stopped.wait(), CARE_SECONDS)
    daemon.notify("STOPPING=1")
    recorder.stop()
    for listener in listeners:
        listener.close()
    deadline = time.monotonic() + DISMISS_SECONDS
    while served.dismiss() and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    served.drop()
    for server in servers.values():
        await server.shutdown(DISMISS_SECONDS)
    await recorder.finish()
    await renewal.finish()


def _is_trusted(each: socket.socket) -> bool:
    """Return whether the permissions of the socket file decide who can connect."""
    return each.family == socket.AF_UNIX
