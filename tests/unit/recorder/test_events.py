# SPDX-License-Identifier: GPL-3.0-or-later
"""Events of logins that nobody reported, which Dovecot sends afterwards."""

from __future__ import annotations

import json
import time

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.login import PROBE_USER, NotRecorded
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.spool import Spool

from .conftest import ASKED, KEY, LOGIN, REPORT, report

UNREPORTED = {"path": "/unreported", "key": None, "password": KEY}


def event(seconds_ago=0, **fields):
    """Return an event of Dovecot's, with the fields of REPORT, that is so old."""
    known = {"rip": "remote_ip", "lip": "local_ip", "service": "service", "user": "user", "session": "session"}
    members = {**REPORT, "user": "me@a.example", "session": "one", **fields}
    described = {known[name]: members[name] for name in known}
    return json.dumps({"end_time": time.time() - seconds_ago, "fields": {**described, "local_port": 110}}).encode()


def recorded_by(serve, *requests, **options):
    """Have each request (its body, and the options of ask()) answered on one connection; return the status of each answer."""

    async def talk(service):
        client = await service.connect()
        return [(await service.ask(body, client=client, **more)).status for body, more in requests]

    return serve(talk, **options)


def test_a_login_that_was_not_reported_is_recorded_by_its_event(serve, answers, native_database):
    assert recorded_by(serve, (event(), UNREPORTED), **ASKED["options"]) == [200]
    assert set(native_database("a/etc/relayers.db").entries()) == {"198.51.100.7"}
    assert answers.asked == ["me@a.example"]
    assert serve.counters == {"recorded": 1, "delayed": 0, "ignored": 0, "refused": 0, "failed": 0}


@pytest.mark.parametrize(("seconds_ago", "expected"), [(300, 300), (-300, 0)])
def test_an_event_permits_from_the_time_of_its_login_on_and_not_from_now(serve, native_database, seconds_ago, expected):
    before = int(time.time())
    recorded_by(serve, (event(seconds_ago), UNREPORTED))
    stamped = int(native_database("a/etc/relayers.db").entries()["198.51.100.7"])
    assert before - expected - 1 <= stamped <= time.time() - expected


def test_an_old_event_shortens_no_permission(serve, unhurried, native_database):
    before = int(time.time())
    recorded_by(serve, (report(session="new"), {}), (event(300, session="old"), UNREPORTED))
    assert int(native_database("a/etc/relayers.db").entries()["198.51.100.7"]) >= before


def test_a_reported_login_is_neither_recorded_nor_counted_again_by_its_event(serve, unhurried, answers):
    reported = report(user="me@a.example", session="one")
    assert recorded_by(serve, (reported, {}), (event(), UNREPORTED), (event(), UNREPORTED), **ASKED["options"]) == [200] * 3
    assert answers.asked == ["me@a.example"]
    assert serve.counters == {"recorded": 1, "delayed": 0, "ignored": 0, "refused": 0, "failed": 0}


@pytest.mark.parametrize("members", [{"service": "smtp"}, {"rip": "127.0.0.1"}, {"lip": "192.0.2.9", "domain": ""}])
def test_a_login_that_was_reported_and_ignored_is_not_ignored_again(serve, unhurried, members):
    reported = report(**{"user": "me@a.example", "session": "one", **members})
    recorded_by(serve, (reported, {}), (event(**{name: members[name] for name in members if name != "domain"}), UNREPORTED))
    assert serve.counters == {"recorded": 0, "delayed": 0, "ignored": 1, "refused": 0, "failed": 0}


def test_events_without_a_session_are_all_recorded(serve, native_database):
    recorded_by(serve, *((event(rip=f"198.51.100.{number}", session=""), UNREPORTED) for number in range(3)))
    assert len(native_database("a/etc/relayers.db").entries()) == 3


@pytest.mark.parametrize("members", [{"service": "smtp"}, {"rip": "127.0.0.1"}, {"rip": ""}, {"user": "me@c.example"}])
def test_an_event_of_a_login_that_is_not_to_be_recorded_is_ignored(serve, native_database, members):
    assert recorded_by(serve, (event(**members), UNREPORTED)) == [200]
    assert serve.counters["ignored"] == 1
    assert not native_database("a/etc/relayers.db").exists


def test_the_event_of_an_account_that_is_not_let_in_records_nothing(serve, answers, native_database):
    answers.error = NotRecorded("the reason")
    assert recorded_by(serve, (event(), UNREPORTED), **ASKED["options"]) == [200]
    assert serve.counters["ignored"] == 1
    assert not native_database("a/etc/relayers.db").exists


def test_the_instance_in_the_url_of_an_exporter_is_asked(serve, answers):
    path = "/unreported?base=/run/dovecot-two"
    assert recorded_by(serve, (event(), {**UNREPORTED, "path": path}), **ASKED["options"]) == [200]
    assert answers.bases == ["/run/dovecot-two"]


def test_an_event_of_a_probe_proves_nothing(serve, answers):
    async def talk(service):
        await service.ask(event(user=PROBE_USER, session="probe"), **UNREPORTED)
        return (await service.ask(path="/probe/probe", method="GET")).status

    assert serve(talk, dovecot="/run/dovecot") == 404
    assert sum(serve.counters.values()) == 0


def test_nobody_waits_for_the_answer_to_an_event_which_is_in_the_spool_by_then(
    serve, answers, recorder_module, native_database, tmp_path, monkeypatch
):
    monkeypatch.setattr(recorder_module, "FINISH_SECONDS", 0.0)
    path = tmp_path / "spool"
    answers.is_silent = True
    assert recorded_by(serve, (event(300), UNREPORTED), spool=Spool(str(path)), dovecot="/run/dovecot") == [200]
    (entry,) = Spool(str(path)).entries()
    assert (entry.key, entry.account[3]) == ("198.51.100.7", "me@a.example")
    assert entry.timestamp < time.time() - 290
    assert not native_database("a/etc/relayers.db").exists


@pytest.mark.fault("forged-report")
@pytest.mark.parametrize(
    ("key", "password", "status"),
    [
        (KEY, None, 200),
        (None, KEY, 200),
        (None, None, 403),
        (None, "", 403),
        (None, KEY[:-1], 403),
        ("wrong", KEY, 403),
        (KEY, "wrong", 403),
        (KEY, KEY, 403),
    ],
)
@pytest.mark.parametrize("path", ["/unreported", LOGIN])
def test_who_shows_exactly_one_key_and_the_right_one_may_report(serve, unhurried, native_database, path, key, password, status):
    body = event() if path == "/unreported" else report()
    assert recorded_by(serve, (body, {"path": path, "key": key, "password": password})) == [status]
    assert native_database("a/etc/relayers.db").exists == (status == 200)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", event(rip="6.6.6"), event(user=5)])
def test_what_is_no_event_is_refused_and_the_next_is_recorded(serve, native_database, body):
    assert recorded_by(serve, (body, UNREPORTED), (event(session="two"), UNREPORTED)) == [400, 200]
    assert serve.counters["refused"] == 1
    assert native_database("a/etc/relayers.db").exists


def test_an_event_is_posted(serve):
    assert recorded_by(serve, (event(), {**UNREPORTED, "method": "GET"})) == [405]
