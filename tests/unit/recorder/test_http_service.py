# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorder: what it answers over HTTP, and what is in the database by then. Only systemd's library is stood in for."""

from __future__ import annotations

import asyncio
import json
import sys
import time
import types
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import BaseTestServer, TestClient

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.login import LoginReader
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.login_entry import LoginEntry
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.servers.virtual_servers import VirtualServers

KEY = "k" * 40
REPORT = {"rip": "198.51.100.7", "lip": "192.0.2.1", "service": "pop3", "user": "me", "domain": "a.example"}
LET_IN = (200, 0)


class Served(BaseTestServer):
    """A recorder on a TCP port, which asks for the key."""

    def __init__(self, recorder):
        super().__init__()
        self._recorder = recorder

    async def _make_runner(self, **_options):
        return aiohttp.web.ServerRunner(self._recorder.server(trusted=False))


@pytest.fixture
def journal(monkeypatch):
    """Stand in for systemd's library; return the list of what was sent to the journal."""
    sent = []
    systemd = types.ModuleType("systemd")
    systemd.journal = types.SimpleNamespace(send=lambda message, **fields: sent.append({"MESSAGE": message, **fields}))
    systemd.daemon = types.SimpleNamespace(notify=lambda _state: True, listen_fds=list)
    monkeypatch.setitem(sys.modules, "systemd", systemd)
    return sent


@pytest.fixture
def recorder_module(journal, monkeypatch):
    from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder import http_service
    from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder import journal as journal_module

    monkeypatch.setattr(journal_module, "journal", sys.modules["systemd"].journal)
    monkeypatch.setattr(journal_module, "daemon", sys.modules["systemd"].daemon)
    return http_service


@pytest.fixture
def log(recorder_module):
    return sys.modules[recorder_module.__package__ + ".journal"].RecorderLog()


@pytest.fixture
def recorder(recorder_module, log, tmp_path):
    """A recorder for two virtual servers, a.example and b, told apart by domain and address."""
    for name in ("a", "b"):
        (tmp_path / name / "etc").mkdir(parents=True)
    servers = VirtualServers.from_list(
        [
            {"name": "a", "root": str(tmp_path / "a"), "domains": ["a.example"]},
            {"name": "b", "root": str(tmp_path / "b"), "addresses": ["192.0.2.2"]},
        ]
    )
    return recorder_module.Recorder(servers, LoginReader(["203.0.113.0/24"]), log, KEY)


@pytest.fixture
def unhurried(monkeypatch):
    """Let a login wait for its database as long as a busy machine needs."""
    from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder import group_commit

    monkeypatch.setattr(group_commit, "ANSWER_SECONDS", 20.0)


@pytest.fixture
def post(recorder, unhurried):
    """Return what posts reports, one after the other, and returns status and JSON of the last answer."""

    def post(*bodies, key=KEY, path="/login?command=allow", method="POST"):
        async def talk():
            async with TestClient(Served(recorder)) as client:
                for body in bodies:
                    headers = {} if key is None else {"X-API-Key": key}
                    response = await client.request(method, path, data=body, headers=headers)
                    text = await response.text()
                await recorder.finish()
                return response.status, json.loads(text)["status"] if response.status == 200 else None

        return asyncio.run(talk())

    return post


def report(**members):
    return json.dumps({**REPORT, **members}).encode()


def test_a_login_is_in_the_database_before_it_is_let_in(recorder, unhurried, native_database):
    async def talk():
        async with TestClient(Served(recorder)) as client:
            for number in range(5):
                before = int(time.time())
                async with client.post(
                    "/login?command=allow", data=report(rip=f"198.51.100.{number}"), headers={"X-API-Key": KEY}
                ) as response:
                    entries = native_database("a/etc/relayers.db").entries()
                    assert before <= int(entries[f"198.51.100.{number}"]) <= time.time()
                    assert await response.json() == {"status": 0, "msg": ""}

    asyncio.run(talk())


@pytest.mark.parametrize(
    ("members", "server"),
    [({}, "a"), ({"lip": "192.0.2.2"}, "b"), ({"lip": "::ffff:192.0.2.2"}, "b"), ({"domain": "A.Example", "lip": ""}, "a")],
)
def test_a_login_goes_to_the_virtual_server_that_it_belongs_to(post, native_database, members, server):
    assert post(report(**members)) == LET_IN
    assert set(native_database(f"{server}/etc/relayers.db").entries()) == {"198.51.100.7"}
    assert not native_database(f"{'ab'.replace(server, '')}/etc/relayers.db").exists


