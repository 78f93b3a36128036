# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asks Dovecot whether it lets an account in whose password was right.

Dovecot reports a login as soon as a passdb has accepted the password (auth_request_success() in its
auth-request.c). By then it has not decided yet whether the account may log in: it may be locked (``nologin``), belong to
another host (``proxy``), be refused by the last passdb, or be in no userdb. Only some of that can be seen in the report,
with Dovecot 2.4 nearly nothing. So the recorder asks for the same fields as Dovecot's own programs do, with the lookups
PASS and USER on the socket ``auth-master`` (lib-auth/auth-master.c). The auth process answers while it waits for the
recorder.

A passdb that cannot look up credentials, such as PAM, has no such fields and so no objection.
"""

from __future__ import annotations

import asyncio
import os
import time

from .login import ELSEWHERE, LOCKED, NotRecorded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .login import Login

SOCKET_NAME = "auth-master"
# auth-master.c: the major version has to match, any minor one is accepted.
GREETING = b"VERSION\t1\t1\n"
# How long Dovecot may take for an answer. A login waits less for it: see http_service.
ASK_SECONDS = 5.0
# After a reload, an auth process with the old settings answers for as long as it has a connection.
CONNECTION_SECONDS = 5.0
IDLE_SECONDS = 1.0
# The answer of an auth process whose passdbs have only passwords to compare (auth_request_lookup_credentials()).
NO_LOOKUP = "Configured passdbs don't support credentials lookups"
# Dovecot manual, "Password database extra fields".
PROXY_FIELDS = ("proxy", "proxy_maybe")
ESCAPED = {0: b"0", 1: b"1", 9: b"t", 10: b"n", 13: b"r"}  # str_tabescape() in lib/strescape.c


class NotAsked(Exception):
    """Dovecot could not be asked about a login, or did not answer; the message gives the reason."""


class AuthMaster:
    """Asks the auth process of one Dovecot instance. For use in the event loop only."""

    def __init__(self, base_directory: str, has_userdb: bool = True) -> None:
        """``base_directory`` is Dovecot's setting ``base_dir``.

        ``has_userdb`` is false if no userdb can look up an account: there is only ``prefetch``, which passes on what the passdb
        gave. Asked for more, Dovecot 2.4.1 does not answer, and its auth process dies of it (signal 11).
        """
        self.base_directory = base_directory
        self._has_userdb = has_userdb
        self._path = os.path.join(base_directory, SOCKET_NAME)
        self._connection: _Connection | None = None
        self._connecting: asyncio.Task[_Connection] | None = None

    async def check(self, login: Login) -> str:
        """Return if Dovecot lets the account of ``login`` in on this host: the name that the user has from then on.

        Raises NotRecorded if it does not, NotAsked if it does not answer within ASK_SECONDS.
        """
        try:
            try:
                passdb, *userdbs = await self._ask(login)
            except ConnectionError:
                # The auth process of the open connection has ended; there is a new one.
                self.close()
                passdb, *userdbs = await self._ask(login)
        except asyncio.TimeoutError:
            self.close()
            raise NotAsked(f"{self._path}: no answer within {ASK_SECONDS:g} seconds; see Dovecot's log") from None
        except OSError as error:
            raise NotAsked(f"{self._path}: {error.strerror or error}; see systemctl status dovecot") from None
        _check_passdb(passdb)
        for userdb in userdbs:
            if userdb[0] != "USER":
                raise NotRecorded(
                    "the account is in no userdb" if userdb[0] == "NOTFOUND" else f"the userdb fails {_reason(userdb)}"
                )
            if len(userdb) > 2:
                return userdb[2]  # a userdb can change it
        return login.user

    def close(self) -> None:
        """Close the connection; the next question opens another one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def _ask(self, login: Login) -> Sequence[list[str]]:
        """Return the answers to PASS and, unless the passdb gave what a userdb has, to USER. Raises TimeoutError, OSError."""
        connection = await self._connected()
        asked = [connection.ask("PASS", login)]
        if self._has_userdb and not login.is_prefetched:
            asked.append(connection.ask("USER", login))
        return await asyncio.wait_for(asyncio.gather(*asked), ASK_SECONDS)

    async def _connected(self) -> _Connection:
        if self._connection is not None and not self._connection.is_usable():
            self.close()
        if self._connection is None:
            # All logins that come meanwhile wait for the same connection.
            if self._connecting is None:
                self._connecting = asyncio.ensure_future(self._connect())
            connecting = self._connecting
            try:
                self._connection = await asyncio.wait_for(asyncio.shield(connecting), ASK_SECONDS)
            finally:
                if self._connecting is connecting:
                    self._connecting = None
        return self._connection

    async def _connect(self) -> _Connection:
        return (await asyncio.get_running_loop().create_unix_connection(_Connection, self._path))[1]


