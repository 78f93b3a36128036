# SPDX-License-Identifier: GPL-3.0-or-later
"""The sharing of logins in the table, on the page and in sentences."""

from __future__ import annotations

from ansible_collections.vsmtp.relay.dev.support.fleet_state import MADE, engine, fleet, host, sharing
from ansible_collections.vsmtp.relay.plugins.plugin_utils.status_page import page
from ansible_collections.vsmtp.relay.plugins.plugin_utils.status_table import sharing_rows_of, table
from ansible_collections.vsmtp.relay.plugins.plugin_utils.status_words import attention

OTHER = "engine2.example.org:6380"


def words(line):
    return " ".join(line.split())


def test_each_engine_of_a_host_has_a_row_of_its_own():
    refused = {"mail2": {"no such address": 3, "in the future": 1}, "mail3": {"too many": 1}}
    down = engine(OTHER, connected=False, since=MADE - 90, error="no route", unsent=1234, lag_ms=None, refused=refused)
    lines = table(fleet(host("mail1", sharing=sharing(engine(lag_ms=1012), down)), host("alone"), host("x", sharing=sharing())))
    head = next(number for number, line in enumerate(lines) if line.startswith("host  ") and "engine" in line)
    assert [words(line) for line in lines[head : head + 5]] == [
        "host engine connected since lag unsent refused",
        words(" ".join("-" * len(cell) for cell in ("alone", OTHER, "connected", "1 min", "1,012 ms", "unsent", "refused"))),
        "mail1 engine1.example.org:6380 yes 3 h 1,012 ms 0 0",
        f"{OTHER} no 1 min 1,234 5",
        "x engine1.example.org:6380 yes 3 h 12 ms 0 0",
    ]
    assert lines[head + 5] == ""


def test_a_fleet_that_shares_nothing_has_no_such_table():
    assert not any("engine" in line for line in table(fleet(host("mail1", sharing=None), host("mail2"))))
    assert "engine" not in page(fleet(host("mail1", sharing=None)))


def test_the_page_has_the_rows():
    text = page(fleet(host("mail1", sharing=sharing(engine("<i>:1")))))
    assert "Logins shared with other hosts" in text
    assert "&lt;i&gt;:1" in text


def test_a_connection_with_an_error_is_at_fault():
    (row,) = sharing_rows_of(host("mail1", sharing=sharing(engine(error="OOM"))), MADE)
    assert row[2] == "at fault"


def test_nothing_is_said_of_engines_where_nothing_is_known():
    assert list(sharing_rows_of(host("mail1", sharing={"fault": "down"}), MADE)) == []


def test_what_needs_attention_has_the_name_of_the_host():
    state = {"fault": "the sharer is down"}
    assert attention(fleet(host("mail1", sharing=state))) == ["mail1: the sharer is down"]
