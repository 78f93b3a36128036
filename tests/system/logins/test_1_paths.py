# SPDX-License-Identifier: GPL-3.0-or-later
"""Recorded means: let in, with a secret of theirs. And who is let in is recorded by the time at which the client sees it.

``WRITE_TABLE=1`` writes the table of docs/logins.md anew.
"""

from __future__ import annotations

import os

import pytest

from . import table
from .conftest import RELEASES
from .paths import LOCKED_ELSEWHERE, NO_PASSWORD, PATHS, RIGHT_THEN_REFUSED

# Nobody who reports a login can know these, since Dovecot decides later or does not say: account → reason.
EXCEPTIONS = {
    "fine; its mailbox cannot be opened (`chroot`)": RIGHT_THEN_REFUSED,
    "fine; more sessions than `mail_max_userip_connections`": RIGHT_THEN_REFUSED,
    "fine; more sessions than `process_limit`": RIGHT_THEN_REFUSED,
    "fine; a post-login script refuses": RIGHT_THEN_REFUSED,
    "without userdb fields": RIGHT_THEN_REFUSED,
    "`nopassword`, any password": NO_PASSWORD,
    "any, any password": NO_PASSWORD,
}
MISSED = {
    "`nologin`, by a master user": LOCKED_ELSEWHERE,
    "fine in PAM, `nologin` in passwd-file": LOCKED_ELSEWHERE,
}


@pytest.mark.fault("not-let-in")
@pytest.mark.parametrize("release", RELEASES, ids=[f"Dovecot {version}" for version in RELEASES.values()])
@pytest.mark.parametrize("path", PATHS, ids=str)
def test_who_is_let_in_by_a_secret_is_recorded_when_the_client_sees_it_and_nobody_else_ever(outcomes, path, release):
    for service in path.services:
        outcome = outcomes[release][path, service]
        assert outcome.let_in == path.lets_in, outcome
        assert (outcome.listed, outcome.listed_later) == (path.is_recorded, path.is_recorded), outcome
        there = path.there and path.lets_in
        assert (outcome.listed_there, outcome.listed_there_later) == (there, there), outcome


def test_all_exceptions_are_known():
    found = {path.account: path.recorded_since for path in PATHS if path.is_recorded and not path.is_to_be_recorded}
    assert found == EXCEPTIONS
    assert {path.account: path.missed_since for path in PATHS if path.is_to_be_recorded and not path.is_recorded} == MISSED


@pytest.mark.parametrize("release", RELEASES, ids=[f"Dovecot {version}" for version in RELEASES.values()])
def test_no_process_of_dovecot_dies_of_being_asked(hosts, outcomes, release):
    journal = hosts[release].guest.run(["journalctl", "--unit=dovecot", "--unit=dovecot2", "--output=cat"]).stdout
    assert [line for line in journal.splitlines() if "killed with signal" in line] == []


def test_the_page_shows_what_came_of_each(outcomes):
    made = table.render(outcomes, RELEASES)
    if os.environ.get("WRITE_TABLE"):
        table.PAGE.write(made)
    assert table.PAGE.shown() == made, "write the table anew: make logins WRITE_TABLE=1"