class _Connection(asyncio.Protocol):
    """One connection to the auth process."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._number = 0
        self._answers: dict[int, asyncio.Future[list[str]]] = {}
        self._until = time.monotonic() + CONNECTION_SECONDS
        self._last = 0.0
        self._care: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        transport.write(GREETING)  # type: ignore[attr-defined]

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(ConnectionResetError("closed the connection without an answer"))
        self._answers.clear()
        if self._care is not None:
            self._care.cancel()

    def data_received(self, data: bytes) -> None:
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            words = line.decode("utf-8", "replace").split("\t")
            # Answers may come in another order than the questions. Other lines are the greeting.
            if words[0] in ("PASS", "USER", "FAIL", "NOTFOUND") and len(words) > 1 and words[1].isdecimal():
                answer = self._answers.pop(int(words[1]), None)
                if answer is not None and not answer.done():
                    answer.set_result(words)

    def is_usable(self) -> bool:
        """Return whether it is open and new enough; one on which an answer is missing is left to those who wait for it."""
        return self._transport is not None and time.monotonic() < self._until

    def ask(self, lookup: str, login: Login) -> asyncio.Future[list[str]]:
        """Send one lookup, PASS or USER; return its answer to come, as words. Raises OSError."""
        if self._transport is None:
            raise ConnectionResetError("closed the connection")
        loop = asyncio.get_running_loop()
        self._number += 1
        answer = self._answers[self._number] = loop.create_future()
        # The words of a lookup as in auth_master_request_write() of lib-auth; 2.4 accepts those of 2.3.
        fields = {"service": login.service, "lip": login.local_address, "rip": login.address, "lport": login.local_port}
        words = [f"{lookup}\t{self._number}".encode(), _escaped(login.user)]
        words += [_escaped(f"{name}={value}") for name, value in fields.items() if value]
        self._transport.write(b"\t".join(words) + b"\n")
        self._last = loop.time()
        if self._care is None:
            self._care = loop.call_later(IDLE_SECONDS, self._close_if_idle)
        return answer

    def close(self) -> None:
        """Close it once all answers are there; who waits for one that never comes has a deadline."""
        self._until = 0.0
        if self._transport is not None and not self._answers:
            self._transport.close()
            self._transport = None

    def _close_if_idle(self) -> None:
        loop = asyncio.get_running_loop()
        idle = loop.time() - self._last
        if idle >= IDLE_SECONDS and self._transport is not None:
            self._transport.close()
            self._transport = None
            return
        self._care = loop.call_later(max(IDLE_SECONDS - idle, 0.05), self._close_if_idle)


def _check_passdb(answer: list[str]) -> None:
    """Raise NotRecorded if the answer to PASS says that the account may not log in here."""
    if answer[0] == "FAIL" and _reason(answer) != NO_LOOKUP:
        raise NotRecorded(f"the passdb refuses the account {_reason(answer)}")
    if answer[0] != "PASS":
        return  # a passdb that cannot look it up has accepted the password
    fields = {word.partition("=")[0] for word in answer[2:]}
    if "nologin" in fields:
        raise NotRecorded(LOCKED)
    if not fields.isdisjoint(PROXY_FIELDS):
        raise NotRecorded(ELSEWHERE)


def _reason(answer: list[str]) -> str:
    return next((word.partition("=")[2] for word in answer[2:] if word.startswith("reason=")), "")


def _escaped(text: str) -> bytes:
    return b"".join(b"\1" + ESCAPED[byte] if byte in ESCAPED else bytes((byte,)) for byte in text.encode())
