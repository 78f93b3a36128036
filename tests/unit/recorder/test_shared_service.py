# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorder's service for the sharer: what it hands over, what it writes for other hosts, and what it refuses them."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import socket
import sys
import time
from pathlib import Path

import pytest

from ansible_collections.vsmtp.relay.dev.support.waiting import until
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder import (
    entry_pages,
    fd_store,
    group_commit,
    journal,
    large_write,
    recorder,
    shared_service,
)
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.connection import Connection
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.fd_store import DescriptorStore, NoStore
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.http_service import HttpService
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.journal import RecorderLog
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.login import LoginReader
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.login_entry import LoginEntry
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.port import Port
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.shared_logins import SharedLogins
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.shared_service import SharedService
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.spool import Spool
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing import changes
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.handover import Handover
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.outbox import Outbox
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.requests import LARGEST_CHANGES, MOST_KEYS

REPORT = {"rip": "198.51.100.7", "lip": "192.0.2.1", "service": "pop3", "user": "me", "domain": "a.example"}
LOGIN = "/login?command=allow"
A, B, C = "198.51.100.1", "198.51.100.2", "198.51.100.3"
V6 = "ipv6:2001:db8:1234:5678:9abc:def0:1234:5678"
PERMANENT = 253402214400
CHILD = f"""
import sys
sys.path[:0] = {sys.path!r}
from {large_write.__name__} import main
sys.exit(main(sys.argv[1]))
"""


class Answer:
    """An answer: its status and its body."""

    def __init__(self, head, body):
        self.status = int(head.split()[1])
        self.body = json.loads(body)


class Client:
    """A connection to one of the sockets."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    def send(self, path, body=None, method=None):
        content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        method = method or ("GET" if body is None else "POST")
        self.writer.write(f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content)

    async def receive(self):
        head = await self.reader.readuntil(b"\r\n\r\n")
        return Answer(head, await self.reader.readexactly(int(head.partition(b"Content-Length: ")[2].split()[0])))

    async def ask(self, path, body=None, method=None):
        self.send(path, body, method)
        return await self.receive()


class Host:
    """A recorder with its two sockets, one for reports and one for the sharer."""

    def __init__(self, servers, directory, is_sharing=True):
        loop = asyncio.get_running_loop()
        self.log = RecorderLog()
        self.directory = directory
        self.handover = Handover(Outbox(str(directory / "outbox")), str(directory / "changes"), "boot", self.log.shared)
        logins = SharedLogins(servers, self.handover.add) if is_sharing else None
        reader = LoginReader(["203.0.113.0/24"])
        self.recorder = recorder.Recorder(servers, reader, self.log, Spool(str(directory / "spool")), shared=logins)
        self.recorder.writers._large._command = [sys.executable, "-c", CHILD]
        self.shared = SharedService(servers, reader, self.recorder.writers, self.handover, self.log)
        takes = {"login": HttpService(self.recorder, self.log).take, "shared": self.shared.take}
        self.ports, self._clients = [], []
        for name, take in takes.items():
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(str(directory / name))
            listener.listen()
            store = NoStore(loop) if name == "shared" else DescriptorStore(loop)
            self.ports.append(
                Port(loop, listener, take, None, store, functools.partial(self.log.count, "refused"), None, LARGEST_CHANGES)
            )

    async def connect(self, name="shared"):
        client = Client(*await asyncio.open_unix_connection(str(self.directory / name), limit=1 << 22))
        self._clients.append(client)
        return client

    async def log_in(self, address, **members):
        client = await self.connect("login")
        answer = await client.ask(LOGIN, {**REPORT, "rip": address, **members})
        assert (answer.status, answer.body["status"]) == (200, 0)

    async def change(self, client=None, **servers):
        return (await (client or await self.connect()).ask("/shared/changes", {"servers": servers})).body

    async def close(self):
        self.shared.finish()
        for port in self.ports:
            port.close()
            port.abandon()
        for client in self._clients:
            client.writer.close()
        await self.recorder.finish()
        self.log.flush()


@pytest.fixture(autouse=True)
def lines(monkeypatch):
    """Stand in for systemd's library; return the messages in the journal. A busy machine may take its time."""
    sent = []

    class Daemon:
        notify = staticmethod(lambda _state, fds=(): True)

    class Journal:
        sendv = staticmethod(lambda *fields: sent.append(fields[0].partition("=")[2]))

    monkeypatch.setattr(journal, "journal", Journal)
    monkeypatch.setattr(journal, "daemon", Daemon)
    monkeypatch.setattr(fd_store, "daemon", Daemon)
    monkeypatch.setattr(recorder, "ANSWER_SECONDS", 20.0)
    monkeypatch.setattr(recorder, "FINISH_SECONDS", 0.3)
    monkeypatch.setattr(shared_service, "WRITE_SECONDS", 20.0)
    return sent


