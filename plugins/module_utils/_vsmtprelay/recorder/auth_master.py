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
import functools
import os
import re
import time

from .deadlines import Deadlines
from .login import ELSEWHERE, LOCKED, NotRecorded

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable
    from typing import Union

    from .login import Login

    Result = Union[str, "NotRecorded", "NotAsked"]
    Then = Callable[[Result], None]
    Keep = Callable[[socket.socket], Callable[[], None]]

SOCKET_NAME = "auth-master"
# auth-master.c: the major version has to match, any minor one is accepted.
GREETING = b"VERSION\t1\t1\n"
# How long Dovecot may take for an answer. A login waits less for it: see recorder.py.
ASK_SECONDS = 5.0
# After a reload, an auth process with the old settings answers for as long as it has a connection.
CONNECTION_SECONDS = 5.0
IDLE_SECONDS = 1.0
# The answer of an auth process whose passdbs have only passwords to compare (auth_request_lookup_credentials()).
NO_LOOKUP = "Configured passdbs don't support credentials lookups"
# Dovecot manual, "Password database extra fields".
PROXY_FIELDS = ("proxy", "proxy_maybe")
# str_tabescape() in lib/strescape.c
ESCAPED = {b"\0": b"0", b"\1": b"1", b"\t": b"t", b"\n": b"n", b"\r": b"r"}
TO_ESCAPE = re.compile(b"[\0\1\t\n\r]")


class NotAsked(Exception):
    """Dovecot could not be asked about a login, or did not answer; the message gives the reason."""


class Question:
    """A question about one login, until it is answered."""

    __slots__ = ("_master", "_passdb", "_then", "_userdb", "has_userdb", "is_over", "login", "tries")

    def __init__(self, master: AuthMaster, login: Login, then: Then, has_userdb: bool) -> None:
        """``then`` is called once with the result; ``has_userdb`` is whether an answer of the userdb is needed as well."""
        self._master = master
        self.login = login
        self._then = then
        self.has_userdb = has_userdb
        self._passdb: list[str] = []
        self._userdb: list[str] = []
        self.is_over = False
        self.tries = 0

    def is_asked(self) -> None:
        """Note that it is being asked, perhaps again; what was heard before counts no more."""
        self.tries += 1
        self._passdb, self._userdb = [], []

    def heard(self, answer: list[str], is_userdb: bool) -> None:
        """Take the words of one answer."""
        if is_userdb:
            self._userdb = answer
        else:
            self._passdb = answer
        if self._passdb and (self._userdb or not self.has_userdb):
            try:
                self.end(_user_of(self.login, self._passdb, self._userdb))
            except NotRecorded as reason:
                self.end(reason)

    def expire(self) -> None:
        """End it without an answer, at its deadline."""
        self._master.gave_no_answer(self)

    def end(self, result: Result) -> None:
        """Pass on the result, once."""
        if not self.is_over:
            self.is_over = True
            self._then(result)


