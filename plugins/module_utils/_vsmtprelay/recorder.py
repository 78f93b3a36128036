# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The login recorder: a small HTTP service, started by systemd's socket, that Dovecot asks after every right password.

It answers when the login is in the database, and it answers "let them in" in every case: reading mail never fails
because of us. systemd holds the listening socket, so that logins made while the recorder is down wait in its backlog.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import hmac
import signal
import socket
import time

from aiohttp import web
from systemd import daemon, journal

from . import __version__, recorder_key
from .errors import MalformedError, RelayError
from .login import Login, LoginReader, NotRecorded
from .recording import Journal
from .virtual_servers import TABLE, VirtualServer, VirtualServers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

LARGEST_REPORT = 64 << 10  # bytes; Dovecot's own limit of a user name is far below
FINISH_SECONDS = 10.0
# syslog(3): information, notice, error. Somebody who tries out secrets is to be noticed.
PRIORITIES = {"recorded": "6", "delayed": "4", "ignored": "6", "refused": "5", "failed": "3"}
LET_THEM_IN = {"status": 0, "msg": ""}


class Recorder:
    """Takes reports of logins and sees to it that each gets into the right database."""

    def __init__(self, servers: VirtualServers, reader: LoginReader, key: str) -> None:
        """``key`` is the secret that a report has to bring along."""
        self._servers = servers
        self._reader = reader
        self._key = key.encode()
        self._journals: dict[str, Journal] = {}
        self.counters: collections.Counter[str] = collections.Counter(recorded=0, delayed=0, ignored=0, refused=0, failed=0)

    def application(self) -> web.Application:
        """Return the web application."""
        application = web.Application(client_max_size=LARGEST_REPORT)
        application.router.add_post("/dovecot", self.report)
        return application

    async def report(self, request: web.Request) -> web.Response:
        """Answer one report of a login."""
        given = request.headers.get(recorder_key.HEADER, "").strip()
        if not hmac.compare_digest(given.encode("utf-8", "replace"), self._key):
            self._count("refused", "a report without the right key")
            raise web.HTTPForbidden()
        if request.query.get("command") != "allow":
            return web.json_response(LET_THEM_IN)
        now = int(time.time())
        try:
            login = self._reader.read(await request.read())
            server = self._servers.of_login(login.local_key, login.domain)
            if server is None:
                raise NotRecorded(f"no virtual server for {login.local_key or 'no local address'} or {login.domain!r}")
        except NotRecorded as reason:
            self._count("ignored", f"login not recorded: {reason}")
        except MalformedError as error:
            self._count("refused", f"report refused: {error}")
            raise web.HTTPBadRequest() from None
        else:
            await self._record(login, server, now)
        return web.json_response(LET_THEM_IN)

    async def finish(self) -> None:
        """Wait until all that was taken is written, or FINISH_SECONDS are over."""
        if self._journals:
            await asyncio.wait(
                [asyncio.ensure_future(each.finish()) for each in self._journals.values()], timeout=FINISH_SECONDS
            )

    async def _record(self, login: Login, server: VirtualServer, now: int) -> None:
        path = server.relayers_db
        if path not in self._journals:
            self._journals[path] = Journal(path, lambda message: self._count("failed", message))
        what = "recorded" if await self._journals[path].record(login.key, now) else "delayed"
        self._count(
            what,
            f"{what} {login.key} user={login.user!r} service={login.service} server={server.name}",
            RELAY_ADDRESS=login.key,
            RELAY_USER=login.user,
            RELAY_SERVICE=login.service,
            RELAY_SERVER=server.name,
        )

    def _count(self, what: str, message: str, **fields: str) -> None:
        self.counters[what] += 1
        # A user name may hold anything. The message quotes it; the journal takes the field as it is, up to a NUL or newline.
        journal.send(message, SYSLOG_IDENTIFIER="vsmtprelay-recorder", PRIORITY=PRIORITIES[what], **fields)
        daemon.notify("STATUS=" + ", ".join(f"{name} {number}" for name, number in self.counters.items()))


def main(arguments: Sequence[str]) -> int:
    """Run the recorder until SIGTERM; ``arguments`` without the command's own name. Returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="vsmtprelay-recorder", description="Records the addresses of those who log in. Started by systemd's socket."
    )
    key = parser.add_mutually_exclusive_group(required=True)
    key.add_argument("--key-file", metavar="PATH", help="file with the secret that a report brings along")
    key.add_argument("--create-key", metavar="PATH", help="write a new secret there, and end")
    parser.add_argument("--ignore", action="append", default=[], metavar="NETWORK", help="do not record logins from there")
    parser.add_argument("--table", default=TABLE, metavar="PATH", help="the virtual servers (default: %(default)s)")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    options = parser.parse_args(arguments)
    try:
        if options.create_key:
            recorder_key.create(options.create_key)
            return 0
        recorder = Recorder(
            VirtualServers.from_table(options.table), LoginReader(options.ignore), recorder_key.read(options.key_file)
        )
    except RelayError as error:
        parser.exit(error.exit_status, f"vsmtprelay-recorder: {error}\n")
    sockets = [socket.socket(fileno=descriptor) for descriptor in daemon.listen_fds()]
    if not sockets:
        parser.exit(64, "vsmtprelay-recorder: no socket: start it with systemctl start vsmtprelay-recorder.socket\n")
    asyncio.run(_serve(recorder, sockets))
    return 0


async def _serve(recorder: Recorder, sockets: Sequence[socket.socket]) -> None:
    runner = web.AppRunner(recorder.application(), access_log=None)
    await runner.setup()
    for each in sockets:
        await web.SockSite(runner, each).start()
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    daemon.notify("READY=1")
    await stopped.wait()
    daemon.notify("STOPPING=1")
    await runner.cleanup()
    await recorder.finish()
