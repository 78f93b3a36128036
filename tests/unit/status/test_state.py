# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a virtual server: its entries and their ages, and whether the running sendmail looks there."""

from __future__ import annotations

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import UnreadableError
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sendmail import daemon
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sendmail.cf_text import candidates
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sendmail.ruleset import Ruleset
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.status import state as status

NOW = 1_790_000_000
STOCK = "O PidFile=/nowhere/sendmail.pid\nScheck_rcpt\nR$*\t$: $1 $| $>Local_check_rcpt $1\nSRcpt_ok\n"


def test_entries_are_counted_by_their_age_in_hours(relayers_db):
    ages = {"a": 0, "b": 3599, "c": 3600, "d": 86399, "e": 86400, "f": 9_000_000}
    relayers_db.fill({**{key: NOW - age for key, age in ages.items()}, "pinned": NOW + 1, "other": "RELAY"})
    state = status.of_database(relayers_db.path, NOW)
    assert state["entries"] == 8
    assert state["pinned"] == 1
    assert state["oldest"] == NOW - 9_000_000
    assert state["newest"] == NOW
    assert state["ages"] == [2, 1, *[0] * 21, 1, 2]


def test_a_database_that_is_not_there_is_empty(relayers_db):
    state = status.of_database(relayers_db.path, NOW)
    assert state == {"entries": 0, "pinned": 0, "permanent": 0, "oldest": None, "newest": None, "ages": [0] * 25}


def test_a_damaged_database_is_a_fault(relayers_db):
    relayers_db.fill({"a": NOW}).damage()
    with pytest.raises(UnreadableError, match=relayers_db.path):
        status.of_database(relayers_db.path, NOW)


@pytest.fixture
def sendmail_cf(tmp_path):
    """Return the path of a configuration with the ruleset, which looks into /srv/a/relayers.db."""
    path = tmp_path / "sendmail.cf"
    path.write_text(candidates(STOCK, mc=False)[0].text(Ruleset("/srv/a/relayers.db", 60)))
    return path


def test_a_file_without_the_ruleset_has_none(sendmail_cf):
    assert status.of_ruleset(str(sendmail_cf), "/srv/b/relayers.db") == ("missing", None)
    sendmail_cf.write_text(STOCK)
    assert status.of_ruleset(str(sendmail_cf), "/srv/a/relayers.db") == ("missing", None)
    sendmail_cf.unlink()
    assert status.of_ruleset(str(sendmail_cf), "/srv/a/relayers.db") == ("missing", None)


@pytest.mark.parametrize(
    ("claimed", "behind", "refusal", "state"),
    [
        (False, False, "", "no daemon"),
        (True, True, "", "not read yet"),
        (True, True, "doubt", "not read yet"),
        (True, False, "", "live"),
        (True, False, "doubt", "unproven"),
    ],
)
def test_the_ruleset_is_live_if_the_running_daemon_has_read_it(sendmail_cf, monkeypatch, claimed, behind, refusal, state):
    monkeypatch.setattr(daemon.Daemon, "is_claimed", lambda self: claimed)
    monkeypatch.setattr(daemon.Daemon, "is_behind", lambda self: behind)
    monkeypatch.setattr(daemon.Daemon, "refusal", lambda self: refusal)
    assert status.of_ruleset(str(sendmail_cf), "/srv/a/relayers.db") == (state, 60)


def test_a_file_with_other_ends_of_lines_is_understood(sendmail_cf):
    sendmail_cf.write_bytes(sendmail_cf.read_bytes().replace(b"\n", b"\r\n"))
    assert status.of_ruleset(str(sendmail_cf), "/srv/a/relayers.db") == ("no daemon", 60)