@pytest.fixture
def database(native_database):
    """Return the database of the virtual server with a name."""
    return lambda name: native_database(f"{name}/etc/relayers.db")


@pytest.fixture
def run(servers, tmp_path):
    """Return what runs a coroutine function with a Host."""

    def run(work, **options):
        async def whole():
            for name in ("login", "shared"):
                (tmp_path / name).unlink(missing_ok=True)
            host = Host(servers, tmp_path, **options)
            try:
                async with asyncio.timeout(60):
                    return await work(host)
            finally:
                await host.close()

        return asyncio.run(whole())

    return run


def outbox(after=0, instance="", wait=0):
    return f"/shared/outbox?instance={instance}&after={after}&wait={wait}"


def events_of(answer):
    return [event[1:4] for event in answer.body["events"]]


# Events


def test_a_login_is_handed_over_by_the_time_at_which_it_is_let_in(run, tmp_path):
    async def work(host):
        before = int(time.time() * 1000)
        await host.log_in(A)
        line = json.loads((tmp_path / "outbox").read_text())
        client = await host.connect()
        answer = await client.ask(outbox())
        ((number, server, key, operation, at),) = answer.body["events"]
        assert [server, key, operation, at] == line == ["a", A, "login", at]
        assert number == 1
        assert before // 1000 * 1000 <= at <= time.time() * 1000
        assert (answer.body["boot"], answer.body["lost"]) == ("boot", False)
        return answer.body["instance"]

    assert run(work) != run(lambda host: asyncio.sleep(0, host.handover.instance))


def test_a_host_that_does_not_share_hands_over_nothing(run, tmp_path):
    async def work(host):
        await host.log_in(A)
        return (await (await host.connect()).ask(outbox())).body["events"]

    assert run(work, is_sharing=False) == []
    assert (tmp_path / "outbox").read_bytes() == b""


def test_who_waits_gets_a_login_when_it_comes_and_acknowledges_it_with_the_next_question(run, tmp_path):
    async def work(host):
        client = await host.connect()
        instance = (await client.ask(outbox())).body["instance"]
        client.send(outbox(0, instance, 10_000))
        await until(lambda: host.shared._polls)
        await host.log_in(A)
        first = await client.receive()
        assert events_of(first) == [["a", A, "login"]]
        client.send(outbox(1, instance, 10_000))
        await until(lambda: host.shared._polls)
        assert (tmp_path / "outbox").read_bytes() == b""
        await host.log_in(B, lip="192.0.2.2")
        assert events_of(await client.receive()) == [["b", B, "login"]]

    run(work)


def test_who_waits_gets_an_answer_without_events_in_the_end(run):
    async def work(host):
        client = await host.connect()
        begin = time.monotonic()
        answer = await client.ask(outbox(wait=300))
        assert time.monotonic() - begin > 0.25
        assert answer.body["events"] == []
        assert host.shared._polls == []

    run(work)


def test_nobody_waits_longer_than_ten_seconds(run, monkeypatch):
    monkeypatch.setattr(shared_service, "LONGEST_WAIT", 50)

    async def work(host):
        assert (await (await host.connect()).ask(outbox(wait=10**6))).body["events"] == []

    run(work)


