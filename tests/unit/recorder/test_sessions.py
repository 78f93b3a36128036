# SPDX-License-Identifier: GPL-3.0-or-later
"""What the recorder knows of the sessions that may be open: for how long, how many, and what of it the next recorder finds."""

from __future__ import annotations

import os
import signal

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import UnwritableError
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder import sessions as module
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.sessions import Session, Sessions

NOW = 1_700_000_000
LIMIT = 3600
HALF = LIMIT // 2
DATABASE = "/etc/mail/relayers.db"
ME = Session(DATABASE, "10.0.0.1", "me", "/run/dovecot")
HER = ME._replace(user="her")


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "sessions")


@pytest.fixture
def sessions(path):
    return Sessions(path, LIMIT)


def next_recorder(path, now=NOW, databases=(DATABASE,)):
    """Return what is due half the limit after ``now`` in a recorder that starts at ``now``."""
    sessions = Sessions(path, LIMIT)
    sessions.read(databases, now)
    return sessions.due(now + HALF)


def test_a_session_is_due_once_it_was_not_seen_for_half_the_limit(sessions):
    sessions.note(ME, NOW)
    assert sessions.due(NOW + HALF - 1) == {}
    assert sessions.due(NOW + HALF) == {ME: NOW}
    sessions.seen_again(ME, NOW + HALF)
    assert sessions.due(NOW + HALF) == {}
    assert sessions.due(NOW + LIMIT) == {ME: NOW + HALF}


def test_it_is_forgotten_when_its_permission_has_run_out(sessions):
    sessions.note(ME, NOW)
    sessions.note(HER, NOW + 1)
    assert sessions.due(NOW + LIMIT) == {HER: NOW + 1}
    assert len(sessions) == 1


def test_it_is_forgotten_when_it_was_missed_twice_in_a_row(sessions):
    sessions.note(ME, NOW)
    sessions.missed(ME, NOW)
    sessions.seen_again(ME, NOW + 1)
    sessions.missed(ME, NOW)
    sessions.missed(ME, NOW + 1)
    assert len(sessions) == 1
    sessions.missed(ME, NOW + 1)
    assert len(sessions) == 0
    sessions.missed(ME, NOW + 1)
    assert not sessions.is_save_urgent


def test_of_many_that_are_due_those_come_first_that_were_not_seen_for_the_longest_time(sessions, monkeypatch):
    monkeypatch.setattr(module, "MOST_DUE", 2)
    for number in range(3):
        sessions.note(ME._replace(user=str(number)), NOW + number)
    assert [session.user for session in sessions.due(NOW + HALF + 9)] == ["0", "1"]


def test_a_login_that_was_delayed_does_not_make_a_session_older(sessions):
    sessions.note(ME, NOW)
    sessions.note(ME, NOW - 99)
    assert sessions.due(NOW + HALF) == {ME: NOW}


