# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a fleet as words and as a table on the terminal."""

from __future__ import annotations

import pytest

from ansible_collections.vsmtp.relay.dev.support.fleet_state import fleet, host, server, troubled
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.status.words import ago
from ansible_collections.vsmtp.relay.plugins.plugin_utils.status_table import table
from ansible_collections.vsmtp.relay.plugins.plugin_utils.status_words import attention, summary


def test_a_row_tells_all_of_a_virtual_server():
    lines = table(fleet(host("mail1", server("one"))))
    assert " ".join(lines[0].split()) == "host virtual server entries oldest newest future ruleset recorder expiry drift"
    assert " ".join(lines[2].split()) == "mail1 one 30 30 h 1 min 2 live up 5 h ago none"
    assert lines[-1] == "Nothing needs attention."


def test_what_is_the_hosts_stands_in_its_first_row_only():
    lines = table(fleet(host("mail1", server("one"), server("two"))))
    assert lines[2].split()[-4:] == ["5", "h", "ago", "none"]
    assert " ".join(lines[3].split()) == "two 30 30 h 1 min 2 live"


def test_columns_are_as_wide_as_what_is_in_them():
    lines = table(fleet(host("a", server("x")), host("longer-than-all", server("y", entries=1_234_567))))
    rows = lines[2:4]
    assert rows[0].index("live") == rows[1].index("live") == lines[0].index("ruleset")
    assert "1,234,567" in rows[1]


def test_wide_characters_take_two_columns():
    lines = table(fleet(host("邮件", server("x")), host("mail", server("y"))))
    # Each of the two is one character, and two columns.
    assert lines[2].index("live") == lines[3].index("live") - 2


def test_everything_that_needs_attention_is_a_sentence_with_host_and_remedy():
    sentences = attention(troubled())
    beginnings = [sentence.partition(": ")[0] for sentence in sentences]
    many = "many-servers-have-a-long-name.example.org"
    assert beginnings == ["<script>alert('&')</script>", "late", "late", "failed", "fails", "differs", many, many, many]
    assert (
        "differs: differs from what the role would install: /etc/0, /etc/1, /etc/2 and 6 more; run vsmtp.relay.site"
        in sentences
    )
    assert f"{many}: missing: /srv/missing/etc/sendmail.cf has no ruleset for this server; run vsmtp.relay.site" in sentences


def test_each_reason_why_logins_are_not_recorded_is_a_sentence():
    faults = ["Dovecot (/etc/dovecot/dovecot.conf) does not report logins", "Dovecot (/etc/other.conf) does not"]
    assert attention(fleet(host("a", recorder="unproven", recorder_faults=faults))) == [f"a: {fault}" for fault in faults]


def test_a_character_that_a_terminal_would_obey_is_shown_as_what_it_is():
    lines = table(fleet({"host": "mail\x1b[31m", "fault": "gone\r\n"}))
    assert "\x1b" not in "".join(lines)
    assert r"mail\x1b[31m" in lines[2]


def test_the_summary_counts_hosts_servers_and_entries():
    assert summary(fleet(host("a"))) == "1 host, 1 virtual server, 30 entries, 2 of them in the future"
    assert summary(fleet()) == "0 hosts, 0 virtual servers, 0 entries, 0 of them in the future"


def test_a_fleet_without_hosts_has_a_table_without_rows():
    assert len(table(fleet())) == 5


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "59 min"), (3600, "1 h"), (172799, "47 h"), (172800, "2 d")],
)
def test_times_are_told_as_people_do(seconds, text):
    assert ago(seconds) == text
