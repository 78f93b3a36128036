# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records logins: what happens with a report from its arrival to its answer.

A report is answered when its login is in the database, or after ANSWER_SECONDS; then the login is recorded as soon as that
is possible. Nothing here waits: each step is a call that the one before has asked for, so that a login costs no task.
"""

from __future__ import annotations

import asyncio
import functools
import time

from ..errors import MalformedError
from .auth_master import AuthMaster, NotAsked
from .deadlines import Deadlines
from .known_logins import KnownLogins
from .login import Login, NotRecorded, Probe, object_of
from .login_entry import LoginEntry
from .sessions import Session, Sessions
from .spool import Spool
from .unreported import Event
from .writers import Writers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..servers.virtual_servers import VirtualServer, VirtualServers
    from .auth_master import Keep, Result
    from .journal import RecorderLog
    from .login import LoginReader
    from .shared_logins import SharedLogins

# How long a login waits for Dovecot's answer about the account and for the database. Dovecot gives up after 250 ms (the role's
# setting) and lets the login through, so waiting longer is useless.
ANSWER_SECONDS = 0.2
FINISH_SECONDS = 10.0
FINISH_LOOK_SECONDS = 0.01
MOST_PROBES = 256


class Report:
    """A report of a login that is to be recorded, until it is."""

    __slots__ = (
        "_answer",
        "_log",
        "began",
        "entry",
        "is_delayed",
        "is_over",
        "is_permitted",
        "login",
        "milliseconds",
        "server",
        "session",
    )

    def __init__(
        self,
        log: RecorderLog,
        login: Login,
        server: VirtualServer,
        entry: LoginEntry,
        milliseconds: int,
        answer: Callable[[], None],
    ) -> None:
        """``milliseconds`` is when the login was, since the epoch: that of ``entry``, but exactly."""
        self._log = log
        self._answer = answer
        # By time.monotonic().
        self.began = time.monotonic()
        self.login = login
        self.server = server
        self.entry = entry
        self.milliseconds = milliseconds
        # What the login begins, if Dovecot can be asked whether it is open.
        self.session: Session | None = None
        # Whether it is answered, whether Dovecot lets the account in, and whether it was answered before it was recorded.
        self.is_over = False
        self.is_permitted = False
        self.is_delayed = False

    def answer(self) -> None:
        """Let the login in, once."""
        if not self.is_over:
            self.is_over = True
            self._answer()

    def expire(self) -> None:
        """Let the login in before it is recorded, at its deadline."""
        self.answer()
        if self.is_permitted:
            self.is_late()

    def is_late(self) -> None:
        """Log, once, that the login is let in before it is recorded."""
        if not self.is_delayed:
            self.is_delayed = True
            self._log.delayed(self.login, self.server)


class ProbeReport:
    """A report that proof.py caused, until it is known whether Dovecot can be asked about accounts."""

    __slots__ = ("_note", "is_over", "probe")

    def __init__(self, probe: Probe, note: Callable[[Probe, str], None]) -> None:
        """``note`` is called once, with the probe and the reason why Dovecot cannot be asked, or an empty string."""
        self.probe = probe
        self._note = note
        self.is_over = False

    def heard(self, result: Result | None) -> None:
        """Take Dovecot's answer; None if there is none to ask."""
        # It is no account, so NotRecorded is what is to be expected.
        self._end(str(result) if isinstance(result, NotAsked) else "")

    def expire(self) -> None:
        """End the waiting for an answer."""
        self._end(f"Dovecot does not answer within {ANSWER_SECONDS:g} seconds")

    def _end(self, fault: str) -> None:
        if not self.is_over:
            self.is_over = True
            self._note(self.probe, fault)