@pytest.mark.parametrize(
    "members",
    [
        {"domain": "c.example"},
        {"service": "smtp"},
        {"rip": ""},
        {"rip": "127.0.0.1"},
        {"rip": "203.0.113.9"},
    ],
)
def test_a_login_that_is_not_to_be_recorded_is_let_in_and_logged(post, log, journal, native_database, members):
    assert post(report(**members)) == LET_IN
    assert log.counters == {"recorded": 0, "delayed": 0, "ignored": 1, "refused": 0, "failed": 0}
    assert journal[0]["MESSAGE"].startswith("login not recorded: ")
    assert not any(native_database(f"{name}/etc/relayers.db").exists for name in "ab")


@pytest.mark.parametrize("key", [None, "", "K" * 40, KEY[:-1], KEY + "x", "\u00e4"])
def test_a_report_without_the_right_key_is_refused_and_records_nothing(post, log, native_database, key):
    assert post(report(), key=key) == (403, None)
    assert log.counters["refused"] == 1
    assert not native_database("a/etc/relayers.db").exists


def test_the_key_may_have_a_blank_before_it_as_dovecot_writes_it(post):
    assert post(report(), key=f" {KEY}") == LET_IN


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", report(rip="6.6.6"), report(rip=5), report(lip="x")])
def test_what_is_no_report_is_refused_and_the_recorder_goes_on(post, log, native_database, body):
    assert post(body) == (400, None)
    assert post(body, report()) == LET_IN
    assert log.counters == {"recorded": 1, "delayed": 0, "ignored": 0, "refused": 2, "failed": 0}
    assert set(native_database("a/etc/relayers.db").entries()) == {"198.51.100.7"}


def test_a_report_that_is_too_large_is_refused(post):
    assert post(report(user="x" * 70_000)) == (413, None)


def test_a_body_that_is_not_compressed_as_it_says_is_refused_like_any_other_that_is_no_report(recorder, log):
    async def talk():
        headers = {"X-API-Key": KEY, "Content-Encoding": "gzip"}
        async with TestClient(Served(recorder)) as client:
            return (await client.post("/login?command=allow", data=report(), headers=headers)).status

    assert asyncio.run(talk()) == 400
    assert log.counters["refused"] == 1


@pytest.mark.parametrize(("path", "method"), [("/", "POST"), ("/login?command=allow", "GET")])
def test_nothing_else_is_served(post, native_database, path, method):
    assert post(report(), path=path, method=method)[0] in (404, 405)
    assert not native_database("a/etc/relayers.db").exists


@pytest.mark.parametrize("path", ["/login?command=report", "/login"])
def test_other_questions_are_answered_and_record_nothing(post, native_database, path):
    assert post(report(), path=path) == LET_IN
    assert not native_database("a/etc/relayers.db").exists


@pytest.mark.parametrize("user", ["a\nMESSAGE=x", "a\0b", "'", "ü", "rip=6.6.6.6"])
def test_whatever_a_user_name_holds_the_message_is_one_line_and_the_address_is_right(post, journal, user):
    assert post(report(user=user)) == LET_IN
    (entry,) = journal
    assert "\n" not in entry["MESSAGE"]
    assert "\0" not in entry["MESSAGE"]
    assert entry["RELAY_ADDRESS"] == "198.51.100.7"


def test_a_login_is_let_in_in_time_while_makemap_writes_and_is_recorded_then(recorder, native_database, holder):
    relayers_db = native_database("a/etc/relayers.db").fill({})
    makemap = holder(lambda: open(relayers_db.path, "r+b"))  # noqa: SIM115

    async def talk():
        async with TestClient(Served(recorder)) as client:
            start = time.monotonic()
            response = await client.post("/login?command=allow", data=report(), headers={"X-API-Key": KEY})
            assert (response.status, (await response.json())["status"]) == LET_IN
            assert time.monotonic() - start < 1
            makemap.release()
            await recorder.finish()

    asyncio.run(talk())
    assert set(relayers_db.entries()) == {"198.51.100.7"}


@pytest.mark.fault("hostile-owner")
def test_a_damaged_database_keeps_nobody_from_reading_mail_nor_the_others_from_being_recorded(
    post, log, recorder_module, journal, native_database, monkeypatch
):
    monkeypatch.setattr(recorder_module, "FINISH_SECONDS", 0.05)
    path = native_database("a/etc/relayers.db").fill({}).damage().path
    assert post(report(), report(lip="192.0.2.2")) == LET_IN
    assert set(native_database("b/etc/relayers.db").entries()) == {"198.51.100.7"}
    assert log.counters["failed"] >= 1
    assert any(f"{path} repair" in entry["MESSAGE"] for entry in journal)


def test_a_login_that_is_not_written_yet_is_counted_and_logged_as_delayed(
    post, log, recorder_module, journal, native_database, monkeypatch
):
    monkeypatch.setattr(recorder_module, "FINISH_SECONDS", 0.05)
    native_database("a/etc/relayers.db").fill({}).damage()
    assert post(report()) == LET_IN
    assert (log.counters["recorded"], log.counters["delayed"]) == (0, 1)
    (entry,) = (entry for entry in journal if "RELAY_ADDRESS" in entry)
    assert entry["MESSAGE"].startswith("delayed 198.51.100.7 ")


