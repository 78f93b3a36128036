# SPDX-License-Identifier: GPL-3.0-or-later
"""The ruleset in sendmail.cf files of every kind, stock and written by hand, judged over SMTP by daemons that run with them.

The tests build on each other, for each release in turn.
"""

from __future__ import annotations

import pytest

from support.mail import LOCAL, REMOTE

# Ways to have a host pass mail on that looks local.
TRICKS = (
    f"<{REMOTE}>",
    "<somebody@[203.0.113.9]>",
    "<somebody%remote.example@example.test>",
    '<"somebody@remote.example"@example.test>',
    "<remote.example!somebody@example.test>",
    "<@example.test:somebody@remote.example>",
    "<somebody@remote.example@example.test>",
    "<somebody%remote.example%other.example@example.test>",
    '<"somebody%remote.example"@example.test>',
    "<somebody@example.test@remote.example>",
    "<other.example!remote.example!somebody>",
)
BLACK = "<black@remote.example>"
ACCEPTED = 250


def refused(code):
    return 500 <= code < 600


@pytest.fixture(scope="module")
def counts():
    """How many files and answers were looked at; printed on the last line."""
    counts = {"files": 0, "answers": 0, "edits": 0}
    yield counts
    print(f"\n{counts['files']} files, {counts['edits']} edits, {counts['answers']} answers to RCPT")


@pytest.fixture
def answers(host, counts):
    """Return file name → whether what a client was told about a recipient is as expected."""

    def answers(client, recipient, expected, chosen=lambda file: True):
        found = {file.name: host.ask(client, file, recipient) for file in host.files if chosen(file)}
        counts["answers"] += len(found)
        return {name: code for name, code in found.items() if not expected(code)}

    return answers


def accepted(code):
    return code == ACCEPTED


@pytest.mark.fault("open-sendmail-cf")
def test_without_the_ruleset_strangers_may_relay_through_the_open_ones_and_only_there(host, answers, stranger, counts):
    counts["files"] += len(host.files)
    host.start()
    assert not answers(stranger, REMOTE, accepted, lambda file: file.was_open)
    assert not answers(stranger, REMOTE, refused, lambda file: not file.was_open)
    host.stop()


def test_in_check_mode_no_file_is_touched(host):
    run = host.apply("present", "--check")
    assert run.status == 0, run.output
    assert host.sums() == host.before


def test_one_task_puts_the_ruleset_into_all_of_them(host, counts):
    run = host.apply("present")
    assert run.status == 0, run.output
    counts["edits"] += len(host.files)
    assert not set(host.sums()) & set(host.before)


def test_a_second_time_changes_nothing(host):
    before = host.sums()
    run = host.apply("present")
    assert run.counts[host.guest.name]["changed"] == 0, run.output
    assert host.sums() == before


def test_who_is_listed_may_relay_through_each(host, answers, reader):
    host.list_client(reader.address4)
    host.start()
    assert not answers(reader, REMOTE, accepted)


@pytest.mark.parametrize("recipient", TRICKS)
@pytest.mark.fault("unreadable-database-open-cf")
def test_strangers_may_not_relay_however_the_recipient_is_written(host, answers, stranger, recipient):
    taken = answers(stranger, recipient, refused)
    assert not [name for name in taken if not host.delivers_locally(name, recipient)]


@pytest.mark.fault("open-sendmail-cf")
def test_the_plain_way_is_refused_by_all(answers, stranger):
    assert not answers(stranger, TRICKS[0], refused)


def test_mail_to_local_users_is_accepted_from_everybody(host, answers, reader, stranger):
    for client in (reader, stranger):
        assert not answers(client, f"<{LOCAL}>", accepted)


def test_a_black_list_of_the_users_own_still_applies_to_those_who_are_listed(host, answers, reader):
    assert not answers(reader, BLACK, refused, lambda file: file.black_list)
    assert not answers(reader, BLACK, accepted, lambda file: not file.black_list)


def test_who_is_no_longer_listed_is_refused(host, answers, reader):
    host.list_client(None)
    assert not answers(reader, REMOTE, refused)


@pytest.mark.fault("unreadable-database-open-cf")
def test_without_a_database_everybody_is_refused_and_local_mail_accepted(host, answers, reader):
    host.guest.run(["rm", *(file.relayers_db for file in host.files)])
    assert not answers(reader, REMOTE, refused)
    assert not answers(reader, f"<{LOCAL}>", accepted)
    host.stop()


def test_another_window_changes_that_line_and_no_other(host, counts):
    before = {file.name: host.guest.path(file.path).read_bytes().splitlines() for file in host.files}
    run = host.apply("present", window=61)
    assert run.status == 0, run.output
    counts["edits"] += len(host.files)
    for file in host.files:
        after = host.guest.path(file.path).read_bytes().splitlines()
        different = [new for old, new in zip(before[file.name], after, strict=True) if old != new]
        assert len(different) == 2, file.name
        assert b"61 minutes" in different[0]
        assert b" 3660 " in different[1]


def test_taken_out_again_every_file_is_what_it_was_byte_by_byte(host, counts):
    run = host.apply("absent")
    assert run.status == 0, run.output
    counts["edits"] += len(host.files)
    assert host.sums() == host.before
