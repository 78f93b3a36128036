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
import subprocess

from aiohttp import web
from systemd import daemon

from . import __version__, recorder_key
from .connections import BACKLOG, Connections
from .errors import RelayError
from .login import LoginReader
from .recorder import Recorder
from .recorder_log import RecorderLog
from .virtual_servers import TABLE, VirtualServers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

UNIT = "vsmtprelay-recorder.service"
# How often the service tells systemd that it is alive, and looks after its connections.
CARE_SECONDS = 2.0


def main(arguments: Sequence[str]) -> int:
    """Run the recorder until SIGTERM; ``arguments`` without the command's own name. Returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="vsmtprelay-recorder",
        description="Records the addresses of those who log in to read mail. Started by systemd's socket.",
    )
    other = parser.add_mutually_exclusive_group()
    other.add_argument("--status", action="store_true", help="tell how many logins were recorded since it started, and end")
    other.add_argument("--create-key", metavar="PATH", help="write a new secret there, and end")
    other.add_argument("--key-file", metavar="PATH", help="file with the secret that a report over TCP brings along")
    parser.add_argument("--ignore", action="append", default=[], metavar="NETWORK", help="do not record logins from there")
    parser.add_argument("--table", default=TABLE, metavar="PATH", help="the virtual servers (default: %(default)s)")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    options = parser.parse_args(arguments)
    if options.status:
        return _print_status()
    try:
        if options.create_key:
            recorder_key.create(options.create_key)
            return 0
        key = recorder_key.read(options.key_file) if options.key_file else ""
        log = RecorderLog()
        recorder = Recorder(VirtualServers.from_table(options.table), LoginReader(options.ignore), log, key)
    except RelayError as error:
        parser.exit(error.exit_status, f"vsmtprelay-recorder: {error}\n")
    sockets = [socket.socket(fileno=descriptor) for descriptor in daemon.listen_fds()]
    if not sockets:
        parser.exit(64, "vsmtprelay-recorder: no socket: start it with systemctl start vsmtprelay-recorder.socket\n")
    if not options.key_file and any(each.family != socket.AF_UNIX for each in sockets):
        parser.exit(64, "vsmtprelay-recorder: any local user can report over TCP: give --key-file\n")
    asyncio.run(_serve(recorder, sockets, key, log))
    return 0


def _print_status() -> int:
    """Print what the service last told systemd; returns the exit status, 3 if it is not running (as systemctl does)."""
    properties = ("ActiveState", "StatusText", "ActiveEnterTimestamp")
    command = ["systemctl", "show", *(f"--property={name}" for name in properties), UNIT]
    lines = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout.splitlines()
    state = dict(line.split("=", 1) for line in lines)
    running = state["ActiveState"] == "active"
    since = f" since {state['ActiveEnterTimestamp']}" if running else ""
    print(f"{state['ActiveState']}{since}: {state['StatusText'] or 'no reports yet'}")
    return 0 if running else 3


async def _serve(recorder: Recorder, sockets: Sequence[socket.socket], key: str, log: RecorderLog) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    runners = []
    listeners: list[Connections | asyncio.AbstractServer] = []
    for each in sockets:
        trusted = each.family == socket.AF_UNIX
        runner = web.AppRunner(recorder.application(trusted), access_log=None)
        await runner.setup()
        runners.append(runner)
        assert runner.server  # after setup()
        if trusted:
            listeners.append(await loop.create_server(runner.server, sock=each, backlog=BACKLOG))
        else:
            listeners.append(Connections(each, runner.server, key.encode(), functools.partial(log.count, "refused")))
    daemon.notify("READY=1")
    while not stopped.is_set():
        daemon.notify("WATCHDOG=1")
        for listener in listeners:
            if isinstance(listener, Connections):
                listener.close_strangers()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(stopped.wait(), CARE_SECONDS)
    daemon.notify("STOPPING=1")
    for listener in listeners:
        listener.close()
    for runner in runners:
        await runner.cleanup()
    await recorder.finish()
