# SPDX-License-Identifier: GPL-3.0-or-later
"""Renewal: an entry stays for as long as its session is open. Only doveadm is stood in for; the databases are real ones."""

from __future__ import annotations

import asyncio
import functools
import os
import sys
import types

import pytest

from ansible_collections.vsmtp.relay.dev.support.waiting import until
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import MalformedError, RelayError, UnreadableError
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder import large_write, renewal, who
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder import writers as writers_module
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.login_entry import LoginEntry
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.renewal import Renewal, turn_seconds
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.sessions import Session, Sessions
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.spool import Spool
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.writers import Writers

NOW = 1_700_000_000
LIMIT = 3600
OLD = NOW - LIMIT // 2
BASE = "/run/dovecot"
HEADS = {"2.3": "username\tproto\tpid\tip", "2.4": "username\tservice\tpid\tip\tdest_ip"}


def table(version, *rows):
    """Return what doveadm prints of ``rows``, each a user, a service and an address."""
    rest = "\t192.0.2.1" if version == "2.4" else ""
    lines = [f"{user}\t{service}\t77\t{address}{rest}" for user, service, address in rows]
    return "\n".join([HEADS[version], *lines]) + "\n"


@pytest.mark.parametrize("version", HEADS)
def test_a_user_is_connected_from_each_address_of_an_imap_or_pop_session(version):
    rows = [("me", "imap", "10.0.0.1"), ("me", "pop3", "2001:db8::5"), ("her", "imap", "10.0.0.2"), ("me", "imap", "10.0.0.1")]
    assert who.parse(table(version, *rows), {"me"}) == {("me", "10.0.0.1"), ("me", "ipv6:2001:db8:0:0:0:0:0:5")}


@pytest.mark.parametrize(
    ("service", "address", "key"),
    [
        ("imap-hibernate", "10.0.0.1", "10.0.0.1"),
        ("imap", "fe80::1%eth0", "ipv6:fe80:0:0:0:0:0:0:1"),
        ("imap", "::ffff:10.0.0.1", "10.0.0.1"),
        ("imap-login", "10.0.0.1", None),
        ("managesieve", "10.0.0.1", None),
        ("submission", "10.0.0.1", None),
        ("imap", "", None),
    ],
)
def test_every_spelling_of_an_address_counts_and_no_other_service_does(service, address, key):
    assert who.parse(table("2.4", ("me", service, address)), {"me"}) == ({("me", key)} if key else set())


@pytest.mark.parametrize("answer", [HEADS["2.3"], HEADS["2.4"] + "\n", HEADS["2.3"] + "\nme\timap\t77\n"])
def test_an_answer_without_a_whole_line_names_nobody(answer):
    assert who.parse(answer, {"me"}) == set()


@pytest.mark.parametrize("answer", ["", "me\timap\t77\t10.0.0.1\n", "username\tpid\tip\n"])
def test_an_answer_with_other_columns_is_an_error(answer):
    with pytest.raises(MalformedError, match="other columns"):
        who.parse(answer, {"me"})


@pytest.fixture
def doveadm(tmp_path, monkeypatch):
    """Return what makes the program print an answer and end with a status; the words that it was given go to a file."""
    program = tmp_path / "bin" / "doveadm"
    program.parent.mkdir()
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")

    def make(answer, status=0):
        program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\ncat <<END\n{answer}END\nexit {status}\n')
        program.chmod(0o755)
        return tmp_path / "asked"

    return make


def test_the_instance_that_the_user_logged_in_to_is_asked(doveadm):
    asked = doveadm(table("2.4", ("me", "imap", "10.0.0.1")))
    assert who.connected("/run/dovecot-b", {"me"}) == {("me", "10.0.0.1")}
    assert asked.read_text() == "-f tab who -a /run/dovecot-b/anvil -1\n"


def test_a_doveadm_that_fails_is_an_error_with_what_it_said(doveadm):
    doveadm("connect(/run/dovecot/anvil) failed: No such file or directory\n", 75)
    with pytest.raises(UnreadableError, match="No such file or directory"):
        who.connected(BASE, {"me"})