def test_waiting_costs_no_turns_of_the_event_loop(run):
    async def work(host):
        client = await host.connect()
        client.send(outbox(wait=10_000))
        await until(lambda: host.shared._polls)
        before, turns = time.process_time(), 0
        loop = asyncio.get_running_loop()
        run_once = loop._run_once

        def count():
            nonlocal turns
            turns += 1
            run_once()

        loop._run_once = count
        await asyncio.sleep(0.5)
        assert turns < 10
        assert time.process_time() - before < 0.1

    run(work)


def test_whoever_went_away_while_waiting_takes_no_event_along(run):
    async def work(host):
        gone, client = await host.connect(), await host.connect()
        gone.send(outbox(wait=10_000))
        await until(lambda: host.shared._polls)
        gone.writer.close()
        await host.log_in(A)
        assert events_of(await client.ask(outbox())) == [["a", A, "login"]]

    run(work)


def test_a_file_of_root_s_programs_is_handed_over_and_removed(run, tmp_path):
    directory = str(tmp_path / "changes")

    async def work(host):
        client = await host.connect()
        client.send(outbox(wait=10_000))
        await until(lambda: host.shared._polls)
        changes.write([("a", A, "revoke", 5), ("b", "", "check", 6)], directory)
        host.shared.look()
        answer = await client.receive()
        assert [event[1:] for event in answer.body["events"]] == [["a", A, "revoke", 5], ["b", "", "check", 6]]
        await client.ask(outbox(2, answer.body["instance"]))
        assert os.listdir(directory) == []

    run(work)


def test_a_login_that_is_written_late_is_handed_over_with_the_time_at_which_it_came(run, database, holder, monkeypatch):
    monkeypatch.setattr(recorder, "ANSWER_SECONDS", 0.05)
    monkeypatch.setattr(recorder, "FINISH_SECONDS", 20.0)
    makemap = holder(lambda: open(database("a").fill({}).path, "r+b"))  # noqa: SIM115

    async def work(host):
        client = await host.connect()
        before = int(time.time())
        await host.log_in(A)
        after = int(time.time())
        await asyncio.sleep(1.1)
        assert (await client.ask(outbox())).body["events"] == []
        makemap.release()
        answer = await client.ask(outbox(wait=10_000))
        assert events_of(answer) == [["a", A, "login"]]
        assert before * 1000 <= answer.body["events"][0][4] <= after * 1000

    run(work)


def test_a_login_from_the_spool_is_handed_over_with_its_own_time(run, servers, tmp_path, monkeypatch):
    monkeypatch.setattr(recorder, "FINISH_SECONDS", 20.0)
    spool = Spool(str(tmp_path / "spool"))
    spool.append(LoginEntry(servers.servers[0].relayers_db, A, 1_700_000_000))

    async def work(host):
        host.recorder.recover_spool()
        answer = await (await host.connect()).ask(outbox(wait=10_000))
        assert [event[1:] for event in answer.body["events"]] == [["a", A, "login", 1_700_000_000_000]]

    run(work)


def test_what_is_renewed_is_handed_over_and_what_is_not_yet_to_be_renewed_is_not(run, servers, database):
    now = int(time.time())
    database("a").fill({A: now - 80, B: now - 10, C: now - 200})

    async def work(host):
        path = servers.servers[0].relayers_db
        assert set(await host.recorder.writers.renew(path, [A, B, C], now - 1, 100)) == {A, B}
        answer = await (await host.connect()).ask(outbox())
        assert [event[1:] for event in answer.body["events"]] == [["a", A, "renew", (now - 1) * 1000]]

    run(work)


def test_many_that_are_renewed_are_all_handed_over(run, servers, database, monkeypatch):
    monkeypatch.setattr(large_write, "LARGEST_OWN_BYTES", 0)
    now = int(time.time())
    keys = [f"10.0.{n >> 8}.{n & 255}" for n in range(300)]
    database("a").fill(dict.fromkeys(keys, now - 80))

    async def work(host):
        await host.recorder.writers.renew(servers.servers[0].relayers_db, keys, now, 100)
        return {event[1] for event in events_of(await (await host.connect()).ask(outbox()))}

    assert run(work) == set(keys)


