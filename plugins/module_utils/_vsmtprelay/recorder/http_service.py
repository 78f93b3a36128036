# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The login recorder: a small HTTP service that a POP or IMAP server asks after every correct password.

It answers when the login is in the database. The answer always permits the login: reading mail never fails
because of the recorder. Dovecot asks it as any policy server (Dovecot manual, "Authentication policy
server"); the PAM helper sends the same request.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time

from ..errors import MalformedError
from . import key as recorder_key
from .libraries import web
from .login import PATH, Login, LoginReader, NotRecorded
from .login_entry import LoginEntry
from .spool import Spool
from .writers import Writers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.http_parser import RawRequestMessage
    from aiohttp.streams import StreamReader
    from aiohttp.web_protocol import RequestHandler

    from ..servers.virtual_servers import VirtualServer, VirtualServers
    from .journal import RecorderLog

LARGEST_REPORT = 64 << 10  # bytes; Dovecot's own limit of a user name is far below
FINISH_SECONDS = 10.0
# In the query: whether the login is permitted. Dovecot can ask other questions as well.
ASKED = "command=allow"
LET_THEM_IN = b'{"status": 0, "msg": ""}'


class Recorder:
    """Accepts reports of logins and records each in the database of its virtual server."""

    def __init__(
        self, servers: VirtualServers, reader: LoginReader, log: RecorderLog, key: str = "", spool: Spool | None = None
    ) -> None:
        """``key`` is the secret that a report must carry on a socket that any local user can reach."""
        self._servers = servers
        self._reader = reader
        self._log = log
        self._key = key.encode()
        self._spool = spool or Spool()
        self._writers = Writers(functools.partial(log.count, "failed"), self._spool)
        self._is_stopping = False
        self._busy: set[object] = set()

    def server(self, trusted: bool) -> web.Server:
        """Return the server for one socket; with ``trusted``, the permissions of the socket decide who may report.

        It is aiohttp's server without router and middlewares: there is only one path, and every login waits for
        each layer.
        """
        request = functools.partial(_request, asyncio.get_running_loop())
        return web.Server(functools.partial(self._report, trusted), request_factory=request, access_log=None)

    async def recover_spool(self) -> None:
        """Record the logins that an earlier recorder accepted before it was killed."""
        names = {server.relayers_db: server.name for server in self._servers.servers}
        entries = [entry for entry in self._spool.entries() if entry.relayers_db in names]
        all_written = await asyncio.gather(*map(self._writers.write, entries))
        for entry, written in zip(entries, all_written):
            written.add_done_callback(functools.partial(self._log.recorded_from_spool, entry.key, names[entry.relayers_db]))

    def is_busy(self, connection: object) -> bool:
        """Return whether a report from ``connection`` is being processed."""
        return connection in self._busy

    def stop(self) -> None:
        """From now on close every connection after the answer to its report."""
        self._is_stopping = True

    async def finish(self) -> None:
        """Wait until all accepted logins are written, at most FINISH_SECONDS."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._writers.finish(), FINISH_SECONDS)

    async def _report(self, trusted: bool, request: web.BaseRequest) -> web.Response:
        """Answer one report of a login. Raises HTTPException for any other request."""
        now = int(time.time())
        if request.rel_url.raw_path != PATH:
            raise web.HTTPNotFound()
        if request.method != "POST":
            raise web.HTTPMethodNotAllowed(request.method, ("POST",))
        if not trusted and not self._has_key(request):
            self._log.count("refused", "a report without the right key")
            raise web.HTTPForbidden()
        self._busy.add(request.protocol)
        try:
            if ASKED in request.query_string.split("&"):
                await self._take(request, now)
        finally:
            self._busy.discard(request.protocol)
        answer = web.Response(body=LET_THEM_IN, content_type="application/json")
        if self._is_stopping:
            answer.force_close()
        return answer

    async def _take(self, request: web.BaseRequest, now: int) -> None:
        """Record the login that ``request`` reports. Raises HTTPException if it is not a report."""
        try:
            login = self._reader.parse(await request.read())
            server = self._servers.of_login(login.local_key, login.domain)
            if server is None:
                raise NotRecorded(f"no virtual server for {login.local_key or 'no local address'} or {login.domain!r}")
        except NotRecorded as reason:
            self._log.count("ignored", f"login not recorded: {reason}")
        except MalformedError as error:
            self._log.count("refused", f"report refused: {error}")
            raise web.HTTPBadRequest() from None
        except web.RequestPayloadError:
            self._log.count("refused", "report refused: the body is not what its headers say")
            raise web.HTTPBadRequest() from None
        except web.HTTPRequestEntityTooLarge:
            self._log.count("refused", f"report refused: more than {LARGEST_REPORT} bytes")
            raise
        else:
            await self._record(login, server, now)

    def _has_key(self, request: web.BaseRequest) -> bool:
        given = request.headers.get(recorder_key.HEADER, "")
        return recorder_key.is_right(given.encode("utf-8", "replace"), self._key)

    async def _record(self, login: Login, server: VirtualServer, now: int) -> None:
        written = await self._writers.write(LoginEntry(server.relayers_db, login.key, now))
        if written.done():
            # The answer comes first, since the client waits for it; the line in the journal can wait.
            asyncio.get_running_loop().call_soon(self._log.recorded, login, server)
        else:
            self._log.delayed(login, server, written)


def _request(
    loop: asyncio.AbstractEventLoop,
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    """Return the request whose head aiohttp has read; a body of more than LARGEST_REPORT bytes is rejected."""
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=LARGEST_REPORT)
