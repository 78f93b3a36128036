# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorder's socket stays open, whatever people do with systemctl, and Dovecot reloads if the role opened it anew.

Each report that waits in a socket that is closed doubles the time until Dovecot connects again, so that without a reload it
reports nothing for a minute (2.3) or for hours (2.4).
"""

from __future__ import annotations

import json
import time

import pytest

from support.playbook import play

from .conftest import SERVERS
from .test_faults import said_by_dovecot, wait_for

SOCKET = "vsmtprelay-recorder.socket"
SERVICE = "vsmtprelay-recorder.service"
UNIT_FILE = f"/etc/systemd/system/{SOCKET}"
RATE = 40
# More than the 5 starts in 10 seconds that systemd allows a unit by default.
TRIES = 6


@pytest.mark.fault("socket-restarted")
def test_a_person_who_restarts_the_socket_is_refused_and_no_login_is_lost(host, load):
    logins = load(host.address4, f"--count={RATE * 6}", f"--rate={RATE}", "--threads=60")
    time.sleep(1)
    for verb in ["restart", "stop"] * TRIES:
        refused = host.run(["systemctl", verb, SOCKET], check=False)
        assert refused.returncode != 0
        assert "refuse manual start/stop" in refused.stderr
    # That of the service is the way to restart the recorder.
    host.run(["systemctl", "restart", SERVICE])
    results = logins.result()
    assert [result["error"] for result in results if not result["ok"]] == [], said_by_dovecot(host)
    assert wait_for(host, {result["address"] for result in results}) == set()


def test_after_the_role_has_opened_the_socket_anew_logins_are_recorded_at_once(lab, host, load):
    host.run(["sed", "-i", "s/^Backlog=.*/Backlog=4000/", UNIT_FILE])
    options = ["-e", json.dumps({"pop_before_smtp_virtual_servers": SERVERS}), "--limit", host.name]
    run = play(lab, "vsmtp.relay.site", *options)
    assert run.status == 0, run.output
    assert host.run(["systemctl", "show", "--property=Backlog", "--value", SOCKET]).stdout.strip() == "4096"
    results = load(host.address4, f"--count={RATE}", f"--rate={RATE}", "--threads=60").result()
    assert [result["error"] for result in results if not result["ok"]] == [], said_by_dovecot(host)
    assert wait_for(host, {result["address"] for result in results}) == set()
    assert not host.path(f"/run/systemd/system/{SOCKET}.d").exists() or not list(
        host.path(f"/run/systemd/system/{SOCKET}.d").iterdir()
    )


def test_the_role_reloads_dovecot_when_it_opens_the_socket_anew_and_only_then(lab, host):
    options = ["-e", json.dumps({"pop_before_smtp_virtual_servers": SERVERS}), "--limit", host.name]

    def reloads():
        return host.run(["journalctl", "--unit=dovecot.service", "--output=cat"]).stdout.count("Reloaded ")

    before = reloads()
    host.run(["sed", "-i", "s/^Backlog=.*/Backlog=4000/", UNIT_FILE])
    assert play(lab, "vsmtp.relay.site", *options).status == 0
    assert reloads() == before + 1
    assert play(lab, "vsmtp.relay.site", *options).status == 0
    assert reloads() == before + 1
