# SPDX-License-Identifier: GPL-3.0-or-later
"""The alerts fire if something is wrong, and resolve once it is mended."""

from __future__ import annotations

import contextlib

import pytest

from support.load import Load
from support.waiting import wait_until

RECORDER = "/usr/local/sbin/vsmtprelay-recorder"
SILENT_DOVECOT = "/etc/dovecot/conf.d/99-silent.conf"
DATABASE = "/etc/mail/relayers.db"
# By alert: how it comes to that, and how it is mended. The recorder is killed and cannot be started (systemd masks no unit
# whose file is in /etc); Dovecot does not report; no login can be recorded.
FAULTS = {
    "VsmtprelayRecorderDown": (
        f"chmod -x {RECORDER}; systemctl kill --signal=SIGKILL vsmtprelay-recorder.service",
        f"chmod +x {RECORDER}",
    ),
    "VsmtprelayLoginsNotProven": (
        f"echo auth_policy_check_after_auth = no > {SILENT_DOVECOT}; systemctl reload dovecot",
        f"rm {SILENT_DOVECOT}; systemctl reload dovecot",
    ),
    "VsmtprelayVirtualServerBroken": (
        f"mv {DATABASE} {DATABASE}.sound; echo this is no database > {DATABASE}",
        f"mv {DATABASE}.sound {DATABASE}",
    ),
}


@pytest.fixture(scope="module")
def load(client, host):
    """Logins all the time."""
    load = Load(client, host.address4, "--count=100000", "--rate=20", "--threads=4", "--protocol=pop3", "--protocol=imap")
    yield load
    load.stop()


def test_the_rules_are_right_and_their_tests_pass(prometheus, page):
    assert list(page.do("Alerts")) == []


def test_their_tests_notice_a_wrong_rule(prometheus, host):
    host.run(["sh", "-ec", "mkdir -p /root/wrong; cp /root/alerts*.yml /root/wrong"])
    host.run(["sed", "-i", "s/vsmtprelay_expiry_late == 1/vsmtprelay_expiry_late == 2/", "/root/wrong/alerts.yml"])
    assert host.run(["promtool", "test", "rules", "/root/wrong/alerts_test.yml"], check=False).returncode != 0


def test_no_alert_fires_while_all_is_well(prometheus, load):
    wait_until(lambda: prometheus.value('sum(rate(vsmtprelay_logins_total{result="recorded"}[10s]))') > 10)
    assert prometheus.firing() == set()


@pytest.mark.parametrize("alert", FAULTS)
def test_an_alert_fires_and_resolves(prometheus, host, load, alert):
    broken, mended = FAULTS[alert]
    host.run(["sh", "-ec", broken])
    with contextlib.ExitStack() as stack:
        stack.callback(host.run, ["sh", "-ec", mended])
        wait_until(lambda: alert in prometheus.firing())
        assert not set(FAULTS) - {alert} & prometheus.firing()
    wait_until(lambda: alert not in prometheus.firing())
    wait_until(lambda: prometheus.value("vsmtprelay_status") == 0)


def test_a_recorder_that_was_restarted_again_and_again_has_fired_another_one(prometheus):
    assert "VsmtprelayRecorderRestarts" in prometheus.firing()
