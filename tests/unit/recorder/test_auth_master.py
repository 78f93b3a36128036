# SPDX-License-Identifier: GPL-3.0-or-later
"""What Dovecot says about an account decides whether its login is recorded, and a Dovecot that says nothing decides against it.

The answers are those of Dovecot 2.3.19 and 2.4.1; tests/system/logins has the real ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import os

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder import auth_master
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.auth_master import AuthMaster, NotAsked
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.login import Login, NotRecorded

GREETINGS = ("VERSION\t1\t1\nSPID\t2556\n", "VERSION\t1\t3\nSPID\t1029\n")
PASS, USER = "PASS\t{}\tuser=me", "USER\t{}\tme\tuid=1000\tgid=1000\thome=/home/me"
NO_LOOKUP = "FAIL\t{}\treason=Configured passdbs don't support credentials lookups"


class Dovecot:
    """An auth process: ``answers`` to PASS and USER, and the lines that it received."""

    def __init__(self, directory):
        self.directory = str(directory)
        self.greeting = GREETINGS[0]
        self.answers = {"PASS": PASS, "USER": USER}
        self.received = []
        self.connections = 0
        self.closed = 0
        # After how many answers it closes a connection.
        self.patience = 1000

    async def __aenter__(self):
        self._server = await asyncio.start_unix_server(self._serve, os.path.join(self.directory, "auth-master"))
        return self

    async def __aexit__(self, *unused):
        self._server.close()

    async def _serve(self, reader, writer):
        self.connections += 1
        writer.write(self.greeting.encode())
        answered = 0
        while answered < self.patience:
            line = (await reader.readline()).rstrip(b"\n")
            if not line:
                break
            words = line.decode().split("\t")
            if words[0] == "VERSION":
                assert words[1] == "1"
                continue
            self.received.append(line.decode())
            answer = self.answers[words[0]]
            if answer is not None:
                writer.write((answer.format(words[1]) + "\n").encode())
            answered += 1
        self.closed += 1
        with contextlib.suppress(ConnectionError):
            writer.close()


@pytest.fixture
def dovecot(tmp_path):
    return Dovecot(tmp_path)


def login_of(user="me", **changes):
    login = Login("198.51.100.7", "pop3", user, "", local_address="192.0.2.1", local_port="110")
    for name, value in changes.items():
        setattr(login, name, value)
    return login


async def answer_of(master, login):
    """Ask about a login; return the result, or raise it if it is an error."""
    answer = asyncio.get_running_loop().create_future()
    master.ask(login, answer.set_result)
    result = await answer
    if isinstance(result, Exception):
        raise result
    return result


def ask(dovecot, login=None, times=1):
    async def talk():
        async with dovecot:
            master = AuthMaster(dovecot.directory)
            for _time in range(times):
                await answer_of(master, login or login_of())
            assert not master.is_asking()
            master.close()

    asyncio.run(talk())


@pytest.mark.parametrize("greeting", GREETINGS)
@pytest.mark.parametrize(
    "passdb",
    [PASS, f"{PASS}\thost=192.0.2.9", NO_LOOKUP, "NOTFOUND\t{}"],
    ids=["known", "host alone", "PAM", "PAM among others"],
)
def test_an_account_that_is_let_in_is_recorded(dovecot, greeting, passdb):
    dovecot.greeting, dovecot.answers["PASS"] = greeting, passdb
    ask(dovecot)
    fields = "me\tservice=pop3\tlip=192.0.2.1\trip=198.51.100.7\tlport=110"
    assert sorted(dovecot.received) == [f"PASS\t1\t{fields}", f"USER\t2\t{fields}"]


@pytest.mark.parametrize(
    ("lookup", "answer", "reason"),
    [
        ("PASS", f"{PASS}\tnologin", r"locked \(nologin\)"),
        ("PASS", f"{PASS}\tnologin=", r"locked \(nologin\)"),
        ("PASS", f"{PASS}\tnologin=y\treason=unpaid", r"locked \(nologin\)"),
        ("PASS", f"{PASS}\tproxy\thost=192.0.2.9", "another host"),
        ("PASS", f"{PASS}\tproxy=\thost=192.0.2.9", "another host"),
        ("PASS", f"{PASS}\tproxy_maybe\thost=192.0.2.9", "another host"),
        ("PASS", "FAIL\t{}", "the passdb refuses the account"),
        ("PASS", "FAIL\t{}\treason=whatever", "the passdb refuses the account whatever"),
        ("USER", "NOTFOUND\t{}", "in no userdb"),
        ("USER", "FAIL\t{}", "the userdb fails"),
        ("USER", "FAIL\t{}\treason=LDAP is down", "the userdb fails LDAP is down"),
    ],
)
def test_an_account_that_is_not_let_in_is_not_recorded(dovecot, lookup, answer, reason):
    dovecot.answers[lookup] = answer
    with pytest.raises(NotRecorded, match=reason):
        ask(dovecot)


def test_what_the_passdb_says_counts_even_if_the_userdb_knows_the_account(dovecot):
    dovecot.answers.update(PASS=f"{PASS}\tnologin=", USER=USER)
    with pytest.raises(NotRecorded):
        ask(dovecot, login_of(is_prefetched=True))


@pytest.mark.parametrize("answer", ["NOTFOUND\t{}", "FAIL\t{}"])
def test_no_userdb_is_needed_where_the_passdb_gave_its_fields(dovecot, answer):
    dovecot.answers["USER"] = answer
    ask(dovecot, login_of(is_prefetched=True))


def test_a_user_name_cannot_add_a_field_or_a_lookup(dovecot):
    ask(dovecot, login_of("me\trip=6.6.6.6\nPASS\t9\tother\r\0\1ü"))
    first = sorted(dovecot.received)[0].split("\t")
    assert first[:4] == ["PASS", "1", "me\1trip=6.6.6.6\1nPASS\1t9\1tother\1r\0010\0011ü", "service=pop3"]
    assert len(dovecot.received) == 2


def test_answers_that_come_in_another_order_are_told_apart(dovecot):
    async def serve(reader, writer):
        lines = [(await reader.readline()).decode().split("\t") for _line in range(5)][1:]
        for lookup, number, user, *_fields in reversed(lines):
            account = PASS if user == "me" else f"{PASS}\tnologin"
            writer.write(((account if lookup == "PASS" else USER).format(number) + "\n").encode())

    async def talk():
        server = await asyncio.start_unix_server(serve, os.path.join(dovecot.directory, "auth-master"))
        master = AuthMaster(dovecot.directory)
        results = await asyncio.gather(
            answer_of(master, login_of()), answer_of(master, login_of("locked")), return_exceptions=True
        )
        master.close()
        server.close()
        return results

    fine, locked = asyncio.run(talk())
    assert fine == "me"
    assert isinstance(locked, NotRecorded)


def test_one_connection_is_used_for_logins_that_follow_each_other(dovecot):
    ask(dovecot, times=20)
    assert dovecot.connections == 1
    assert len(dovecot.received) == 40


def test_it_is_replaced_when_it_is_old_since_a_reload_leaves_the_old_process_to_it(dovecot, monkeypatch):
    monkeypatch.setattr(auth_master, "CONNECTION_SECONDS", 0.0)
    ask(dovecot, times=3)
    assert dovecot.connections == 3


def test_an_auth_process_that_has_ended_is_asked_again(dovecot):
    dovecot.patience = 2
    ask(dovecot, times=3)
    assert dovecot.connections == 3


def test_it_is_closed_when_no_login_comes_any_more(dovecot, monkeypatch):
    monkeypatch.setattr(auth_master, "IDLE_SECONDS", 0.05)

    async def talk():
        async with dovecot:
            await answer_of(AuthMaster(dovecot.directory), login_of())
            async with asyncio.timeout(20):
                while not dovecot.closed:
                    await asyncio.sleep(0.01)

    asyncio.run(talk())


def test_a_dovecot_that_does_not_answer_is_named(dovecot, monkeypatch):
    monkeypatch.setattr(auth_master, "ASK_SECONDS", 0.1)
    dovecot.answers["PASS"] = None
    with pytest.raises(NotAsked, match=r"auth-master: no answer within 0\.1 seconds"):
        ask(dovecot)


def test_a_dovecot_that_hangs_up_is_named(dovecot):
    dovecot.patience = 0
    with pytest.raises(NotAsked, match="auth-master: closed the connection"):
        ask(dovecot)


def test_a_dovecot_that_is_not_there_is_named(tmp_path):
    async def talk():
        await answer_of(AuthMaster(str(tmp_path)), login_of())

    with pytest.raises(NotAsked, match=r"auth-master: No such file or directory; see systemctl status dovecot"):
        asyncio.run(talk())


def test_where_no_userdb_can_be_asked_only_the_passdb_is(dovecot):
    async def talk():
        async with dovecot:
            await answer_of(AuthMaster(dovecot.directory, has_userdb=False), login_of())

    asyncio.run(talk())
    assert [line.partition("\t")[0] for line in dovecot.received] == ["PASS"]


def test_the_connection_is_kept_for_as_long_as_it_is_open_since_dovecot_must_not_see_it_end_with_this_process(dovecot):
    kept = []

    def keep(each):
        assert each.fileno() >= 0
        kept.append("kept")
        return lambda: kept.append("forgotten")

    async def talk():
        async with dovecot:
            master = AuthMaster(dovecot.directory, keep=keep)
            await answer_of(master, login_of())
            assert kept == ["kept"]
            master.close()
            async with asyncio.timeout(20):
                while len(kept) < 2:
                    await asyncio.sleep(0.001)

    asyncio.run(talk())
    assert kept == ["kept", "forgotten"]