@pytest.mark.parametrize(("minutes", "seconds"), [(1, 10), (5, 50), (60, 600), (1440, 600)])
def test_sessions_are_looked_after_several_times_before_a_permission_runs_out_and_not_too_often(minutes, seconds):
    assert turn_seconds(minutes * 60) == seconds


class Host:
    """A recorder's sessions and writers, and a Dovecot that says who is connected: base → users with the keys of addresses."""

    def __init__(self, path, file=""):
        self.path = path
        self.file = file
        self.sessions = Sessions(file, LIMIT)
        self.connected = {BASE: set()}
        self.asked = []
        self.lines = []
        self.child = None
        self._writers = None
        log = types.SimpleNamespace(renewal=lambda line, is_fault=False: self.lines.append((line, is_fault)))
        self.renewal = Renewal(self.sessions, LIMIT, self._renew, log, self._who)

    async def _renew(self, *words):
        return await self.writers.renew(*words)

    @property
    def writers(self):
        """The writers, which are made in the event loop."""
        if self._writers is None:
            self._writers = Writers(
                asyncio.get_running_loop(), lambda _path, line: self.lines.append(line), Spool(), self.sessions.created
            )
            if self.child:
                self._writers._large._command = self.child
        return self._writers

    def _who(self, base, users):
        self.asked.append((base, set(users)))
        if isinstance(self.connected[base], Exception):
            raise self.connected[base]
        return {found for found in self.connected[base] if found[0] in users}

    def session(self, user, key, base=BASE):
        return Session(self.path, key, user, base)

    async def log_in(self, user, key, now, is_open=True, base=BASE):
        entry, written = LoginEntry(self.path, key, now), asyncio.Event()
        self.writers.accept(entry)
        self.writers.write(entry, written.set)
        await written.wait()
        self.sessions.note(self.session(user, key, base), now)
        if is_open:
            self.connected[base].add((user, key))

    async def turn(self, now=NOW):
        await self.renewal.turn(now)
        await self.renewal.written()


@pytest.fixture
def host(relayers_db):
    return Host(relayers_db.path)


def next_recorder(host):
    """Return the sessions that the next recorder starts with."""
    sessions = Sessions(host.file, LIMIT)
    sessions.read([host.path], NOW)
    return sessions


