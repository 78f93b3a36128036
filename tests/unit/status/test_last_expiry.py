# SPDX-License-Identifier: GPL-3.0-or-later
"""When the nightly expiry last ran, and whether it ran last night."""

from __future__ import annotations

import calendar
import os
import time

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.status import last_expiry

CRON = "# A comment.\n15 3 * * * root /usr/local/bin/vsmtprelay --all expire 1440\n"


def at(text):
    return calendar.timegm(time.strptime(text, "%Y-%m-%d %H:%M"))


@pytest.fixture(autouse=True)
def utc(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def crontab(tmp_path):
    """Return the path of a crontab that was written a month before."""
    path = tmp_path / "crontab"
    path.write_text(CRON)
    os.utime(path, (at("2026-10-24 00:00"),) * 2)
    return str(path)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "expiry")


def test_what_was_noted_is_told(path):
    assert last_expiry.last(path) is None
    last_expiry.note(66, 1790000000, path)
    assert last_expiry.last(path) == (1790000000, 66)


@pytest.mark.parametrize("text", ["", "x y\n", "5\n", "5 6 7\n", "-5 0\n"])
def test_what_is_no_note_is_none(path, text):
    with open(path, "w") as file:
        file.write(text)
    assert last_expiry.last(path) is None


def test_where_the_role_was_not_nothing_is_noted(tmp_path):
    last_expiry.note(0, 5, str(tmp_path / "missing" / "expiry"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("now", "ran", "late"),
    [
        ("2026-11-24 12:00", "2026-11-24 03:15", False),
        ("2026-11-24 12:00", "2026-11-23 03:15", True),
        ("2026-11-24 12:00", None, True),
        # It has some minutes to run.
        ("2026-11-24 03:20", "2026-11-23 03:15", False),
        ("2026-11-24 03:31", "2026-11-23 03:15", True),
        ("2026-11-24 01:00", "2026-11-23 03:16", False),
        ("2026-11-24 01:00", "2026-11-22 03:16", True),
    ],
)
def test_it_is_late_if_it_did_not_run_when_it_last_was_to(crontab, path, now, ran, late):
    if ran:
        last_expiry.note(0, at(ran), path)
    assert last_expiry.is_late(at(now), crontab, path) is late


def test_before_there_was_a_crontab_it_had_nothing_to_do(crontab, path):
    os.utime(crontab, (at("2026-11-24 10:00"),) * 2)
    assert not last_expiry.is_late(at("2026-11-24 12:00"), crontab, path)
    assert last_expiry.is_late(at("2026-11-25 12:00"), crontab, path)


@pytest.mark.parametrize("text", [None, "", "# nothing\n", "@daily root vsmtprelay\n", "*/5 3 * * * root x\n"])
def test_without_a_time_to_run_it_is_not_late(tmp_path, path, text):
    crontab = tmp_path / "crontab"
    if text is not None:
        crontab.write_text(text)
    assert not last_expiry.is_late(at("2026-11-24 12:00"), str(crontab), path)