def test_what_is_left_at_the_end_is_handed_over_by_the_next_recorder_and_who_waits_is_answered(run):
    async def first(host):
        client = await host.connect()
        client.send(outbox(wait=10_000))
        await until(lambda: host.shared._polls)
        host.shared.finish()
        assert (await client.receive()).body["events"] == []
        # Neither is anybody made to wait from then on.
        assert (await client.ask(outbox(wait=10_000))).body["events"] == []
        await host.log_in(A)

    run(first)

    async def second(host):
        return events_of(await (await host.connect()).ask(outbox()))

    assert run(second) == [["a", A, "login"]]


@pytest.mark.parametrize("query", ["after=x", "after=-1", "wait=1.5", "after=%D9%A5", "after=9999999999999999999"])
def test_a_number_that_is_none_is_refused(run, query):
    async def work(host):
        client = await host.connect()
        status = (await client.ask(f"/shared/outbox?instance=x&{query}")).status
        assert (await client.ask(outbox())).status == 200
        return status

    assert run(work) == 400


# Changes


def test_logins_and_revocations_are_on_the_disk_when_that_is_answered(run, database):
    now = int(time.time())
    database("a").fill({A: now - 60, B: now - 60})

    async def work(host):
        wanted = {"a": {"logins": {C: now - 5, V6: now}, "revoked": {A: now - 1}}, "b": {"logins": {A: now - 7}}}
        answer = await host.change(**wanted)
        assert answer == {"written": ["a", "b"], "failed": {}, "refused": {}}
        assert database("a").entries() == {B: str(now - 60), C: str(now - 5), V6: str(now)}
        assert database("b").entries() == {A: str(now - 7)}
        # They are other hosts', so they are not handed over.
        assert (await (await host.connect()).ask(outbox())).body["events"] == []

    run(work)


def test_nothing_that_comes_from_other_hosts_is_in_the_future_or_touches_it(run, database):
    now = int(time.time())
    database("a").fill({A: PERMANENT, B: now + 3600, C: now - 5})

    async def work(host):
        changes = {"logins": {"198.51.100.9": now + 10**6}, "revoked": {A: PERMANENT, B: now + 10**6, C: now + 10**6}}
        assert (await host.change(a=changes))["written"] == ["a"]
        entries = database("a").entries()
        assert {A, B} < set(entries)
        assert C not in entries
        assert now <= int(entries["198.51.100.9"]) <= time.time()

    run(work)


def test_a_login_of_another_host_shortens_nothing(run, database):
    now = int(time.time())
    database("a").fill({A: now, B: PERMANENT})

    async def work(host):
        await host.change(a={"logins": {A: now - 60, B: now}})

    run(work)
    assert database("a").entries() == {A: str(now), B: str(PERMANENT)}


def test_a_revocation_leaves_what_was_stamped_after_it_and_creates_no_database(run, database):
    now = int(time.time())
    database("a").fill({A: now - 5})

    async def work(host):
        answer = await host.change(a={"revoked": {A: now - 6}}, b={"revoked": {A: now}})
        assert sorted(answer["written"]) == ["a", "b"]

    run(work)
    assert database("a").entries() == {A: str(now - 5)}
    assert not database("b").exists


def test_a_login_has_its_turn_while_many_keys_are_checked(run, monkeypatch):
    turns = []
    reason_against = SharedService._reason_against
    monkeypatch.setattr(SharedService, "_reason_against", lambda *words: turns.append(0) or reason_against(*words))

    async def work(host):
        asking = asyncio.ensure_future(
            host.change(a={"logins": {f"10.0.{number // 250}.{number % 250}": 5 for number in range(999)}})
        )
        at_once = []
        while not asking.done():
            at_once.append(len(turns))
            turns.clear()
            await asyncio.sleep(0)
        assert sum(at_once) + len(turns) == 999
        assert max(at_once) <= shared_service.SLICE
        return (await asking)["written"]

    assert run(work) == ["a"]


