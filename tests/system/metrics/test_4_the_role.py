# SPDX-License-Identifier: GPL-3.0-or-later
"""The role puts the metrics where the variable says, leaves nothing where an earlier run put them, and takes all away again."""

from __future__ import annotations

import json

import pytest

from support.playbook import play
from support.waiting import wait_until

from .conftest import HOST

USUAL = "/var/lib/prometheus/node-exporter/vsmtprelay.prom"
# That of an ordinary user.
OTHER = "/srv/textfile/vsmtprelay.prom"
UNITS = ("/etc/systemd/system/vsmtprelay-metrics.service", "/etc/systemd/system/vsmtprelay-metrics.timer")
ENABLED = "/etc/systemd/system/timers.target.wants/vsmtprelay-metrics.timer"


@pytest.fixture(scope="module")
def run(lab, host):
    """Return what runs a playbook on the host with the metrics in ``where``."""
    # Of the tests before.
    host.run(["sh", "-ec", "rm -r /etc/systemd/system/vsmtprelay-metrics.timer.d; systemctl daemon-reload"])

    def run(where, *options, playbook="vsmtp.relay.site"):
        variables = json.dumps({"pop_before_smtp_metrics": where})
        return play(lab, playbook, "--limit", HOST, "-e", variables, *options)

    return run


def test_a_second_run_changes_nothing(run):
    assert run(True).counts[HOST]["changed"] == 0


def test_a_directory_that_is_not_there_is_a_fault_before_any_change(run):
    done = run("/srv/textfile")
    assert done.status != 0
    assert "there is no directory /srv/textfile: install prometheus-node-exporter first" in done.output
    assert "changed=0" in done.output


def test_another_directory_gets_the_file_and_the_first_one_loses_it(run, host):
    host.run(["sh", "-ec", "mkdir /srv/textfile; chown alice: /srv/textfile"])
    done = run("/srv/textfile")
    assert (done.status, done.counts[HOST]["changed"]) == (0, 1)
    assert not host.path(USUAL).exists()
    wait_until(lambda: host.path(OTHER).exists())
    assert host.run(["stat", "--format=%U %a", OTHER]).stdout == "alice 644\n"


def test_turned_off_nothing_of_it_is_left_and_check_mode_only_says_so(run, host):
    done = run(False, "--check", "--diff")
    assert (done.status, done.counts[HOST]["changed"]) == (0, 1)
    assert "remove vsmtprelay-metrics.timer" in done.output
    assert all(host.path(path).exists() for path in (OTHER, *UNITS))
    done = run(False)
    assert (done.status, done.counts[HOST]["changed"]) == (0, 1)
    assert not any(host.path(path).exists() for path in (OTHER, USUAL, *UNITS, ENABLED))
    assert host.run(["systemctl", "is-active", "vsmtprelay-metrics.timer"], check=False).stdout == "inactive\n"


def test_the_removal_takes_all_away(run, host):
    assert run(True, "--tags", "pop_before_smtp_run").status == 0
    wait_until(lambda: host.path(USUAL).exists())
    done = run(True, playbook="vsmtp.relay.remove")
    assert done.status == 0, done.output
    assert not any(host.path(path).exists() for path in (USUAL, *UNITS, ENABLED, "/run/vsmtprelay-recorder"))
    assert host.run(["dpkg-query", "--show", "python3-prometheus-client"], check=False).returncode != 0