class Recorder:
    """Records each reported login in the database of its virtual server. For use in the event loop only."""

    def __init__(
        self,
        servers: VirtualServers,
        reader: LoginReader,
        log: RecorderLog,
        spool: Spool | None = None,
        dovecot: str = "",
        has_userdb: bool = True,
        sessions: Sessions | None = None,
        keep: Keep = lambda _each: lambda: None,
        shared: SharedLogins | None = None,
    ) -> None:
        """``dovecot`` is the base directory of the Dovecot that decides whether an account is let in; empty if none reports.

        ``has_userdb`` and ``keep`` are as for AuthMaster, ``shared`` as for Writers. ``sessions`` are those whose entries are
        renewed.
        """
        self._servers = servers
        self._reader = reader
        self._log = log
        self._sessions = Sessions() if sessions is None else sessions
        self._loop = loop = asyncio.get_running_loop()
        spool = Spool() if spool is None else spool
        self._names = {server.relayers_db: server.name for server in servers.servers}
        self.writers = Writers(loop, self._is_not_written, spool, self._sessions.created, shared)
        self._dovecot = dovecot
        self._has_userdb = has_userdb
        self._keep = keep
        self._masters: dict[str, AuthMaster] = {}
        self._deadlines = Deadlines(loop, ANSWER_SECONDS)
        self._known = KnownLogins()
        # What is known of the last probes, by session: the SASL mechanism, and the reason why Dovecot cannot be asked.
        self.probes: dict[str, dict[str, str]] = {}

    def take(self, body: bytes, base: str, answer: Callable[[], None]) -> None:
        """Record the login that ``body`` reports; call ``answer`` when it is to be let in.

        ``base`` is the base directory of the Dovecot that reports it, if it names one. Raises MalformedError if ``body`` is no
        report.
        """
        now = int(time.time() * 1000)
        members = object_of(body)
        self._is_new(members)
        try:
            report = self._report_in(members, base, now, answer)
        except Probe as probe:
            self._take_probe(probe, base, answer)
            return
        except NotRecorded as reason:
            self._log.count("ignored", f"login not recorded: {reason}")
            answer()
            return
        self._deadlines.add(report)
        self._accept(report)

    def take_event(self, body: bytes, base: str) -> None:
        """Record the login that the event in ``body`` describes, unless it was reported; it is in the spool afterwards.

        The entry has the time of the login: recorded later, it must not permit for longer. ``base`` is as for take(). Raises
        MalformedError if ``body`` is no event.
        """
        event = Event(body, int(time.time()))
        if not self._is_new(event.report):
            return
        try:
            report = self._report_in(event.report, base, event.ended * 1000, _nothing)
        except Probe:
            return  # what it is to prove is that reports arrive
        except NotRecorded as reason:
            self._log.count("ignored", f"login not recorded: {reason}")
            return
        self._accept(report)

    def _is_new(self, members: dict[str, object]) -> bool:
        """Note the login in ``members`` of a report; return whether it was not noted lately."""
        session, user = members.get("session"), members.get("user")
        return not isinstance(session, str) or not isinstance(user, str) or self._known.note(session, user)

    def _report_in(self, members: dict[str, object], base: str, now: int, answer: Callable[[], None]) -> Report:
        """Return the report with ``members`` about a login at ``now`` (milliseconds since the epoch).

        Raises as LoginReader.login_in(), also NotRecorded if no virtual server has it.
        """
        login = self._reader.login_in(members)
        server = self._servers.of_login(login.local_key, login.domain)
        if server is None:
            raise NotRecorded(f"no virtual server for {login.local_key or 'no local address'} or {login.domain!r}")
        master = self._master(base)
        account = () if master is None else (master.base_directory, *login.account())
        entry = LoginEntry(server.relayers_db, login.key, now // 1000, account)
        return Report(self._log, login, server, entry, now, answer)

    def _accept(self, report: Report) -> None:
        """Keep ``report`` in the spool, and have it recorded if Dovecot lets the account in, or is not to be asked."""
        account = report.entry.account
        self.writers.accept(report.entry)
        if account:
            self._masters[account[0]].ask(report.login, functools.partial(self._heard, report))
            # While Dovecot looks it up.
            self._loop.call_soon(self.writers.expect, report.entry)
        else:
            self._write(report)

    def recover_spool(self) -> None:
        """Record the logins that an earlier recorder accepted before it was killed."""
        servers = {server.relayers_db: server for server in self._servers.servers}
        for entry in self.writers.left_in_spool():
            server = servers.get(entry.relayers_db)
            if server is None:
                continue
            if entry.account:
                self._ask_again(entry, server)
            else:
                self.writers.accept(entry)
                self.writers.write(entry, functools.partial(self._log.recorded_from_spool, entry.key, server.name))

    async def finish(self) -> None:
        """Wait until all accepted logins are written, at most FINISH_SECONDS."""
        deadline = time.monotonic() + FINISH_SECONDS
        while self._is_at_work() and time.monotonic() < deadline:
            await asyncio.sleep(FINISH_LOOK_SECONDS)
        for master in self._masters.values():
            master.close()
        self.writers.close()

    def _is_at_work(self) -> bool:
        return self.writers.are_at_work() or any(master.is_asking() for master in self._masters.values())

    def _ask_again(self, entry: LoginEntry, server: VirtualServer) -> None:
        """Ask about the account of ``entry``, which an earlier recorder has accepted, and record it."""
        base, *account = entry.account
        try:
            login = Login.of_account(account)
        except (MalformedError, ValueError):
            return  # the line is of another version
        if self._master(base) is not None:
            self._accept(Report(self._log, login, server, entry, entry.timestamp * 1000, _nothing))

    def _heard(self, report: Report, result: Result) -> None:
        """Take Dovecot's answer about the account of ``report``."""
        login = report.login
        if isinstance(result, str):
            report.session = Session(report.server.relayers_db, login.key, result, report.entry.account[0])
            self._write(report)
            return
        if isinstance(result, NotAsked):
            reason = f"login not recorded, since Dovecot could not be asked: {result}"
        else:
            reason = f"login not recorded: {result}"
        counter = "failed" if isinstance(result, NotAsked) else "ignored"
        self._log.count(counter, f"{reason} user={login.user!r} {login.key}", report.server.name, login.service)
        self.writers.drop(report.entry)
        report.answer()

    def _write(self, report: Report) -> None:
        report.is_permitted = True
        self.writers.write(report.entry, functools.partial(self._written, report), report.milliseconds)

    def _written(self, report: Report) -> None:
        # All answers come first, since their clients wait for them.
        if report.is_over:
            report.is_late()
        report.answer()
        self._loop.call_soon(self._note, report, time.monotonic() - report.began)

    def _is_not_written(self, path: str, message: str) -> None:
        self._log.count("failed", message, self._names.get(path, ""))

    def _note(self, report: Report, seconds: float) -> None:
        """Note what is not needed for the answer; the login is on the disk ``seconds`` after its report came."""
        self._log.counts.recorded_in(seconds)
        if report.session is not None:
            self._sessions.note(report.session, report.entry.timestamp)
        self._log.recorded(report.login, report.server)

    def _take_probe(self, probe: Probe, base: str, answer: Callable[[], None]) -> None:
        """Note that ``probe`` arrived, and whether Dovecot can be asked about accounts."""

        def note(noted: Probe, fault: str) -> None:
            while len(self.probes) >= MOST_PROBES:
                del self.probes[next(iter(self.probes))]
            self.probes[noted.session] = {"mechanism": noted.mechanism, "fault": fault}
            answer()

        report, master = ProbeReport(probe, note), self._master(base)
        if master is None:
            report.heard(None)
        else:
            self._deadlines.add(report)
            master.ask(probe.login, report.heard)

    def _master(self, base: str) -> AuthMaster | None:
        """Return what asks the Dovecot instance with the base directory ``base``, else the main one; None if none is asked."""
        if not self._dovecot:
            return None
        base = base or self._dovecot
        if base not in self._masters:
            self._masters[base] = AuthMaster(base, self._has_userdb or base != self._dovecot, self._keep)
        return self._masters[base]


def _nothing() -> None:
    """Answer nobody: the client was let in already."""
