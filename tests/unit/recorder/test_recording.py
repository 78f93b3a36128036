# SPDX-License-Identifier: GPL-3.0-or-later
"""What the recorder records of reported logins, and what is in the database when it answers."""

from __future__ import annotations

import time
from urllib.parse import quote

import pytest

from ansible_collections.vsmtp.relay.dev.support.waiting import until
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.login import PROBE_USER, NotRecorded
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.login_entry import LoginEntry
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.spool import Spool

from .conftest import ASKED, KEY, LET_IN, LOGIN, REPORT, report


def test_a_login_is_in_the_database_before_it_is_let_in(serve, unhurried, native_database):
    async def talk(service):
        client = await service.connect()
        for number in range(5):
            before = int(time.time())
            answer = await service.ask(report(rip=f"198.51.100.{number}"), client=client)
            entries = native_database("a/etc/relayers.db").entries()
            assert before <= int(entries[f"198.51.100.{number}"]) <= time.time()
            assert answer.body == {"status": 0, "msg": ""}

    serve(talk)


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
def test_a_login_that_is_not_to_be_recorded_is_let_in_and_logged(post, serve, journal, native_database, members):
    assert post(report(**members)) == LET_IN
    assert serve.counters == {"recorded": 0, "delayed": 0, "ignored": 1, "refused": 0, "failed": 0}
    assert journal[0]["MESSAGE"].startswith("login not recorded: ")
    assert not any(native_database(f"{name}/etc/relayers.db").exists for name in "ab")


@pytest.mark.parametrize("user", ["a\nMESSAGE=x", "a\0b", "'", "ü", "rip=6.6.6.6"])
def test_whatever_a_user_name_holds_the_message_is_one_line_and_the_address_is_right(post, journal, user):
    assert post(report(user=user)) == LET_IN
    (entry,) = journal
    assert "\n" not in entry["MESSAGE"]
    assert "\0" not in entry["MESSAGE"]
    assert entry["RELAY_ADDRESS"] == "198.51.100.7"


def test_a_login_is_let_in_in_time_while_makemap_writes_and_is_recorded_then(serve, native_database, holder):
    relayers_db = native_database("a/etc/relayers.db").fill({})
    makemap = holder(lambda: open(relayers_db.path, "r+b"))  # noqa: SIM115

    async def talk(service):
        start = time.monotonic()
        answer = await service.ask(report())
        assert (answer.status, answer.body["status"]) == LET_IN
        assert time.monotonic() - start < 1
        makemap.release()

    serve(talk)
    assert set(relayers_db.entries()) == {"198.51.100.7"}


@pytest.mark.fault("hostile-owner")
def test_a_damaged_database_keeps_nobody_from_reading_mail_nor_the_others_from_being_recorded(
    serve, recorder_module, journal, native_database, monkeypatch
):
    monkeypatch.setattr(recorder_module, "FINISH_SECONDS", 0.05)
    path = native_database("a/etc/relayers.db").fill({}).damage().path

    async def talk(service):
        await service.ask(report())
        return (await service.ask(report(lip="192.0.2.2"))).status

    assert serve(talk) == 200
    assert set(native_database("b/etc/relayers.db").entries()) == {"198.51.100.7"}
    assert serve.counters["failed"] >= 1
    assert any(f"{path} repair" in entry["MESSAGE"] for entry in journal)


def test_a_login_that_is_not_written_yet_is_counted_and_logged_as_delayed(
    serve, recorder_module, journal, native_database, monkeypatch
):
    monkeypatch.setattr(recorder_module, "FINISH_SECONDS", 0.05)
    native_database("a/etc/relayers.db").fill({}).damage()
    assert serve(lambda service: service.ask(report())).status == 200
    assert (serve.counters["recorded"], serve.counters["delayed"]) == (0, 1)
    (entry,) = (entry for entry in journal if "RELAY_ADDRESS" in entry)
    assert entry["MESSAGE"].startswith("delayed 198.51.100.7 ")


def test_a_login_that_is_recorded_late_is_logged_twice(serve, journal, native_database, holder):
    relayers_db = native_database("a/etc/relayers.db").fill({})
    makemap = holder(lambda: open(relayers_db.path, "r+b"))  # noqa: SIM115

    async def talk(service):
        await service.ask(report())
        makemap.release()

    serve(talk)
    assert [entry["MESSAGE"].split()[0] for entry in journal if "RELAY_ADDRESS" in entry] == ["delayed", "recorded"]
    assert (serve.counters["recorded"], serve.counters["delayed"]) == (1, 1)


