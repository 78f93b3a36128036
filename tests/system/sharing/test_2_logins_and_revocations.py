# SPDX-License-Identifier: GPL-3.0-or-later
"""A login on one host opens all others within a second, a revocation closes them within a second, and both last."""

from __future__ import annotations

import time

import pytest

from support.mail import log_in, rcpt
from support.sharing import OPEN, REFUSED, figures, seconds_until
from support.waiting import wait_until

from .faults import store_lost
from .fleet import ENGINES, HOSTS, OFFICE, RECORDER, RELAYS, SHARER

MOST_SECONDS = 1.0
MOST_P50, MOST_P99 = 0.1, 0.5
LOGINS = 60
PAUSE_SECONDS = 0.1
# A revocation is stamped in whole seconds, as entries are.
WHOLE_SECOND = 1.1


@pytest.fixture
def opened(fleet):
    """An address that has logged in on mail1 and may relay on all hosts."""
    source, at = fleet.log_in()
    seconds_until(source, fleet.relays, OPEN, at)
    time.sleep(WHOLE_SECOND)
    return source


def is_open(fleet, source):
    """Return the hosts that let ``source`` relay, and those whose database has it."""
    relaying = {name for name, address in fleet.relays.items() if rcpt(source, address)[0] == OPEN}
    return relaying | {name for name in HOSTS if source.address4 in fleet.listed(name)}


def test_a_login_on_a_host_that_only_serves_pop_is_relayed_everywhere_within_a_second(fleet):
    taken = []
    for _ in range(LOGINS):
        source, at = fleet.log_in("mail1")
        taken += seconds_until(source, fleet.relays, OPEN, at).values()
        time.sleep(PAUSE_SECONDS)
    print(f"login on mail1, relayed on mail2 and mail3: {figures(taken)}")
    ordered = sorted(taken)
    assert ordered[-1] <= MOST_SECONDS
    assert ordered[len(ordered) // 2] <= MOST_P50
    assert ordered[int(0.99 * len(ordered))] <= MOST_P99


def test_a_login_on_a_host_that_does_both_is_relayed_there_at_once_and_elsewhere_within_a_second(fleet):
    taken = []
    for _ in range(LOGINS // 4):
        source, at = fleet.log_in("mail3")
        assert rcpt(source, fleet.addresses["mail3"])[0] == OPEN
        taken += seconds_until(source, {"mail2": fleet.addresses["mail2"]}, OPEN, at).values()
    print(f"login on mail3, relayed on mail2: {figures(taken)}")
    assert max(taken) <= MOST_SECONDS


def test_every_host_has_the_entry_with_the_time_of_the_login(fleet, opened):
    stamps = {name: fleet.listed(name)[opened.address4] for name in HOSTS}
    assert max(stamps.values()) - min(stamps.values()) <= 1, stamps
    assert max(stamps.values()) <= time.time()


def test_a_login_for_one_virtual_server_opens_no_other(fleet):
    source = fleet.address("mail3")
    assert log_in(source, fleet.addresses["mail3"])
    wait_until(lambda: source.address4 in fleet.listed("mail2"), 5)
    assert all(source.address4 not in fleet.listed(name, OFFICE["name"]) for name in RELAYS)


@pytest.mark.parametrize("where", HOSTS)
def test_an_address_deleted_on_any_host_is_refused_everywhere_within_a_second(fleet, opened, where):
    at = fleet.command(where, "delete", opened.address4)
    taken = seconds_until(opened, fleet.relays, REFUSED, at)
    print(f"deleted on {where}, refused on mail2 and mail3: {figures(list(taken.values()))}")
    assert max(taken.values()) <= MOST_SECONDS
    wait_until(lambda: not is_open(fleet, opened), 5)


def test_the_address_is_open_again_after_another_login(fleet, opened):
    fleet.command("mail2", "delete", opened.address4)
    wait_until(lambda: not is_open(fleet, opened), 5)
    time.sleep(WHOLE_SECOND)
    assert log_in(opened, fleet.addresses["mail1"])
    taken = seconds_until(opened, fleet.relays, OPEN, time.monotonic())
    assert max(taken.values()) <= MOST_SECONDS


def test_an_address_deleted_here_stays_open_elsewhere_and_does_not_come_back_here(fleet, opened):
    fleet.command("mail3", "delete", "--here", opened.address4)
    assert rcpt(opened, fleet.addresses["mail3"])[0] == REFUSED
    fleet["mail3"].run(["systemctl", "restart", SHARER])
    wait_until(fleet.all_connected, 15)
    time.sleep(2)
    assert is_open(fleet, opened) == {"mail1", "mail2"}


def test_an_address_revoked_by_the_playbook_is_refused_everywhere(fleet, opened):
    run = fleet.play("revoke", "-e", f"relay_address={opened.address4}", "--limit", "mail2")
    assert run.status == 0, run.output
    taken = seconds_until(opened, fleet.relays, REFUSED, time.monotonic())
    assert max(taken.values()) <= MOST_SECONDS
    wait_until(lambda: not is_open(fleet, opened), 5)


def test_a_permission_that_leaves_the_inventory_closes_everywhere_though_its_address_had_logged_in(fleet, opened):
    fleet.permissions[:] = [{"address": opened.address4, "owner": "office", "reason": "scanner"}]
    assert fleet.play("site").status == 0
    # What is permanent is no login: no host learns it from another, and no revocation elsewhere shortens it.
    fleet.command("mail1", "delete", opened.address4)
    time.sleep(WHOLE_SECOND)
    assert set(fleet.relays) <= is_open(fleet, opened)
    assert log_in(opened, fleet.addresses["mail1"])
    time.sleep(WHOLE_SECOND)
    fleet.permissions.clear()
    assert fleet.play("site").status == 0
    taken = seconds_until(opened, fleet.relays, REFUSED, time.monotonic())
    assert max(taken.values()) <= MOST_SECONDS
    wait_until(lambda: not is_open(fleet, opened), 5)
    for name in HOSTS:
        fleet[name].run(["systemctl", "restart", SHARER])
    wait_until(fleet.all_connected, 15)
    time.sleep(2)
    assert not is_open(fleet, opened)


@pytest.mark.fault("late-revocation")
def test_what_is_revoked_stays_closed_after_restarts_after_a_restored_backup_and_on_a_late_host(fleet, tmp_path):
    kept, _at = fleet.log_in()
    gone, at = fleet.log_in()
    seconds_until(gone, fleet.relays, OPEN, at)
    directory = ("-e", f"relay_directory={tmp_path}")
    assert fleet.play("backup", *directory).status == 0
    with store_lost(fleet, "mail2"):
        # mail2 is away, and has lost all that it was told.
        fleet["mail2"].run(["systemctl", "stop", RECORDER], check=False)
        fleet.command("mail3", "delete", gone.address4)
        wait_until(lambda: gone.address4 not in fleet.listed("mail1"), 5)
    wait_until(lambda: not is_open(fleet, gone), 5)
    assert is_open(fleet, kept) == set(HOSTS)

    assert fleet.play("restore", *directory).status == 0
    wait_until(lambda: not is_open(fleet, gone), 5)

    for engine in ENGINES:
        fleet[engine].run(["systemctl", "restart", fleet.unit(engine)])
    for name in HOSTS:
        fleet[name].run(["systemctl", "restart", RECORDER, SHARER])
    wait_until(fleet.all_connected, 15)
    # Whatever was to be said again has been said by now.
    time.sleep(3)
    assert not is_open(fleet, gone)
    assert is_open(fleet, kept) == set(HOSTS)
