# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The login recorder: a small HTTP service that a POP or IMAP server asks after every right password.

It answers when the login is in the database, and it answers "let them in" in every case: reading mail never fails
because of us. Dovecot asks as it asks any policy server (Dovecot manual, "Authentication policy server"); the PAM helper
does as Dovecot.
"""

from __future__ import annotations

import asyncio
import functools
import hmac
import time

from aiohttp import web

from . import recorder_key
from .errors import MalformedError
from .login import PATH, Login, LoginReader, NotRecorded
from .recording import GroupCommit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .recorder_log import RecorderLog
    from .virtual_servers import VirtualServer, VirtualServers

LARGEST_REPORT = 64 << 10  # bytes; Dovecot's own limit of a user name is far below
FINISH_SECONDS = 10.0
LET_THEM_IN = b'{"status": 0, "msg": ""}'


class Recorder:
    """Takes reports of logins and sees to it that each gets into the right database."""

    def __init__(self, servers: VirtualServers, reader: LoginReader, log: RecorderLog, key: str = "") -> None:
        """``key`` is the secret that a report has to bring along where anybody can reach the socket."""
        self._servers = servers
        self._reader = reader
        self._log = log
        self._key = key.encode()
        self._commits: dict[str, GroupCommit] = {}
        self.trusted_connections: set[object] = set()

    def application(self, trusted: bool) -> web.Application:
        """Return the web application for one socket; with ``trusted``, its file permissions decide who may report."""
        application = web.Application(client_max_size=LARGEST_REPORT)
        application.router.add_post(PATH, functools.partial(self._report, trusted))
        return application

    async def finish(self) -> None:
        """Wait until all that was taken is written, or FINISH_SECONDS are over."""
        if self._commits:
            await asyncio.wait(
                [asyncio.ensure_future(each.finish()) for each in self._commits.values()], timeout=FINISH_SECONDS
            )

    async def _report(self, trusted: bool, request: web.Request) -> web.Response:
        """Answer one report of a login."""
        now = int(time.time())
        if not trusted and not self._has_key(request):
            self._log.count("refused", "a report without the right key")
            raise web.HTTPForbidden()
        self.trusted_connections.add(request.protocol)
        if request.query.get("command") != "allow":
            return web.Response(body=LET_THEM_IN, content_type="application/json")
        try:
            login = self._reader.read(await request.read())
            server = self._servers.of_login(login.local_key, login.domain)
            if server is None:
                raise NotRecorded(f"no virtual server for {login.local_key or 'no local address'} or {login.domain!r}")
        except NotRecorded as reason:
            self._log.count("ignored", f"login not recorded: {reason}")
        except MalformedError as error:
            self._log.count("refused", f"report refused: {error}")
            raise web.HTTPBadRequest() from None
        except web.HTTPRequestEntityTooLarge:
            self._log.count("refused", f"report refused: more than {LARGEST_REPORT} bytes")
            raise
        else:
            await self._record(login, server, now)
        return web.Response(body=LET_THEM_IN, content_type="application/json")

    def _has_key(self, request: web.Request) -> bool:
        given = request.headers.get(recorder_key.HEADER, "").strip()
        return bool(self._key) and hmac.compare_digest(given.encode("utf-8", "replace"), self._key)

    async def _record(self, login: Login, server: VirtualServer, now: int) -> None:
        path = server.relayers_db
        if path not in self._commits:
            self._commits[path] = GroupCommit(path, functools.partial(self._log.count, "failed"))
        written = await self._commits[path].record(login.key, now)
        if written.done():
            # The client waits for the answer, and nobody for the line in the journal.
            asyncio.get_running_loop().call_soon(self._log.recorded, login, server)
        else:
            self._log.delayed(login, server, written)
