# SPDX-License-Identifier: GPL-3.0-or-later
"""The file of the store: what a start finds, what a crash leaves, and a damaged one."""

from __future__ import annotations

import os
import sqlite3

import pytest

from ansible_collections.vsmtp.relay.dev.support.opened_store import ENGINE, KEY, NOW, SECOND, Opened
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import UnwritableError
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing import store as module
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.merge import LOGIN
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.store import Cursor, OwnEvent, Sent


def test_it_is_all_there_after_a_start_and_numbers_do_not_come_again(tmp_path):
    first = Opened(tmp_path)
    first.own("login", NOW - 9)
    first.received(key="10.0.0.2", login=NOW)
    first.store.set_sent(ENGINE, Sent(1, 1, 5, 7, -3))
    first.store.join_received(ENGINE, "mail2", [], NOW, Cursor("5-1", 4))
    first.store.keep_note("boot", "1")
    first.store.close()
    again = Opened(tmp_path)
    assert again.store.sent(ENGINE) == Sent(1, 1, 5, 7, -3)
    assert again.store.cursor(ENGINE, "mail2") == Cursor("5-1", 4)
    assert again.store.cursor(ENGINE, "mail3") is None
    assert (again.store.note("boot"), again.store.note("other")) == ("1", "")
    assert again.todo() == {"10.0.0.2": (LOGIN, SECOND)}
    assert again.published() == []
    again.own("login", NOW, key="10.0.0.3")
    assert again.store.unsent(ENGINE, NOW, 9)[0].seq == 6
    again.store.forget_cursor(ENGINE, "mail2")
    assert again.store.cursor(ENGINE, "mail2") is None


@pytest.mark.parametrize("content", [b"\xa5" * 8192, b"SQLite format 3\0" + b"\xa5" * 8192])
def test_a_damaged_store_is_set_aside_at_the_start(tmp_path, content):
    (tmp_path / "store.db").write_bytes(content)
    store = Opened(tmp_path)
    assert store.store.was_damaged
    assert (tmp_path / "store.db.damaged").read_bytes() == content
    store.own("login", NOW)
    store.store.close()
    assert not Opened(tmp_path).store.was_damaged


def test_a_store_of_another_layout_is_set_aside(tmp_path):
    with sqlite3.connect(tmp_path / "store.db") as other:
        other.execute("CREATE TABLE entry (x)")
        other.execute("PRAGMA user_version=99")
    other.close()
    assert Opened(tmp_path).store.was_damaged


def test_a_store_that_turns_out_to_be_damaged_is_set_aside(tmp_path):
    store = Opened(tmp_path)
    for number in range(2000):
        store.own("login", NOW, key=f"10.0.{number >> 8}.{number & 255}")
    store.store._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store.store._connection.execute("PRAGMA cache_size=1")
    size = os.path.getsize(tmp_path / "store.db")
    with open(tmp_path / "store.db", "r+b") as file:
        file.seek(8192)
        file.write(b"\xa5" * (size - 8192))
    events = [OwnEvent("customers", f"10.0.{number >> 8}.{number & 255}", "revoke", NOW) for number in range(2000)]
    with pytest.raises(module.Damaged, match="a new one is made"):
        store.store.join_own(events, NOW)
    assert not (tmp_path / "store.db").exists()


def test_a_directory_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(UnwritableError, match=r"store\.db: cannot be opened"):
        Opened(tmp_path / "missing")


def test_a_transaction_that_fails_changes_nothing(opened):
    events = [OwnEvent("customers", KEY, "login", NOW), OwnEvent("customers", object(), "login", NOW)]
    with pytest.raises((sqlite3.Error, TypeError, module.Damaged)):
        opened.store.join_own(events, NOW)
    assert opened.published() == []
    opened.own("login", NOW)
    assert opened.store.unsent(ENGINE, NOW, 9)[0].seq == 1


def test_a_revocation_is_flushed_before_it_is_acknowledged(opened):
    statements = []
    opened.store._connection.set_trace_callback(statements.append)
    opened.store.join_own([OwnEvent("customers", KEY, "revoke", NOW)], NOW, durable=True)
    assert statements.index("PRAGMA synchronous=FULL") < statements.index("COMMIT")
    assert statements[-1] == "PRAGMA synchronous=NORMAL"