def test_only_those_that_are_due_are_looked_at(sessions):
    for number in range(10_000):
        sessions.note(ME._replace(user=str(number)), NOW + number // 10)
    looked_at = []
    items = sessions._seen.items()
    sessions._seen = type("Counted", (), {"__bool__": lambda _self: True, "values": lambda _self: iter([NOW])})()
    sessions._seen.items = lambda: (looked_at.append(item) or item for item in items)
    assert len(sessions.due(NOW + HALF + 9)) == 100
    assert len(looked_at) == 101


def test_a_session_whose_entry_was_missing_is_forgotten_unless_it_began_anew(sessions):
    sessions.note(ME, NOW)
    sessions.note(HER, NOW)
    sessions.note(HER, NOW + 5)
    sessions.revoked(ME, NOW)
    sessions.revoked(HER, NOW)
    sessions.revoked(ME, NOW)
    assert sessions.due(NOW + HALF + 5) == {HER: NOW + 5}
    assert sessions.is_save_urgent


def test_one_that_was_forgotten_meanwhile_is_not_noted_again(sessions):
    sessions.seen_again(ME, NOW)
    assert len(sessions) == 0


def test_where_a_login_creates_the_entry_anew_the_sessions_from_before_count_no_more(sessions):
    others = [ME._replace(key="10.0.0.2"), ME._replace(relayers_db="/b/relayers.db")]
    for session in (ME, HER, *others):
        sessions.note(session, NOW)
    sessions.created(DATABASE, ["10.0.0.1", "10.0.0.9"])
    assert list(sessions.due(NOW + HALF)) == others
    assert sessions.is_save_urgent


def test_a_login_of_somebody_new_makes_nothing_urgent(sessions):
    sessions.created(DATABASE, ["10.0.0.1"])
    sessions.note(ME, NOW)
    assert not sessions.is_save_urgent


def test_of_more_than_memory_is_to_hold_the_oldest_are_forgotten(sessions, monkeypatch):
    monkeypatch.setattr(module, "MOST_SESSIONS", 2)
    for number in range(3):
        sessions.note(ME._replace(user=str(number)), NOW + number)
    assert [session.user for session in sessions.due(NOW + HALF + 2)] == ["1", "2"]


def test_no_user_displaces_the_sessions_of_others(sessions, monkeypatch):
    monkeypatch.setattr(module, "MOST_OF_USER", 2)
    sessions.note(HER, NOW)
    for number in range(5):
        sessions.note(ME._replace(key=f"10.0.0.{number}"), NOW)
    assert len(sessions) == 3
    sessions.revoked(ME._replace(key="10.0.0.0"), NOW)
    assert len(sessions) == 2
    sessions.note(ME._replace(key="10.0.0.9"), NOW)
    assert len(sessions) == 3


@pytest.mark.parametrize("user", ["a\tb", "a\nb", "x" * 257])
def test_a_name_that_fits_in_no_line_of_a_table_is_not_kept(sessions, user):
    sessions.note(ME._replace(user=user), NOW)
    assert len(sessions) == 0


def test_without_a_limit_nothing_is_kept():
    sessions = Sessions()
    sessions.note(ME, NOW)
    sessions.read([DATABASE], NOW)
    sessions.save(sessions.snapshot())
    assert len(sessions) == 0


def test_the_next_recorder_knows_what_was_saved(sessions, path):
    sessions.note(HER, NOW)
    sessions.note(ME, NOW - 5)
    sessions.note(ME._replace(key="10.0.0.2"), NOW - LIMIT)
    sessions.note(ME._replace(key="10.0.0.3"), NOW + 1)
    sessions.note(ME._replace(relayers_db="/no/longer/relayers.db"), NOW)
    assert not sessions.is_saved
    sessions.save(sessions.snapshot())
    assert sessions.is_saved
    assert list(next_recorder(path)) == [ME, HER]
    assert os.stat(path).st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "line",
    [b"", b"[", b"5", b"[1, 2]", b'["a", "b", "c", 5]', b'["a", "b", "c", "d", "e"]', b'["a", "b", 3, "d", 5]', b"\xff\0"],
)
def test_a_line_that_is_malformed_is_skipped(sessions, path, line):
    sessions.note(ME, NOW)
    sessions.save(sessions.snapshot())
    with open(path, "ab") as file:
        file.write(line + b"\n")
    assert next_recorder(path) == {ME: NOW}


def test_without_a_file_that_can_be_read_nothing_is_known(path):
    assert next_recorder(path) == {}
    os.mkdir(path)
    assert next_recorder(path) == {}


def test_a_file_that_cannot_be_written_is_an_error_that_names_it(tmp_path):
    path = str(tmp_path / "none" / "sessions")
    with pytest.raises(UnwritableError, match=path):
        Sessions(path, LIMIT).save(([ME], [NOW]))


def test_a_kill_leaves_the_file_of_an_earlier_save_or_the_whole_new_one(sessions, path, child):
    for number in range(500):
        sessions.note(ME._replace(key=f"10.0.{number}.1"), NOW)
    sessions.save(sessions.snapshot())

    def save_for_ever():
        while True:
            sessions.save(sessions.snapshot())

    for _turn in range(5):
        inode = os.stat(path).st_ino
        process = child(save_for_ever)
        while os.stat(path).st_ino == inode:
            pass
        os.kill(process.pid, signal.SIGKILL)
        with pytest.raises(AssertionError, match="the child ended with 9"):
            process.result()
        assert len(next_recorder(path)) == 500