@pytest.mark.parametrize(
    ("key", "second", "reason"),
    [
        ("127.0.0.1", 5, "ignored network"),
        ("ipv6:0:0:0:0:0:0:0:1", 5, "ignored network"),
        ("203.0.113.9", 5, "ignored network"),
        ("2001:db8::5", 5, "not a key"),
        ("IPv6:2001:db8:0:0:0:0:0:5", 5, "not a key"),
        ("ipv6:0:0:0:0:0:ffff:c633:6407", 5, "not a key"),
        ("198.51.100.0/24", 5, "not a key"),
        ("", 5, "not a key"),
        ("ü", 5, "not a key"),
        (A, "5", "not a time"),
        (A, 5.0, "not a time"),
        (A, True, "not a time"),
        (A, None, "not a time"),
        (A, -1, "not a time"),
        (A, 10**12, "not a time"),
    ],
)
@pytest.mark.parametrize("part", ["logins", "revoked"])
def test_what_another_host_may_not_say_is_refused_and_counted_and_the_rest_is_written(run, database, key, second, reason, part):
    now = int(time.time())
    database("a").fill({"127.0.0.1": 5, "203.0.113.9": 5, A: 5})

    async def work(host):
        answer = await host.change(a={"logins": {B: now}, part: {key: second, **({B: now} if part == "logins" else {})}})
        assert answer == {"written": ["a"], "failed": {}, "refused": {reason: 1}}

    run(work)
    assert database("a").entries() == {"127.0.0.1": "5", "203.0.113.9": "5", A: "5", B: str(now)}


def test_the_keys_of_a_server_that_is_unknown_are_refused_and_it_has_failed(run, database):
    now = int(time.time())

    async def work(host):
        answer = await host.change(a={"logins": {A: now}}, c={"logins": {A: now}, "revoked": {B: now}})
        assert (answer["written"], list(answer["failed"]), answer["refused"]) == (["a"], ["c"], {"unknown server": 2})

    run(work)


def test_what_is_all_refused_is_done_with(run, database):
    async def work(host):
        answer = await host.change(a={"logins": {"127.0.0.1": 5}}, b={})
        assert answer == {"written": ["a", "b"], "failed": {}, "refused": {"ignored network": 1}}

    run(work)
    assert not database("a").exists


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"servers": []}',
        b'{"servers": {"a": 5}}',
        b'{"servers": {"a": {"logins": []}}}',
        b'{"servers": {"a": {"revoked": null}}}',
        b"[" * 60_000,
    ],
)
def test_a_body_that_does_not_fit_is_refused_and_the_next_is_taken(run, database, body):
    async def work(host):
        client = await host.connect()
        assert (await client.ask("/shared/changes", body)).status == 400
        assert (await host.change(client, a={"logins": {A: 5}}))["written"] == ["a"]

    run(work)
    assert database("a").entries() == {A: "5"}


def test_a_thousand_of_the_longest_keys_fit_and_one_more_is_refused(run, database):
    now = int(time.time())
    keys = [f"ipv6:2001:db8:1234:5678:9abc:def0:1234:{number:x}" for number in range(0x1000, 0x1000 + MOST_KEYS + 1)]

    async def work(host):
        client = await host.connect()
        body = {"servers": {"a": {"logins": dict.fromkeys(keys[:MOST_KEYS], now), "revoked": {}}}}
        assert len(json.dumps(body)) < LARGEST_CHANGES
        assert (await client.ask("/shared/changes", body)).body["written"] == ["a"]
        body["servers"]["a"]["revoked"] = {keys[MOST_KEYS]: now}
        assert (await client.ask("/shared/changes", body)).status == 400

    run(work)
    assert set(database("a").entries()) == set(keys[:MOST_KEYS])


