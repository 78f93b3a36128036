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
import json
import re
import time
from urllib.parse import unquote

from ..errors import MalformedError, RelayError
from . import key as recorder_key
from .auth_master import AuthMaster, NotAsked
from .libraries import web
from .login import PATH, Login, LoginReader, NotRecorded, Probe
from .login_entry import LoginEntry
from .sessions import Session, Sessions
from .spool import Spool
from .writers import Writers

# Without aiohttp the service does not start; main.py names the package.
_Response = object if web is None else web.Response

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
# How long a login waits for Dovecot's own answer about the account; it is recorded as soon as that comes.
ASK_SECONDS = 0.2
# In the query: the base directory of the Dovecot instance that asks, if it is not the one that the recorder was started for.
BASE = "base="
# Dovecot appends "?command=..." to a URL even if that has a query already, unless it ends in "&" (auth-policy.c).
SEPARATORS = re.compile("[&?]")
PROBES = "/probe/"
MOST_PROBES = 256
# In the query: whether the login is permitted. Dovecot can ask other questions as well.
ASKED = "command=allow"
LET_THEM_IN = b'{"status": 0, "msg": ""}'


class Answer(_Response):  # type: ignore[misc, valid-type]
    """An answer that is sent whole, with one write.

    aiohttp sends head and body with two. If the recorder is killed between them, systemd keeps the connection open, Dovecot
    waits for the body until its timeout, and then its auth process dies (``Panic: io_add(0x1) called twice``, 2.3 and 2.4.1)
    with all logins that it has in hand.
    """

    def __init__(self, status: int, reason: str, body: bytes) -> None:
        """``body`` is JSON."""
        super().__init__(status=status, reason=reason, body=body, content_type="application/json")
        self._to: web.BaseRequest | None = None
        self._must_close = False

    def force_close(self) -> None:
        """Close the connection after it."""
        self._must_close = True
        super().force_close()

    async def prepare(self, request: web.BaseRequest) -> None:
        """Send nothing yet; called by aiohttp before write_eof()."""
        self._to = request
        self._keep_alive = bool(request.keep_alive) and not self._must_close

    async def write_eof(self, data: bytes = b"") -> None:
        """Send the answer. Raises ConnectionResetError if the client has gone."""
        transport = None if self._to is None else self._to.transport
        if transport is None:
            raise ConnectionResetError("the client has gone")
        connection = "keep-alive" if self._keep_alive else "close"
        head = (
            f"HTTP/1.1 {self.status} {self.reason}\r\nContent-Type: application/json\r\nContent-Length: {len(self.body)}\r\n"
            f"Connection: {connection}\r\n\r\n"
        )
        transport.write(head.encode() + self.body)


