# SPDX-License-Identifier: GPL-3.0-or-later
"""What the recorder counts for monitoring, and the file that has it."""

from __future__ import annotations

import asyncio
import json
import os
import timeit

import pytest

from ansible_collections.vsmtp.relay.dev.support.waiting import until
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay import __version__
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import MalformedError
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder import counts, counts_file
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.counts import BOUNDS, Counts

from .conftest import report


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "counts.json")


@pytest.fixture
def soon(monkeypatch):
    monkeypatch.setattr(counts, "WRITE_SECONDS", 0.01)


def test_the_file_is_there_from_the_start_and_has_what_was_counted_soon(path, soon):
    async def work():
        counted = Counts(path)
        counted.write_soon()
        await until(lambda: os.path.exists(path))
        assert counts_file.load(path)["logins"] == []
        for _login in range(3):
            counted.add("recorded", "a", "imap")
        counted.add("refused", "", "")
        counted.recorded_in(0.003)
        await until(lambda: counts_file.load(path)["logins"])
        return counted

    counted = asyncio.run(work())
    found = counts_file.load(path)
    assert found["logins"] == [("recorded", "a", "imap", 3), ("refused", "", "", 1)]
    assert (sum(found["records"]), found["record_seconds"]) == (1, 0.003)
    assert json.loads(open(path).read())["version"] == __version__  # noqa: SIM115
    assert counted.members()["started"] == found["started"]
    assert os.listdir(os.path.dirname(path)) == ["counts.json"]


def test_a_login_is_in_the_bucket_of_the_first_bound_that_it_does_not_exceed():
    counted = Counts()
    for seconds in (0.0, BOUNDS[0], BOUNDS[0] + 1e-9, BOUNDS[-1], BOUNDS[-1] + 1):
        counted.recorded_in(seconds)
    assert counted.members()["records"] == [2, 1, *[0] * (len(BOUNDS) - 3), 1, 1]


def test_nothing_is_written_without_a_change_and_one_file_at_a_time(path, soon, monkeypatch):
    written = []
    save = counts.save

    def noting(path, members):
        written.append(members["logins"])
        save(path, members)

    monkeypatch.setattr(counts, "save", noting)

    async def work():
        counted = Counts(path)
        for _time in range(50):
            counted.add("recorded", "a", "imap")
        await until(lambda: written)
        counted.add("recorded", "a", "imap")
        await until(lambda: len(written) == 2)
        await asyncio.sleep(0.1)

    asyncio.run(work())
    assert [logins["recorded", "a", "imap"] for logins in written] == [50, 51]


@pytest.mark.fault("metrics")
def test_a_file_that_cannot_be_written_is_one_line_and_is_written_later(path, tmp_path, soon):
    messages = []
    missing = tmp_path / "missing"

    async def work():
        counted = Counts(str(missing / "counts.json"), messages.append)
        for _time in range(3):
            counted.add("recorded", "a", "imap")
            await asyncio.sleep(0.05)
        missing.mkdir()
        counted.add("recorded", "a", "imap")
        await until(lambda: counts_file.load(str(missing / "counts.json")))

    asyncio.run(work())
    (message,) = messages
    assert "the counts for monitoring cannot be written" in message


def test_without_a_path_nothing_is_written_and_no_event_loop_is_needed(tmp_path):
    counted = Counts()
    counted.add("recorded", "a", "imap")
    counted.write_soon()
    assert counted.members()["logins"] == {("recorded", "a", "imap"): 1}


WRONG = {
    "no JSON": "x",
    "no object": "[]",
    "nothing": "{}",
    "too few records": {"records": [1]},
    "no numbers": {"logins": [["recorded", "a", "imap", "many"]]},
    "no lists": {"logins": [1]},
    "no start": {"started": None},
}


@pytest.mark.parametrize("case", WRONG)
def test_a_file_of_another_kind_is_an_error_in_one_line(path, case):
    wrong = WRONG[case]
    counts_file.save(path, Counts().members())
    with open(path, "r+") as file:
        text = wrong if isinstance(wrong, str) else json.dumps({**json.load(file), **wrong})
        file.seek(0)
        file.write(text)
        file.truncate()
    with pytest.raises(MalformedError) as error:
        counts_file.load(path)
    assert "\n" not in str(error.value)
    assert "run systemctl restart vsmtprelay-recorder" in str(error.value)


def test_no_file_is_no_error(path):
    assert counts_file.load(path) is None


def test_counting_takes_microseconds_of_a_login():
    counted = Counts()

    def login():
        counted.add("recorded", "a", "imap")
        counted.recorded_in(0.001)

    # The fastest of several, since other processes are at work.
    assert min(timeit.repeat(login, number=1000, repeat=20)) / 1000 < 20e-6


def test_the_recorder_counts_each_login_by_its_server_and_service(serve, recorder_module, native_database, monkeypatch):
    monkeypatch.setattr(recorder_module, "FINISH_SECONDS", 0.05)
    native_database("b/etc/relayers.db").fill({}).damage()

    async def talk(service):
        await service.ask(report())
        await service.ask(report(rip="198.51.100.8", service="imap"))
        await service.ask(report(rip="198.51.100.9", lip="192.0.2.2"))
        await service.ask(report(rip="127.0.0.1"))
        await service.ask(b"nonsense")
        return service.log

    members = serve(talk).counts.members()
    logins = members["logins"]
    # It tries again after a second.
    assert logins.pop(("failed", "b", "")) >= 1
    # A busy machine may be late.
    logins = {key: number for key, number in logins.items() if key[:2] != ("delayed", "a")}
    assert logins == {
        ("recorded", "a", "pop3"): 1,
        ("recorded", "a", "imap"): 1,
        ("delayed", "b", "pop3"): 1,
        ("ignored", "", ""): 1,
        ("refused", "", ""): 1,
    }
    assert sum(members["records"]) == 2
    assert 0 < members["record_seconds"] < 5