@pytest.mark.fault("hostile-owner")
def test_a_database_that_is_locked_has_failed_after_a_second_and_holds_up_no_other(run, database, holder, monkeypatch):
    monkeypatch.setattr(shared_service, "WRITE_SECONDS", 0.5)
    monkeypatch.setattr(group_commit, "WRITE_RETRY_SECONDS", 0.05)
    monkeypatch.setattr(group_commit, "REVOKE_LOCK_SECONDS", 0.3)
    monkeypatch.setattr(group_commit, "RECORDER_LOCK_SECONDS", 0.3)
    now = int(time.time())
    holder_of_a = holder(lambda: open(database("a").fill({A: now - 5}).path, "r+b"))  # noqa: SIM115

    async def work(host):
        client = await host.connect()
        begin = time.monotonic()
        answer = await host.change(client, a={"revoked": {A: now}, "logins": {C: now}}, b={"logins": {B: now}})
        assert time.monotonic() - begin < 5
        assert answer["written"] == ["b"]
        assert list(answer["failed"]) == ["a"]
        assert database("b").entries() == {B: str(now)}
        await host.log_in(B, lip="192.0.2.2")
        holder_of_a.release()
        while "a" not in answer["written"]:
            answer = await host.change(client, a={"revoked": {A: now}, "logins": {C: now}})

    run(work)
    assert database("a").entries() == {C: str(now)}


def test_what_takes_longer_is_not_begun_again_and_is_written_in_the_end(run, database, servers, monkeypatch):
    monkeypatch.setattr(shared_service, "WRITE_SECONDS", 0.05)
    now = int(time.time())

    async def work(host):
        asked, results = [], []

        def receive(path, logins, revoked):
            asked.append((path, logins, revoked))
            results.append(asyncio.get_running_loop().create_future())
            return results[-1]

        monkeypatch.setattr(host.recorder.writers, "receive", receive)
        client = await host.connect()
        for _request in range(3):
            answer = await host.change(client, a={"logins": {A: now, B: now}, "revoked": {C: now}})
            assert answer["failed"] == {"a": shared_service.STILL_WRITTEN}
        results[0].set_result("")
        client.send("/shared/changes", {"servers": {"a": {"logins": {A: now, B: now - 1}, "revoked": {C: now}}}})
        await until(lambda: len(asked) == 2)
        results[1].set_result("")
        assert (await client.receive()).body["written"] == ["a"]
        path = servers.servers[0].relayers_db
        assert asked == [(path, {A: now, B: now}, {C: now}), (path, {B: now - 1}, {})]
        # What is done is forgotten.
        client.send("/shared/changes", {"servers": {"a": {"logins": {A: now}}}})
        await until(lambda: len(asked) == 3)
        results[2].set_result("the disk is full")
        assert (await client.receive()).body["failed"] == {"a": "the disk is full"}
        client.send("/shared/changes", {"servers": {"a": {"logins": {A: now}}}})
        await until(lambda: len(asked) == 4)
        results[3].set_result("")
        assert (await client.receive()).body["written"] == ["a"]

    run(work)


def test_what_failed_late_is_begun_again(run, monkeypatch):
    monkeypatch.setattr(shared_service, "WRITE_SECONDS", 0.05)

    async def work(host):
        results = []

        def receive(_path, _logins, _revoked):
            results.append(asyncio.get_running_loop().create_future())
            return results[-1]

        monkeypatch.setattr(host.recorder.writers, "receive", receive)
        await host.change(a={"logins": {A: 5}})
        results[0].set_result("the disk is full")
        await host.change(a={"logins": {A: 5}})
        assert len(results) == 2

    run(work)


def test_a_fault_is_logged_once_and_that_it_is_over_too(run, database, lines):
    database("a").fill({}).damage()

    async def work(host):
        for _request in range(3):
            answer = await host.change(a={"logins": {A: 5}})
            assert "repair" in answer["failed"]["a"]
        os.unlink(database("a").path)
        for _request in range(2):
            assert (await host.change(a={"logins": {A: 5}}))["written"] == ["a"]

    run(work)
    assert [line for line in lines if "not written yet" in line] == [
        line for line in lines if "not sound" in line or "repair" in line
    ]
    assert len([line for line in lines if "not written yet" in line]) == 1
    assert len([line for line in lines if "written again" in line]) == 1


# Entries