class Recorder:
    """Accepts reports of logins and records each in the database of its virtual server."""

    def __init__(
        self,
        servers: VirtualServers,
        reader: LoginReader,
        log: RecorderLog,
        key: str = "",
        spool: Spool | None = None,
        dovecot: str = "",
        has_userdb: bool = True,
        sessions: Sessions | None = None,
    ) -> None:
        """``key`` is the secret that a report must carry on a socket that any local user can reach.

        ``dovecot`` is the base directory of the Dovecot that decides whether an account is let in; empty if no Dovecot reports.
        ``has_userdb`` is as for AuthMaster.
        ``sessions`` are those whose entries are renewed.
        """
        self._servers = servers
        self._reader = reader
        self._log = log
        self._key = key.encode()
        self._spool = spool or Spool()
        self._sessions = Sessions() if sessions is None else sessions
        self._writers = Writers(functools.partial(log.count, "failed"), self._spool, self._sessions.created)
        self.renew = self._writers.renew
        self._dovecot = dovecot
        self._has_userdb = has_userdb
        self._masters: dict[str, AuthMaster] = {}
        self._late: set[asyncio.Task[None]] = set()
        # What is known of the last probes, by session: the SASL mechanism, and the reason why Dovecot cannot be asked.
        self._probes: dict[str, dict[str, str]] = {}
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
        servers = {server.relayers_db: server for server in self._servers.servers}
        entries = [entry for entry in self._spool.entries() if entry.relayers_db in servers]
        for entry in entries:
            if entry.account:
                self._ask_again(entry, servers[entry.relayers_db])
        settled = [entry for entry in entries if not entry.account]
        all_written = await asyncio.gather(*map(self._writers.write, settled))
        for entry, written in zip(settled, all_written):
            name = servers[entry.relayers_db].name
            written.add_done_callback(functools.partial(self._log.recorded_from_spool, entry.key, name))

    def _ask_again(self, entry: LoginEntry, server: VirtualServer) -> None:
        """Ask about the account of ``entry``, which an earlier recorder has accepted, and record it."""
        base, *account = entry.account
        master = self._master(base)
        try:
            login = Login.of_account(account)
        except (MalformedError, ValueError):
            return  # the line is of another version
        if master is not None:
            self._writers.accept(entry)
            self._finish_later(asyncio.ensure_future(self._ask_and_record(master, login, server, entry)))

    def is_busy(self, connection: object) -> bool:
        """Return whether a report from ``connection`` is being processed."""
        return connection in self._busy

    def stop(self) -> None:
        """From now on close every connection after the answer to its report."""
        self._is_stopping = True

    async def finish(self) -> None:
        """Wait until all accepted logins are written, at most FINISH_SECONDS."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._finish(), FINISH_SECONDS)

    async def _finish(self) -> None:
        if self._late:
            await asyncio.wait(self._late)
        for master in self._masters.values():
            master.close()
        await self._writers.finish()

    async def _report(self, trusted: bool, request: web.BaseRequest) -> Answer:
        """Answer one request."""
        try:
            answer = await self._answer(trusted, request)
        except web.HTTPException as error:
            answer = Answer(error.status, error.reason, b"{}")
        if self._is_stopping:
            answer.force_close()
        return answer

    async def _answer(self, trusted: bool, request: web.BaseRequest) -> Answer:
        """Answer one report of a login, or what is known of a probe. Raises HTTPException for any other request."""
        now = int(time.time())
        path = request.rel_url.raw_path
        if path.startswith(PROBES):
            return self._answer_about_probe(trusted, request)
        if path != PATH:
            raise web.HTTPNotFound()
        if request.method != "POST":
            raise web.HTTPMethodNotAllowed(request.method, ("POST",))
        if not trusted and not self._has_key(request):
            self._log.count("refused", "a report without the right key")
            raise web.HTTPForbidden()
        self._busy.add(request.protocol)
        try:
            if ASKED in SEPARATORS.split(request.query_string):
                await self._take(request, now)
            else:
                self._log.count("ignored", f"a request that reports no login: {request.query_string!r}")
        finally:
            self._busy.discard(request.protocol)
        return Answer(200, "OK", LET_THEM_IN)

    def _answer_about_probe(self, trusted: bool, request: web.BaseRequest) -> Answer:
        """Answer what is known of the probe with the session in the path. Raises HTTPException, 404 if it was not reported."""
        if not trusted and not self._has_key(request):
            raise web.HTTPForbidden()
        found = self._probes.get(request.rel_url.path[len(PROBES) :])
        if found is None:
            raise web.HTTPNotFound()
        return Answer(200, "OK", json.dumps(found).encode())

    async def _note_probe(self, probe: Probe, query: str) -> None:
        """Note that ``probe`` arrived, and whether Dovecot can be asked about accounts."""
        fault, master = "", self._master(self._base_in(query))
        if master is not None:
            try:
                await asyncio.wait_for(master.check(probe.login), ASK_SECONDS)
            except asyncio.TimeoutError:
                fault = f"Dovecot does not answer within {ASK_SECONDS:g} seconds"
            except NotAsked as reason:
                fault = str(reason)
            except NotRecorded:
                pass  # it is no account
        while len(self._probes) >= MOST_PROBES:
            del self._probes[next(iter(self._probes))]
        self._probes[probe.session] = {"mechanism": probe.mechanism, "fault": fault}

    async def _take(self, request: web.BaseRequest, now: int) -> None:
        """Record the login that ``request`` reports. Raises HTTPException if it is not a report."""
        try:
            login = self._reader.parse(await request.read())
            server = self._servers.of_login(login.local_key, login.domain)
            if server is None:
                raise NotRecorded(f"no virtual server for {login.local_key or 'no local address'} or {login.domain!r}")
        except Probe as probe:
            await self._note_probe(probe, request.query_string)
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
            master = self._master(self._base_in(request.query_string))
            if master is None:
                await self._record(login, server, LoginEntry(server.relayers_db, login.key, now))
            else:
                await self._record_if_let_in(master, login, server, now)

    def _base_in(self, query: str) -> str:
        """Return the base directory of the Dovecot that sent a request with this query; empty if none is to be asked."""
        base = self._dovecot
        for word in SEPARATORS.split(query) if base and BASE in query else ():
            if word.startswith(BASE):
                base = unquote(word[len(BASE) :])
        return base

    def _master(self, base: str) -> AuthMaster | None:
        """Return what asks the Dovecot instance with the base directory ``base``, or None if no Dovecot is to be asked."""
        if not base:
            return None
        if base not in self._masters:
            self._masters[base] = AuthMaster(base, self._has_userdb or base != self._dovecot)
        return self._masters[base]

    async def _record_if_let_in(self, master: AuthMaster, login: Login, server: VirtualServer, now: int) -> None:
        """Record ``login`` when Dovecot says that it lets the account in; wait for that at most ASK_SECONDS."""
        entry = LoginEntry(server.relayers_db, login.key, now, (master.base_directory, *login.account()))
        self._writers.accept(entry)
        task = asyncio.ensure_future(self._ask_and_record(master, login, server, entry))
        done, _pending = await asyncio.wait((task,), timeout=ASK_SECONDS)
        if not done:
            self._finish_later(task)

    def _finish_later(self, task: asyncio.Task[None]) -> None:
        # The event loop itself only keeps weak references to tasks.
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def _ask_and_record(self, master: AuthMaster, login: Login, server: VirtualServer, entry: LoginEntry) -> None:
        try:
            user = await master.check(login)
        except NotRecorded as reason:
            self._log.count("ignored", f"login not recorded: {reason} user={login.user!r} {login.key}")
        except NotAsked as reason:
            self._log.count(
                "failed", f"login not recorded, since Dovecot could not be asked: {reason} user={login.user!r} {login.key}"
            )
        except RelayError as error:
            self._log.count("failed", str(error))
        else:
            session = Session(server.relayers_db, login.key, user, master.base_directory)
            await self._record(login, server, entry, session)
            return
        self._writers.drop(entry)

    def _has_key(self, request: web.BaseRequest) -> bool:
        given = request.headers.get(recorder_key.HEADER, "")
        return recorder_key.is_right(given.encode("utf-8", "replace"), self._key)

    async def _record(self, login: Login, server: VirtualServer, entry: LoginEntry, session: Session | None = None) -> None:
        """Record ``login``; ``session`` is what it begins, if Dovecot can be asked whether it is open."""
        written = await self._writers.write(entry)
        if session is not None:
            now = entry.timestamp
            written.add_done_callback(lambda done: None if done.cancelled() else self._sessions.note(session, now))
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
