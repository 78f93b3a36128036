# SPDX-License-Identifier: GPL-3.0-or-later
"""vsmtp.relay.site over a fleet in which one host is down, one has a broken sendmail.cf, and one is read-only."""

from __future__ import annotations

import re

import pytest

from support.mail import log_in

# Of a run that has nothing to do, on each host.
MOST_TASKS = 5


def test_the_good_hosts_are_done(rollout, new_fleet):
    for name in new_fleet.hosts:
        counts = rollout.first.counts[name]
        assert (counts["failed"] + counts["unreachable"] > 0) == (name in rollout.BAD), name


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("DOWN", r"mail3.*UNREACHABLE.*(No route to host|timed out)"),
        ("BROKEN", r"mail5.*/etc/mail/sendmail\.cf: sendmail rejects it, the old file is in place: sendmail\.cf: line \d+"),
        ("READ_ONLY", r"mail7.*[Rr]ead-only file system"),
    ],
)
def test_the_bad_ones_are_named_with_the_reason(rollout, bad, reason):
    assert rollout.first.status != 0
    lines = [line for line in rollout.first.output.splitlines() if f"[{getattr(rollout, bad)}]: " in line]
    assert re.search(reason, "".join(lines)), rollout.first.output


def test_the_next_run_after_mending_completes_them_and_leaves_the_others(rollout, new_fleet):
    assert rollout.second.status == 0, rollout.second.output
    for name in new_fleet.hosts:
        assert (rollout.second.counts[name]["changed"] > 0) == (name in rollout.BAD), name


def test_the_run_after_that_has_nothing_to_do_and_few_tasks(rollout, new_fleet):
    assert rollout.third.status == 0, rollout.third.output
    for name in new_fleet.hosts:
        assert rollout.third.counts[name]["changed"] == 0
        assert rollout.third.counts[name]["ok"] <= MOST_TASKS


def test_every_host_relays_for_who_logged_in_and_for_nobody_else(fleet, reader, relays):
    assert relays() == set()
    for guest in fleet.hosts.values():
        log_in(reader, guest.address4)
    assert relays() == set(fleet.hosts)
    assert fleet.play("revoke", "-e", f"relay_address={reader.address4}").status == 0
    assert relays() == set()