def test_a_report_is_recorded_whose_sender_has_gone(serve, unhurried, native_database):
    async def talk(service):
        _reader, writer = await service.connect()
        body = report()
        writer.write(
            f"POST {LOGIN} HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        )
        await writer.drain()
        writer.close()
        await until(lambda: native_database("a/etc/relayers.db").exists)

    serve(talk)
    assert set(native_database("a/etc/relayers.db").entries()) == {"198.51.100.7"}


def test_what_a_killed_recorder_took_is_recorded_by_the_next_with_a_line_for_each(
    serve, servers, journal, tmp_path, native_database
):
    path = servers.servers[0].relayers_db
    spool = Spool(str(tmp_path / "spool"))
    spool.append(LoginEntry(path, "198.51.100.7", 5))
    spool.append(LoginEntry(path, "198.51.100.8", 6))
    spool.append(LoginEntry("/no/longer/relayers.db", "198.51.100.9", 7))

    async def start(service):
        service.recorder.recover_spool()

    serve(start, spool=Spool(str(tmp_path / "spool")))
    assert native_database("a/etc/relayers.db").entries() == {"198.51.100.7": "5", "198.51.100.8": "6"}
    assert [(line["RELAY_ADDRESS"], line["RELAY_SERVER"]) for line in journal] == [("198.51.100.7", "a"), ("198.51.100.8", "a")]
    assert list(Spool(str(tmp_path / "spool")).entries()) == []


def test_a_login_is_recorded_once_dovecot_says_that_it_lets_the_account_in(post, answers, native_database):
    assert post(report(), report(rip="198.51.100.8"), **ASKED) == LET_IN
    assert set(native_database("a/etc/relayers.db").entries()) == {"198.51.100.7", "198.51.100.8"}
    assert answers.asked == [REPORT["user"]] * 2
    assert answers.bases == ["/run/dovecot"]


# Dovecot appends its command with a question mark.
@pytest.mark.parametrize("path", ["/login?base=/run/dovecot%2dtwo&command=allow", "/login?base=/run/dovecot-two?command=allow"])
def test_the_instance_that_the_url_names_is_asked(post, answers, path):
    assert post(report(), path=path, **ASKED) == LET_IN
    assert answers.bases == ["/run/dovecot-two"]


@pytest.mark.fault("account-not-asked")
@pytest.mark.parametrize(("error", "counter"), [("NotRecorded", "ignored"), ("NotAsked", "failed")])
def test_a_login_that_dovecot_does_not_let_in_or_says_nothing_about_is_not_recorded(
    post, serve, answers, recorder_module, native_database, journal, error, counter
):
    answers.error = getattr(recorder_module, error)("the reason")
    assert post(report(), **ASKED) == LET_IN
    assert serve.counters[counter] == 1
    assert "the reason" in journal[0]["MESSAGE"]
    assert repr(REPORT["user"]) in journal[0]["MESSAGE"]
    assert not native_database("a/etc/relayers.db").exists


def test_a_login_does_not_wait_for_a_slow_answer_and_is_recorded_when_it_comes(
    serve, answers, recorder_module, native_database, journal, monkeypatch
):
    monkeypatch.setattr(recorder_module, "ANSWER_SECONDS", 0.05)
    answers.is_silent = True

    async def talk(service):
        assert (await service.ask(report())).body["status"] == 0
        assert not native_database("a/etc/relayers.db").exists
        answers.answer()

    serve(talk, dovecot="/run/dovecot")
    assert set(native_database("a/etc/relayers.db").entries()) == {"198.51.100.7"}
    assert [entry["MESSAGE"].split()[0] for entry in journal] == ["delayed", "recorded"]


def test_a_probe_is_known_afterwards_and_records_nothing(serve, answers, recorder_module, native_database, unhurried):
    async def talk(service):
        found = []
        path = f"/probe/{quote('one/two three', safe='')}"
        probe = report(user=PROBE_USER, session="one/two three", mechanism="DOVECOT-TOKEN")
        for error in (None, NotRecorded("no account"), recorder_module.NotAsked("no Dovecot")):
            answers.error = error
            assert (await service.ask(probe)).status == 200
            found.append((await service.ask(path=path, method="GET")).body)
        return [*found, (await service.ask(path="/probe/other", method="GET")).status]

    sound = {"mechanism": "DOVECOT-TOKEN", "fault": ""}
    assert serve(talk, dovecot="/run/dovecot") == [sound, sound, {**sound, "fault": "no Dovecot"}, 404]
    assert not native_database("a/etc/relayers.db").exists
    assert sum(serve.counters.values()) == 0


def test_a_probe_about_which_dovecot_says_nothing_is_answered_in_time(serve, answers, recorder_module, monkeypatch):
    monkeypatch.setattr(recorder_module, "ANSWER_SECONDS", 0.05)
    answers.is_silent = True

    async def talk(service):
        await service.ask(report(user=PROBE_USER, session="one", mechanism="DOVECOT-TOKEN"))
        fault = (await service.ask(path="/probe/one", method="GET")).body["fault"]
        answers.answer()
        return fault

    assert serve(talk, dovecot="/run/dovecot") == "Dovecot does not answer within 0.05 seconds"


@pytest.mark.parametrize("error", [None, "NotRecorded"])
def test_a_recorder_that_was_killed_while_dovecot_was_asked_leaves_the_question_to_the_next(
    serve, answers, recorder_module, native_database, tmp_path, monkeypatch, error
):
    monkeypatch.setattr(recorder_module, "ANSWER_SECONDS", 0.05)
    monkeypatch.setattr(recorder_module, "FINISH_SECONDS", 0.0)
    path = tmp_path / "spool"
    answers.is_silent = True

    async def report_and_be_killed(service):
        asked = report(lip="192.0.2.2", lport="110")
        assert (await service.ask(asked, path="/login?base=/run/two&command=allow")).status == 200

    serve(report_and_be_killed, spool=Spool(str(path)), dovecot="/run/dovecot")
    assert not native_database("b/etc/relayers.db").exists
    answers._waiting.clear()
    answers.asked.clear()
    answers.is_silent = False
    if error:
        answers.error = getattr(recorder_module, error)("no longer")
    monkeypatch.setattr(recorder_module, "FINISH_SECONDS", 20.0)

    async def start(service):
        service.recorder.recover_spool()

    serve(start, spool=Spool(str(path)), dovecot="/run/dovecot")
    assert answers.asked == [REPORT["user"]]
    assert answers.bases[-1] == "/run/two"
    assert native_database("b/etc/relayers.db").exists == (not error)
    if not error:
        assert set(native_database("b/etc/relayers.db").entries()) == {"198.51.100.7"}
    assert list(Spool(str(path)).entries()) == []