def test_it_answers_over_a_unix_socket_in_absolute_form_as_dovecot_asks(recorder, native_database, tmp_path):
    path = str(tmp_path / "socket")

    async def talk():
        runner = aiohttp.web.ServerRunner(recorder.server(trusted=False))
        await runner.setup()
        await aiohttp.web.UnixSite(runner, path).start()
        reader, writer = await asyncio.open_unix_connection(path)
        body = report()
        writer.write(
            b"POST http://pbs.invalid/login?command=allow HTTP/1.1\r\nHost: pbs.invalid\r\n"
            b"X-API-Key:%s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"
            % (KEY.encode(), len(body), body)
        )
        answer = await reader.read()
        writer.close()
        await runner.cleanup()
        return answer

    assert asyncio.run(talk()).endswith(b'{"status": 0, "msg": ""}')
    assert set(native_database("a/etc/relayers.db").entries()) == {"198.51.100.7"}


def test_what_a_killed_recorder_took_is_recorded_by_the_next_with_a_line_for_each(
    recorder_module, log, journal, tmp_path, native_database
):
    (tmp_path / "a/etc").mkdir(parents=True)
    servers = VirtualServers.from_list([{"name": "a", "root": str(tmp_path / "a")}])
    path = servers.servers[0].relayers_db
    spool = recorder_module.Spool(str(tmp_path / "spool"))
    spool.append(LoginEntry(path, "198.51.100.7", 5))
    spool.append(LoginEntry(path, "198.51.100.8", 6))
    spool.append(LoginEntry("/no/longer/relayers.db", "198.51.100.9", 7))

    async def start():
        recorder = recorder_module.Recorder(servers, LoginReader(), log, spool=recorder_module.Spool(str(tmp_path / "spool")))
        await recorder.recover_spool()
        await recorder.finish()
        await asyncio.sleep(0)

    asyncio.run(start())
    assert native_database("a/etc/relayers.db").entries() == {"198.51.100.7": "5", "198.51.100.8": "6"}
    assert [(line["RELAY_ADDRESS"], line["RELAY_SERVER"]) for line in journal] == [("198.51.100.7", "a"), ("198.51.100.8", "a")]
    assert list(recorder_module.Spool(str(tmp_path / "spool")).entries()) == []


class Answers:
    """Stands in for AuthMaster: what it is asked, and what comes out."""

    base_directory = "/run/dovecot"

    def __init__(self):
        self.error = None
        self.asked = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def check(self, login):
        self.asked.append(login.user)
        await self.may_answer.wait()
        if self.error is not None:
            raise self.error
        return login.user

    def close(self):
        pass


@pytest.fixture
def answers(recorder, recorder_module, monkeypatch):
    asked = []
    answers = Answers()

    def master(base, has_userdb):
        del has_userdb
        asked.append(base)
        answers.base_directory = base
        return answers

    monkeypatch.setattr(recorder_module, "AuthMaster", master)
    recorder._dovecot = "/run/dovecot"
    answers.bases = asked
    return answers


def test_a_login_is_recorded_once_dovecot_says_that_it_lets_the_account_in(post, answers, native_database):
    assert post(report(), report(rip="198.51.100.8")) == LET_IN
    assert set(native_database("a/etc/relayers.db").entries()) == {"198.51.100.7", "198.51.100.8"}
    assert answers.asked == [REPORT["user"]] * 2
    assert answers.bases == ["/run/dovecot"]


# Dovecot appends its command with a question mark.
@pytest.mark.parametrize("path", ["/login?base=/run/dovecot%2dtwo&command=allow", "/login?base=/run/dovecot-two?command=allow"])
def test_the_instance_that_the_url_names_is_asked(post, answers, path):
    assert post(report(), path=path) == LET_IN
    assert answers.bases == ["/run/dovecot-two"]


@pytest.mark.fault("account-not-asked")
@pytest.mark.parametrize(("error", "counter"), [("NotRecorded", "ignored"), ("NotAsked", "failed")])
def test_a_login_that_dovecot_does_not_let_in_or_says_nothing_about_is_not_recorded(
    post, answers, recorder_module, native_database, log, journal, error, counter
):
    answers.error = getattr(recorder_module, error)("the reason")
    assert post(report()) == LET_IN
    assert log.counters[counter] == 1
    assert "the reason" in journal[0]["MESSAGE"]
    assert repr(REPORT["user"]) in journal[0]["MESSAGE"]
    assert not native_database("a/etc/relayers.db").exists