class AuthMaster:
    """Asks the auth process of one Dovecot instance. For use in the event loop only."""

    def __init__(self, base_directory: str, has_userdb: bool = True, keep: Keep = lambda _each: lambda: None) -> None:
        """``base_directory`` is Dovecot's setting ``base_dir``; ``keep`` is as DescriptorStore.keep_questions().

        ``has_userdb`` is false if no userdb can look up an account: there is only ``prefetch``, which passes on what the passdb
        gave. Asked for more, Dovecot 2.4.1 does not answer, and its auth process dies of it (signal 11).
        """
        self.base_directory = base_directory
        self._has_userdb = has_userdb
        self._keep = keep
        self._path = os.path.join(base_directory, SOCKET_NAME)
        self._loop = asyncio.get_running_loop()
        self._deadlines = Deadlines(self._loop, ASK_SECONDS)
        self._connection: _Connection | None = None
        # Those that wait for a connection to be made.
        self._waiting: list[Question] = []
        self._connecting: asyncio.Task[None] | None = None

    def ask(self, login: Login, then: Then) -> None:
        """Ask whether Dovecot lets the account of ``login`` in on this host; call ``then`` with the result.

        It is the name that the user has from then on, or NotRecorded if Dovecot does not let it in, or NotAsked if it does not
        answer within ASK_SECONDS.
        """
        question = Question(self, login, then, self._has_userdb and not login.is_prefetched)
        self._deadlines.add(question)
        self._ask(question)

    def is_asking(self) -> bool:
        """Return whether an answer is still to come."""
        return not self._deadlines.is_empty()

    def close(self) -> None:
        """Close the connection; the next question opens another one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def gave_no_answer(self, question: Question) -> None:
        """End ``question``, which has waited for ASK_SECONDS."""
        self.close()
        question.end(NotAsked(f"{self._path}: no answer within {ASK_SECONDS:g} seconds; see Dovecot's log"))

    def _ask(self, question: Question) -> None:
        if self._connection is not None and not self._connection.is_usable():
            self.close()
        if self._connection is not None:
            self._connection.ask(question)
            return
        self._waiting.append(question)
        # All logins that come meanwhile wait for the same connection.
        if self._connecting is None:
            self._connecting = self._loop.create_task(self._connect())

    async def _connect(self) -> None:
        connection = None
        try:
            protocol = functools.partial(_Connection, self._lost, self._keep)
            connecting = self._loop.create_unix_connection(protocol, self._path)
            connection = self._connection = (await asyncio.wait_for(connecting, ASK_SECONDS))[1]
        except asyncio.TimeoutError:
            pass  # the deadlines of the questions say so
        except OSError as error:
            for question in self._take_waiting():
                question.end(NotAsked(f"{self._path}: {error.strerror or error}; see systemctl status dovecot"))
        finally:
            self._connecting = None
        for question in self._take_waiting():
            if not question.is_over:
                # On this connection, however short its life.
                (self._ask if connection is None else connection.ask)(question)

    def _lost(self, questions: Iterable[Question]) -> None:
        """Ask again what was not answered: the auth process of that connection has ended, and there may be a new one."""
        for question in questions:
            if question.tries > 1:
                question.end(NotAsked(f"{self._path}: closed the connection without an answer; see systemctl status dovecot"))
            elif not question.is_over:
                self._ask(question)

    def _take_waiting(self) -> list[Question]:
        waiting, self._waiting = self._waiting, []
        return waiting


class _Connection(asyncio.Protocol):
    """One connection to the auth process."""

    def __init__(self, lost: Callable[[Iterable[Question]], None], keep: Keep) -> None:
        """When it is closed, ``lost`` is called with the questions that were not answered. ``keep`` is as for AuthMaster."""
        self._lost = lost
        self._keep = keep
        self._forget: Callable[[], None] = lambda: None
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._received = b""
        self._number = 0
        self._questions: dict[int, Question] = {}
        self._until = time.monotonic() + CONNECTION_SECONDS
        self._last = 0.0
        self._care: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._forget = self._keep(transport.get_extra_info("socket"))
        transport.write(GREETING)  # type: ignore[attr-defined]

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._forget()
        if self._care is not None:
            self._care.cancel()
        # Each once, though it may have asked twice.
        questions, self._questions = dict.fromkeys(self._questions.values()), {}
        self._lost(questions)

    def data_received(self, data: bytes) -> None:
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            words = line.decode("utf-8", "replace").split("\t")
            # Answers may come in another order than the questions. Other lines are the greeting.
            if words[0] in ("PASS", "USER", "FAIL", "NOTFOUND") and len(words) > 1 and words[1].isdecimal():
                number = int(words[1])
                question = self._questions.pop(number, None)
                if question is not None:
                    question.heard(words, is_userdb=number % 2 == 0)

    def is_usable(self) -> bool:
        """Return whether it is open and new enough; one on which an answer is missing is left to those who wait for it."""
        return self._transport is not None and time.monotonic() < self._until

    def ask(self, question: Question) -> None:
        """Send the lookup PASS, and USER if its answer is needed as well."""
        question.is_asked()
        if self._transport is None:
            self._lost((question,))
            return
        login = question.login
        # The words of a lookup as in auth_master_request_write() of lib-auth; 2.4 accepts those of 2.3.
        fields = {"service": login.service, "lip": login.local_address, "rip": login.address, "lport": login.local_port}
        words = [_escaped(login.user), *(_escaped(f"{name}={value}") for name, value in fields.items() if value)]
        rest = b"\t".join(words)
        # PASS has the odd number and USER the even one after it.
        self._questions[self._number + 1] = question
        asked = b"PASS\t%d\t%b\n" % (self._number + 1, rest)
        if question.has_userdb:
            self._questions[self._number + 2] = question
            asked += b"USER\t%d\t%b\n" % (self._number + 2, rest)
        self._number += 2
        self._transport.write(asked)
        self._last = self._loop.time()
        if self._care is None:
            self._care = self._loop.call_later(IDLE_SECONDS, self._close_if_idle)

    def close(self) -> None:
        """Close it once all answers are there; who waits for one that never comes has a deadline."""
        self._until = 0.0
        if self._transport is not None and not self._questions:
            self._transport.close()
            self._transport = None

    def _close_if_idle(self) -> None:
        idle = self._loop.time() - self._last
        if idle >= IDLE_SECONDS and self._transport is not None:
            self._transport.close()
            self._transport = None
            return
        self._care = self._loop.call_later(max(IDLE_SECONDS - idle, 0.05), self._close_if_idle)


def _user_of(login: Login, passdb: list[str], userdb: list[str]) -> str:
    """Return the name of the user of ``login`` by the answers of passdb and userdb. Raises NotRecorded."""
    _check_passdb(passdb)
    if not userdb:
        return login.user
    if userdb[0] != "USER":
        raise NotRecorded("the account is in no userdb" if userdb[0] == "NOTFOUND" else f"the userdb fails {_reason(userdb)}")
    return userdb[2] if len(userdb) > 2 else login.user  # a userdb can change it


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
    content = text.encode()
    if not TO_ESCAPE.search(content):
        return content
    return TO_ESCAPE.sub(lambda found: b"\1" + ESCAPED[found[0]], content)
