# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorder's HTTP: who may report, what is no report, and how each request is answered."""

from __future__ import annotations

import pytest

from .conftest import KEY, LET_IN, LOGIN, report


@pytest.mark.parametrize("key", [None, "", "K" * 40, KEY[:-1], KEY + "x", "\u00e4"])
def test_a_report_without_the_right_key_is_refused_and_records_nothing(post, serve, native_database, key):
    assert post(report(), key=key) == (403, None)
    assert serve.counters["refused"] == 1
    assert not native_database("a/etc/relayers.db").exists


def test_the_key_may_have_a_blank_before_it_as_dovecot_writes_it(post):
    assert post(report(), key=f" {KEY}") == LET_IN


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", report(rip="6.6.6"), report(rip=5), report(lip="x")])
def test_what_is_no_report_is_refused_and_the_recorder_goes_on(post, serve, native_database, body):
    assert post(body) == (400, None)
    assert post(body, report()) == LET_IN
    assert serve.counters == {"recorded": 1, "delayed": 0, "ignored": 0, "refused": 1, "failed": 0}
    assert set(native_database("a/etc/relayers.db").entries()) == {"198.51.100.7"}


def test_a_report_that_is_too_large_is_refused(post):
    assert post(report(user="x" * 70_000)) == (413, None)


@pytest.mark.parametrize(("path", "method"), [("/", "POST"), ("/login?command=allow", "GET")])
def test_nothing_else_is_served(post, native_database, path, method):
    assert post(report(), path=path, method=method)[0] in (404, 405)
    assert not native_database("a/etc/relayers.db").exists


@pytest.mark.parametrize("path", ["/login?command=report", "/login"])
def test_other_questions_are_answered_and_record_nothing(post, native_database, path):
    assert post(report(), path=path) == LET_IN
    assert not native_database("a/etc/relayers.db").exists


def test_it_answers_in_absolute_form_as_dovecot_asks(post, native_database):
    assert post(report(), path=f"http://pbs.invalid{LOGIN}") == LET_IN
    assert set(native_database("a/etc/relayers.db").entries()) == {"198.51.100.7"}


def test_reports_that_follow_each_other_without_waiting_are_answered_in_order(serve, unhurried, native_database):
    async def talk(service):
        reader, writer = await service.connect()
        bodies = [report(rip=f"198.51.100.{number}") for number in range(3)]
        head = f"POST {LOGIN} HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\nContent-Length: {{}}\r\n\r\n"
        writer.write(b"".join(head.format(len(body)).encode() + body for body in bodies))
        for _body in bodies:
            assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200 ")

    serve(talk)
    assert set(native_database("a/etc/relayers.db").entries()) == {f"198.51.100.{number}" for number in range(3)}


def test_a_client_that_waits_for_no_answer_is_sent_away(serve, unhurried):
    async def talk(service):
        reader, writer = await service.connect()
        head = f"POST {LOGIN} HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\nContent-Length: 0\r\n\r\n"
        writer.write(head.encode() * 500)
        try:
            assert b"HTTP/1.1 400 " in await reader.read()
        except ConnectionResetError:
            pass

    serve(talk)


def test_who_asks_for_the_connection_to_be_closed_is_served_so(serve, unhurried):
    async def talk(service):
        reader, writer = await service.connect()
        body = report()
        head = f"POST {LOGIN} HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\nConnection: close\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        return await reader.read()

    whole = serve(talk)
    assert b"\r\nConnection: close\r\n" in whole
    assert whole.endswith(b'{"status": 0, "msg": ""}')


@pytest.mark.parametrize(
    ("path", "key", "status"),
    [
        (LOGIN, KEY, 200),
        (LOGIN, "wrong", 403),
        ("/nowhere", KEY, 404),
        ("/probe/x", KEY, 404),
    ],
)
@pytest.mark.parametrize("is_stopping", [False, True])
def test_every_answer_is_sent_with_one_write(serve, unhurried, monkeypatch, path, key, status, is_stopping):
    from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder import connection

    sent = []
    send = connection.Connection._send
    monkeypatch.setattr(connection.Connection, "_send", lambda self, data: (sent.append(data), send(self, data))[1])

    async def talk(service):
        client = await service.connect()
        assert (await service.ask(report(), client=client)).status == 200
        if is_stopping:
            service.port.close()
        sent.clear()
        return await service.ask(report(), path=path, key=key, client=client)

    answer = serve(talk)
    assert answer.status == status
    assert f"Connection: {'close' if is_stopping else 'keep-alive'}" in answer.head.split("\r\n")
    assert sent == [answer.whole]