def test_the_entries_of_a_database_come_in_pages_of_one_snapshot(run, database, monkeypatch):
    monkeypatch.setattr(entry_pages, "PAGE_ENTRIES", 10)
    wanted = {f"10.0.0.{number}": number for number in range(25)}
    database("a").fill({**wanted, "word": "RELAY", "10.1.1.1": "x", "2001:db8::5": 5, A: PERMANENT})

    async def work(host):
        client = await host.connect()
        seen, number, pages = {}, 0, 1
        while number < pages:
            answer = await client.ask(f"/shared/entries?server=a&page={number}")
            assert answer.body["page"] == number
            pages = answer.body["pages"]
            assert len(answer.body["entries"]) <= 10
            seen.update(answer.body["entries"])
            if number == 0:
                # What is changed meanwhile, another snapshot has.
                await host.change(a={"logins": {B: 5}})
            number += 1
        assert (await client.ask(f"/shared/entries?server=a&page={pages}")).status == 404
        return pages, seen

    assert run(work) == (3, {**wanted, A: PERMANENT})


def test_a_snapshot_is_forgotten_after_some_time_and_only_that_one(run, database, monkeypatch):
    monkeypatch.setattr(entry_pages, "PAGE_ENTRIES", 1)
    monkeypatch.setattr(shared_service, "SNAPSHOT_SECONDS", 0.2)
    for name in ("a", "b"):
        database(name).fill({A: 5, B: 6})

    async def work(host):
        client = await host.connect()
        assert (await client.ask("/shared/entries?server=a&page=1")).status == 404
        for _time in range(2):
            assert (await client.ask("/shared/entries?server=a&page=0")).status == 200
            assert (await client.ask("/shared/entries?server=a&page=1")).status == 200
            await asyncio.sleep(0.15)
        assert (await client.ask("/shared/entries?server=a&page=1")).status == 200
        await asyncio.sleep(0.2)
        assert (await client.ask("/shared/entries?server=a&page=1")).status == 404

    run(work)


def test_only_so_many_snapshots_are_kept(run, database, monkeypatch):
    monkeypatch.setattr(shared_service, "MOST_SNAPSHOTS", 1)
    monkeypatch.setattr(entry_pages, "PAGE_ENTRIES", 1)
    for name in ("a", "b"):
        database(name).fill({A: 5, B: 6})

    async def work(host):
        client = await host.connect()
        return [(await client.ask(f"/shared/entries?server={name}&page={n}")).status for name, n in ("a0", "b0", "b1", "a1")]

    assert run(work) == [200, 200, 200, 404]


def test_a_database_that_is_missing_or_empty_has_one_page_without_entries(run, database):
    database("b").fill({})

    async def work(host):
        client = await host.connect()
        return [(await client.ask(f"/shared/entries?server={name}&page=0")).body for name in "ab"]

    assert run(work) == [{"page": 0, "pages": 1, "entries": []}] * 2


@pytest.mark.parametrize(
    ("query", "status"), [("server=c&page=0", 404), ("page=0", 404), ("server=a&page=x", 400), ("server=a", 503)]
)
def test_what_cannot_be_read_is_an_error_and_the_service_goes_on(run, database, query, status):
    database("a").fill({}).damage()

    async def work(host):
        client = await host.connect()
        answer = await client.ask(f"/shared/entries?{query}")
        assert (await client.ask(outbox())).status == 200
        if status == 503:
            assert "repair" in answer.body["error"]
        return answer.status

    assert run(work) == status


def test_a_large_database_is_read_and_changed_by_a_child(run, database, monkeypatch):
    monkeypatch.setattr(large_write, "LARGEST_READ_BYTES", 0)
    monkeypatch.setattr(large_write, "LARGEST_OWN_BYTES", 0)
    now = int(time.time())
    wanted = {f"10.0.{n >> 8}.{n & 255}": now - n for n in range(5000)}
    database("a").fill(wanted)

    async def work(host):
        client = await host.connect()
        seen = {}
        for number in range(3):
            answer = await client.ask(f"/shared/entries?server=a&page={number}")
            assert answer.body["pages"] == 3
            seen.update(answer.body["entries"])
        assert seen == wanted
        answer = await host.change(client, a={"revoked": {"10.0.0.5": now}, "logins": {A: now}})
        assert answer["written"] == ["a"]

    run(work)
    entries = database("a").entries()
    assert entries[A] == str(now)
    assert "10.0.0.5" not in entries


