# SPDX-License-Identifier: GPL-3.0-or-later
"""What the store keeps for others to do: what is to be published, and what is to be written."""

from __future__ import annotations

from ansible_collections.vsmtp.relay.dev.support.opened_store import ENGINE, KEY, NOW, SECOND, Opened
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.merge import LOGIN, REVOKED, Stamps
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.store import Sent


def test_what_changes_while_it_is_written_is_written_again(opened):
    opened.received(login=NOW - 9000)
    tasks = opened.store.todo(NOW, 10)["customers"]
    opened.received(revoked=NOW - 5000)
    opened.store.done("customers", tasks)
    assert opened.todo() == {KEY: (REVOKED, SECOND - 5)}
    assert opened.store.count_todo() == 1


def test_what_was_held_for_an_engine_that_is_gone_is_written(opened):
    opened.received(login=NOW - 9000, hold=True)
    opened.store.release_without([ENGINE, "other"])
    assert opened.todo() == {}
    opened.store.release_without(["other"])
    assert opened.todo() == {KEY: (LOGIN, SECOND - 9)}


def test_each_server_has_its_share_of_what_is_written(opened):
    for number in range(20):
        opened.own("revoke", NOW, key=f"10.0.0.{number}")
    opened.own("revoke", NOW, server="other")
    found = opened.store.todo(NOW, 10)
    assert {server: len(tasks) for server, tasks in found.items()} == {"customers": 5, "other": 1}
    assert set(opened.store.todo(NOW, 10, without={"customers"})) == {"other"}


def test_what_is_written_goes_round_the_servers(opened):
    opened.own("revoke", NOW)
    opened.own("revoke", NOW, server="other")
    assert list(opened.store.todo(NOW, 100)) == ["customers", "other"]
    for after, server in (("", "customers"), ("customers", "other"), ("other", "customers"), ("customers0", "other")):
        assert list(opened.store.todo(NOW, 100, (), 1, after)) == [server]
    assert list(opened.store.todo(NOW, 100, ("customers",), 1, "other")) == ["other"]


def test_all_is_sent_again_to_every_engine_in_the_same_order(opened):
    for number in range(5):
        opened.own("login", NOW - number, key=f"10.0.0.{number}")
    opened.store.set_sent(ENGINE, Sent(5, 5))
    before = opened.published("other")
    opened.store.send_all_again(above=77)
    assert opened.published() == opened.published("other") == before
    assert opened.store.unsent(ENGINE, NOW, 9)[0].seq == 78
    assert opened.store.count_unsent(ENGINE, NOW) == 5
    opened.own("login", NOW, key="10.0.0.9")
    assert opened.store.unsent(ENGINE, NOW, 9)[-1].seq == 83


def test_what_this_host_said_before_it_lost_its_store_is_its_own_again(opened):
    opened.received(login=NOW - 9, revoked=NOW - 5, origin="mail1")
    assert opened.published() == [(KEY, NOW - 9, NOW - 5)]
    opened.store.set_sent(ENGINE, Sent(1, 1))
    opened.received(login=NOW - 9, revoked=NOW - 5, origin="mail1")
    assert opened.published() == []


def test_a_host_that_does_not_publish_its_logins_publishes_its_revocations(tmp_path):
    store = Opened(tmp_path, publishes=False)
    store.own("login", NOW)
    assert store.published() == []
    store.own("revoke", NOW)
    assert store.published() == [(KEY, 0, NOW)]


def test_a_clock_that_is_set_moves_all_stamps(opened):
    opened.own("login", NOW - 1000)
    opened.received(key="10.0.0.2", login=NOW - 7, revoked=NOW - 5)
    opened.store.shift(-600_000)
    assert opened.published() == [(KEY, NOW - 601_000, 0)]
    assert opened.store._row("customers", "10.0.0.2").stamps == Stamps(NOW - 600_007, NOW - 600_005)
    opened.store.clamp(NOW - 700_000)
    assert opened.store._row("customers", "10.0.0.2").stamps == Stamps(NOW - 700_002, NOW - 700_000)
    assert opened.published() == [(KEY, NOW - 700_000, 0)]


def test_servers_that_are_not_shared_and_other_ops_are_passed_over(opened):
    opened.own("login", NOW, server="elsewhere")
    assert opened.compare("elsewhere", [(KEY, SECOND)], NOW) == (0, 0)
    assert opened.published() == []