def tell(scenario):
    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_the_entry_of_an_open_session_is_renewed_once_half_of_its_time_is_over(host, relayers_db):
    async def scenario():
        await host.log_in("me", "10.0.0.1", OLD)
        await host.turn(NOW - 1)
        assert relayers_db.entries() == {"10.0.0.1": str(OLD)}
        assert host.asked == []
        await host.turn()
        assert relayers_db.entries() == {"10.0.0.1": str(NOW)}
        await host.turn(NOW + LIMIT // 2)
        assert relayers_db.entries() == {"10.0.0.1": str(NOW + LIMIT // 2)}

    tell(scenario)
    assert host.lines == []


@pytest.mark.parametrize("connected", [set(), {("her", "10.0.0.1")}, {("me", "10.0.0.2")}])
def test_that_of_a_session_that_has_ended_is_not_whoever_else_is_connected(host, relayers_db, connected):
    async def scenario():
        await host.log_in("me", "10.0.0.1", OLD, is_open=False)
        host.connected[BASE] = connected
        await host.turn()

    tell(scenario)
    assert relayers_db.entries() == {"10.0.0.1": str(OLD)}


@pytest.mark.fault("revoked-session")
def test_an_entry_that_was_revoked_is_not_created_and_its_session_counts_no_more(host, relayers_db):
    async def scenario():
        await host.log_in("me", "10.0.0.1", OLD)
        os.unlink(relayers_db.path)
        relayers_db.fill({"10.0.0.9": 5})
        await host.turn()
        assert relayers_db.entries() == {"10.0.0.9": "5"}
        # By hand, not by a login.
        relayers_db.fill({"10.0.0.1": OLD})
        await host.turn()
        assert relayers_db.entries() == {"10.0.0.9": "5", "10.0.0.1": str(OLD)}

    tell(scenario)


@pytest.mark.fault("revoked-session")
def test_a_login_that_makes_a_revoked_entry_anew_brings_no_earlier_session_back(host, relayers_db):
    async def scenario():
        await host.log_in("me", "10.0.0.1", OLD - 9)
        os.unlink(relayers_db.path)
        await host.log_in("her", "10.0.0.1", OLD, is_open=False)
        await host.turn()
        assert relayers_db.entries() == {"10.0.0.1": str(OLD)}
        host.connected[BASE].add(("her", "10.0.0.1"))
        await host.turn()
        assert relayers_db.entries() == {"10.0.0.1": str(NOW)}

    tell(scenario)


def test_a_new_login_after_a_revocation_is_renewed_as_any_other(host, relayers_db):
    async def scenario():
        await host.log_in("me", "10.0.0.1", OLD - 9)
        os.unlink(relayers_db.path)
        await host.turn()
        assert not relayers_db.exists
        await host.log_in("me", "10.0.0.1", OLD)
        await host.turn()

    tell(scenario)
    assert relayers_db.entries() == {"10.0.0.1": str(NOW)}


def test_an_entry_that_somebody_else_renewed_meanwhile_stays_and_so_does_the_session(host, relayers_db):
    async def scenario():
        await host.log_in("me", "10.0.0.1", OLD)
        relayers_db.fill({"10.0.0.1": NOW - 60})
        await host.turn()
        assert relayers_db.entries() == {"10.0.0.1": str(NOW - 60)}
        await host.turn(NOW + LIMIT // 2)
        assert relayers_db.entries() == {"10.0.0.1": str(NOW + LIMIT // 2)}

    tell(scenario)


def test_a_session_that_is_missed_once_while_dovecot_hibernates_it_is_renewed_in_the_next_turn(host, relayers_db):
    async def scenario():
        await host.log_in("me", "10.0.0.1", OLD)
        connected, host.connected[BASE] = host.connected[BASE], set()
        await host.turn()
        host.connected[BASE] = connected
        await host.turn()
        assert relayers_db.entries() == {"10.0.0.1": str(NOW)}
        host.connected[BASE] = set()
        await host.turn(NOW + LIMIT // 2)
        await host.turn(NOW + LIMIT // 2)
        assert len(host.sessions) == 0

    tell(scenario)


def test_each_instance_of_dovecot_vouches_for_its_own_users(host, relayers_db):
    async def scenario():
        host.connected["/run/b"] = set()
        await host.log_in("me", "10.0.0.1", OLD)
        await host.log_in("me", "10.0.0.2", OLD, base="/run/b")
        await host.log_in("her", "10.0.0.3", OLD, is_open=False, base="/run/b")
        host.connected[BASE].add(("her", "10.0.0.3"))
        await host.turn()

    tell(scenario)
    assert relayers_db.entries() == {"10.0.0.1": str(NOW), "10.0.0.2": str(NOW), "10.0.0.3": str(OLD)}
    assert host.asked == [(BASE, {"me"}), ("/run/b", {"me", "her"})]


@pytest.mark.fault("dovecot-not-asked")
def test_a_dovecot_that_does_not_answer_is_logged_once_and_once_more_when_it_does(host, relayers_db):
    async def scenario():
        await host.log_in("me", "10.0.0.1", OLD)
        connected, host.connected[BASE] = host.connected[BASE], UnreadableError("anvil: no such file")
        for _turn in range(3):
            await host.turn()
        assert relayers_db.entries() == {"10.0.0.1": str(OLD)}
        host.connected[BASE] = connected
        for _turn in range(3):
            await host.turn()

    tell(scenario)
    assert relayers_db.entries() == {"10.0.0.1": str(NOW)}
    (fault, is_fault), (end, was_fault) = host.lines
    assert "anvil: no such file" in fault
    assert "renewed again" in end
    assert (is_fault, was_fault) == (True, False)


def test_a_database_that_is_locked_waits_for_the_next_turn_and_no_other_waits_for_it(
    host, relayers_db, native_database, holder, monkeypatch
):
    monkeypatch.setattr(writers_module, "RENEWAL_LOCK_SECONDS", 0.05)
    other = native_database("other/relayers.db").fill({"10.0.0.2": OLD})

    async def scenario():
        await host.log_in("me", "10.0.0.1", OLD)
        host.sessions.note(Session(other.path, "10.0.0.2", "her", BASE), OLD)
        host.connected[BASE].add(("her", "10.0.0.2"))
        makemap = holder(functools.partial(open, relayers_db.path, "r+b"))
        await host.turn()
        assert relayers_db.entries() == {"10.0.0.1": str(OLD)}
        assert other.entries() == {"10.0.0.2": str(NOW)}
        makemap.release()
        await host.turn()

    tell(scenario)
    assert relayers_db.entries() == {"10.0.0.1": str(NOW)}
    assert relayers_db.path in host.lines[0][0]
    assert len(host.lines) == 2


def test_a_database_that_takes_longer_than_a_turn_is_left_out_of_the_next(host):
    asked = []

    async def scenario():
        go = asyncio.Event()

        async def renew(path, keys, _now, _limit):
            asked.append(path)
            await go.wait()
            return keys

        host.renewal._renew = renew
        await host.log_in("me", "10.0.0.1", OLD)
        await host.renewal.turn(NOW)
        await until(lambda: asked)
        await host.renewal.turn(NOW)
        assert len(asked) == 1
        go.set()
        await host.renewal.written()

    tell(scenario)


CHILD = f"""
import sys
sys.path[:0] = {sys.path!r}
from {large_write.__name__} import main
sys.exit(main(sys.argv[1]))
"""


def test_a_child_renews_in_a_large_database(host, relayers_db, monkeypatch):
    monkeypatch.setattr(large_write, "LARGEST_OWN_BYTES", 0)
    host.child = [sys.executable, "-c", CHILD]

    async def scenario():
        await host.log_in("me", "10.0.0.1", OLD)
        await host.log_in("me", "10.0.0.2", OLD)
        relayers_db.fill({"10.0.0.3": OLD})
        await host.turn()
        assert relayers_db.entries() == {"10.0.0.1": str(NOW), "10.0.0.2": str(NOW), "10.0.0.3": str(OLD)}

    tell(scenario)
    assert host.lines == []


def test_a_child_that_finds_the_entry_revoked_says_so(host, relayers_db, monkeypatch):
    monkeypatch.setattr(large_write, "LARGEST_OWN_BYTES", 0)
    host.child = [sys.executable, "-c", CHILD]

    async def scenario():
        await host.log_in("me", "10.0.0.1", OLD)
        os.unlink(relayers_db.path)
        relayers_db.fill({"10.0.0.3": OLD})
        await host.turn()
        assert len(host.sessions) == 0

    tell(scenario)
    assert relayers_db.entries() == {"10.0.0.3": str(OLD)}


@pytest.mark.parametrize("version", HEADS)
def test_ten_thousand_sessions_take_one_question_and_one_write(host, relayers_db, doveadm, monkeypatch, version):
    keys = [f"10.{number >> 8}.{number & 255}.1" for number in range(10_000)]
    relayers_db.fill(dict.fromkeys(keys, OLD))
    asked = doveadm(table(version, *((f"user{number}", "imap", key) for number, key in enumerate(keys))))
    monkeypatch.setattr(host.renewal, "_connected", who.connected)
    changes = []
    change = large_write.relayers_db.change
    monkeypatch.setattr(
        large_write.relayers_db, "change", lambda *words, **more: changes.append(words[0]) or change(*words, **more)
    )

    async def scenario():
        for number, key in enumerate(keys):
            host.sessions.note(host.session(f"user{number}", key), OLD)
        for _turn in range(3):
            await host.turn()

    tell(scenario)
    assert set(relayers_db.entries().values()) == {str(NOW)}
    assert asked.read_text().count("\n") == 1
    assert changes == [relayers_db.path]


@pytest.fixture
def hurried(monkeypatch):
    """Let the recorder look after its sessions all the time."""
    monkeypatch.setattr(renewal, "CARE_SECONDS", 0.01)
    monkeypatch.setattr(renewal, "SHORTEST_TURN", 0.02)
    monkeypatch.setattr(renewal, "LONGEST_TURN", 0.02)
    monkeypatch.setattr(renewal.time, "time", lambda: NOW)


def test_its_end_waits_for_what_is_being_written(relayers_db, tmp_path, hurried):
    host = Host(relayers_db.path, str(tmp_path / "sessions"))
    renew, ended = host.renewal._renew, []

    async def slowly(*arguments):
        await asyncio.sleep(0.2)
        ended.append(await renew(*arguments))
        return ended[-1]

    host.renewal._renew = slowly

    async def scenario():
        host.renewal.start()
        await host.log_in("me", "10.0.0.1", OLD)
        await until(lambda: host.renewal._writes)
        await host.renewal.finish()
        assert ended

    tell(scenario)


def test_it_renews_of_its_own_accord_and_saves_when_it_ends(relayers_db, tmp_path, hurried):
    host = Host(relayers_db.path, str(tmp_path / "sessions"))

    async def scenario():
        host.renewal.start()
        await host.log_in("me", "10.0.0.1", OLD)
        await until(lambda: host.sessions.due(NOW) == {})
        await host.renewal.finish()

    tell(scenario)
    assert relayers_db.entries() == {"10.0.0.1": str(NOW)}
    assert next_recorder(host).due(NOW + LIMIT // 2) == {host.session("me", "10.0.0.1"): NOW}


def test_it_saves_from_time_to_time_for_a_recorder_that_is_killed(relayers_db, tmp_path, hurried, monkeypatch):
    monkeypatch.setattr(renewal, "SAVE_SECONDS", 0.05)
    host = Host(relayers_db.path, str(tmp_path / "sessions"))

    async def scenario():
        host.renewal.start()
        for number in range(2):
            host.sessions.note(host.session("me", f"10.0.0.{number}"), NOW)
            await until(lambda number=number: len(next_recorder(host)) == number + 1)
        await host.renewal.finish()

    tell(scenario)


def test_that_a_session_was_revoked_is_saved_at_once(relayers_db, tmp_path, hurried):
    host = Host(relayers_db.path, str(tmp_path / "sessions"))

    async def scenario():
        host.sessions.note(host.session("me", "10.0.0.1"), NOW)
        await host.renewal.save()
        assert len(next_recorder(host)) == 1
        host.renewal.start()
        host.sessions.created(relayers_db.path, ["10.0.0.1"])
        await until(lambda: len(next_recorder(host)) == 0)
        await host.renewal.finish()

    tell(scenario)


def test_sessions_that_cannot_be_saved_are_logged_once_and_saved_later(relayers_db, tmp_path):
    host = Host(relayers_db.path, str(tmp_path / "state" / "sessions"))

    async def scenario():
        host.sessions.note(host.session("me", "10.0.0.1"), OLD)
        for _turn in range(3):
            await host.renewal.save()
        (tmp_path / "state").mkdir()
        await host.renewal.finish()

    tell(scenario)
    assert (tmp_path / "state" / "sessions").read_text().count("\n") == 1
    assert [is_fault for _line, is_fault in host.lines] == [True, False]


def test_a_renewal_that_the_recorder_cannot_make_is_an_error_like_any_other(host, relayers_db):
    relayers_db.fill({"10.0.0.1": OLD}).damage()

    async def scenario():
        with pytest.raises(RelayError, match=relayers_db.path):
            await host.writers.renew(relayers_db.path, ["10.0.0.1"], NOW, LIMIT)

    tell(scenario)