def test_of_too_many_entries_the_latest_are_handed_out(database, monkeypatch):
    monkeypatch.setattr(entry_pages, "MOST_ENTRIES", 3)
    database("a").fill({f"10.0.0.{number}": number for number in range(10)})
    (page,) = entry_pages.read(database("a").path, 1.0)
    assert {key for key, _second in json.loads(page)} == {"10.0.0.7", "10.0.0.8", "10.0.0.9"}


def test_the_largest_page_is_sent_to_a_reader_that_takes_its_time(run, database):
    wanted = {f"ipv6:2001:db8:1234:5678:9abc:def0:1234:{number:x}": 1_700_000_000 for number in range(0x1000, 0x1000 + 2000)}
    database("a").fill(wanted)

    async def work(host):
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_UNIX) as client:
            client.setblocking(False)
            await loop.sock_connect(client, str(host.directory / "shared"))
            await loop.sock_sendall(client, b"GET /shared/entries?server=a&page=0 HTTP/1.1\r\nHost: x\r\n\r\n")
            await asyncio.sleep(0.3)
            whole = b""
            while not whole.endswith(b"]}"):
                whole += await loop.sock_recv(client, 1000)
                await asyncio.sleep(0)
            return len(json.loads(whole.partition(b"\r\n\r\n")[2])["entries"])

    assert run(work) == 2000


# The sockets


@pytest.mark.parametrize("path", ["/shared/outbox", "/shared/changes", "/shared/entries?server=a&page=0"])
def test_the_socket_for_reports_knows_nothing_of_it(run, database, path):
    async def work(host):
        client = await host.connect("login")
        for method, body in (("GET", None), ("POST", {"servers": {"a": {"logins": {A: 5}}}})):
            assert (await client.ask(path, body, method)).status == 404

    run(work)
    assert not database("a").exists


@pytest.mark.parametrize("path", [LOGIN, "/unreported", "/probe/x", "/", "/shared", "/shared/outbox/"])
def test_the_socket_for_the_sharer_knows_nothing_else(run, database, path):
    async def work(host):
        client = await host.connect()
        for method, body in (("GET", None), ("POST", REPORT)):
            assert (await client.ask(path, body, method)).status == 404

    run(work)
    assert not database("a").exists


@pytest.mark.parametrize(
    ("path", "method"), [("/shared/outbox", "POST"), ("/shared/changes", "GET"), ("/shared/entries", "POST")]
)
def test_each_path_has_its_method(run, path, method):
    async def work(host):
        return (await (await host.connect()).ask(path, {}, method)).status

    assert run(work) == 405


def test_a_connection_of_the_sharer_is_not_kept_for_the_next_recorder(run, monkeypatch):
    stored = []
    monkeypatch.setattr(fd_store.daemon, "notify", lambda state, fds=(): stored.append(state))

    async def work(host):
        client = await host.connect()
        await client.ask(outbox())
        await asyncio.sleep(3 * fd_store.STORE_SECONDS)

    run(work)
    assert [state for state in stored if state.startswith("FDSTORE")] == []


def test_every_answer_is_sent_with_one_write(run, monkeypatch):
    sent = []
    send = Connection._send
    monkeypatch.setattr(Connection, "_send", lambda self, data: (sent.append(data), send(self, data))[1])

    async def work(host):
        client = await host.connect()
        for path in (outbox(), "/shared/entries?server=a&page=0", "/shared/entries?server=x"):
            await client.ask(path)
        await host.change(client, a={"logins": {A: 5}})

    run(work)
    assert len(sent) == 4


def test_no_code_of_the_login_path_knows_the_sharer():
    assert "shared" not in Path(recorder.__file__).with_name("http_service.py").read_text()