def test_a_login_does_not_wait_for_a_slow_answer_and_is_recorded_when_it_comes(
    recorder, answers, recorder_module, native_database, unhurried, monkeypatch
):
    monkeypatch.setattr(recorder_module, "ASK_SECONDS", 0.05)

    async def talk():
        answers.may_answer = asyncio.Event()
        async with TestClient(Served(recorder)) as client:
            async with client.post("/login?command=allow", data=report(), headers={"X-API-Key": KEY}) as response:
                assert (await response.json())["status"] == 0
            assert not native_database("a/etc/relayers.db").exists
            answers.may_answer.set()
            await recorder.finish()

    asyncio.run(talk())
    assert set(native_database("a/etc/relayers.db").entries()) == {"198.51.100.7"}


def test_a_probe_is_known_afterwards_and_records_nothing(recorder, answers, recorder_module, native_database, log):
    async def talk():
        found = []
        async with TestClient(Served(recorder)) as client:
            key = {"X-API-Key": KEY}
            probe = report(user=recorder_module.Probe("", "").login.user, session="one/two three", mechanism="DOVECOT-TOKEN")
            for error in (None, recorder_module.NotRecorded("no account"), recorder_module.NotAsked("no Dovecot")):
                answers.error = error
                async with client.post("/login?command=allow", data=probe, headers=key) as response:
                    assert response.status == 200
                async with client.get("/probe/one%2Ftwo%20three", headers=key) as response:
                    found.append(await response.json())
            for path, headers in (("/probe/other", key), ("/probe/one%2Ftwo%20three", {})):
                async with client.get(path, headers=headers) as response:
                    found.append(response.status)
        return found

    sound = {"mechanism": "DOVECOT-TOKEN", "fault": ""}
    assert asyncio.run(talk()) == [sound, sound, {**sound, "fault": "no Dovecot"}, 404, 403]
    assert not native_database("a/etc/relayers.db").exists
    assert sum(log.counters.values()) == 0


@pytest.mark.parametrize("error", [None, "NotRecorded"])
def test_a_recorder_that_was_killed_while_dovecot_was_asked_leaves_the_question_to_the_next(
    recorder, answers, recorder_module, native_database, unhurried, tmp_path, monkeypatch, error
):
    monkeypatch.setattr(recorder_module, "ASK_SECONDS", 0.05)
    path = str(tmp_path / "spool")
    recorder._writers._spool = recorder._spool = recorder_module.Spool(path)

    async def report_and_be_killed():
        answers.may_answer = asyncio.Event()
        async with (
            TestClient(Served(recorder)) as client,
            client.post(
                "/login?base=/run/two&command=allow", data=report(lip="192.0.2.2", lport="110"), headers={"X-API-Key": KEY}
            ) as response,
        ):
            assert response.status == 200

    asyncio.run(report_and_be_killed())
    assert not native_database("b/etc/relayers.db").exists
    answers.may_answer.set()
    answers.asked.clear()
    if error:
        answers.error = getattr(recorder_module, error)("no longer")
    after = recorder_module.Recorder(
        recorder._servers, LoginReader(), recorder._log, KEY, recorder_module.Spool(path), "/run/dovecot"
    )

    async def start():
        answers.may_answer = asyncio.Event()
        answers.may_answer.set()
        await after.recover_spool()
        await after.finish()

    asyncio.run(start())
    assert answers.asked == [REPORT["user"]]
    assert answers.bases[-1] == "/run/two"
    if error:
        assert not native_database("b/etc/relayers.db").exists
    else:
        assert set(native_database("b/etc/relayers.db").entries()) == {"198.51.100.7"}
    assert Path(path).read_bytes() == b""


@pytest.mark.parametrize(
    ("path", "key", "status"),
    [
        ("/login?command=allow", KEY, 200),
        ("/login?command=allow", "wrong", 403),
        ("/nowhere", KEY, 404),
        ("/probe/x", KEY, 404),
    ],
)
@pytest.mark.parametrize("is_stopping", [False, True])
def test_every_answer_is_sent_with_one_write(recorder, unhurried, monkeypatch, path, key, status, is_stopping):
    sent = []

    async def talk():
        server = await asyncio.get_running_loop().create_server(recorder.server(trusted=False), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        transport = type(writer.transport)
        write = transport.write
        monkeypatch.setattr(transport, "write", lambda self, data: (sent.append(bytes(data)), write(self, data))[1])
        if is_stopping:
            recorder.stop()
        body = report()
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        answer = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = int(answer.partition("Content-Length: ")[2].split()[0])
        answer += (await reader.readexactly(length)).decode()
        server.close()
        return answer

    answer = asyncio.run(talk())
    assert answer.startswith(f"HTTP/1.1 {status} ")
    assert f"Connection: {'close' if is_stopping else 'keep-alive'}\r\n" in answer
    assert [data for data in sent if data.startswith(b"HTTP/1.1")] == [answer.encode()]
