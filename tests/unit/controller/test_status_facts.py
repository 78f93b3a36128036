# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a host for the report, from what the playbook registered."""

from ansible_collections.vsmtp.relay.plugins.plugin_utils.status_facts import host_of

STATUS = {
    "recorder": "up",
    "recorder_faults": ["a second Dovecot reports nothing"],
    "expiry": {"last": None, "status": None, "late": False},
    "virtual_servers": [{"name": "main"}],
}


def test_a_host_that_cannot_be_reached_has_the_last_line_of_the_reason():
    found = {"host": "mail1", "status": {"unreachable": True, "msg": "Failed to connect:\nNo route to host\n"}}
    assert host_of(found) == {"host": "mail1", "fault": "unreachable: No route to host"}


def test_a_host_whose_state_cannot_be_read_has_the_module_s_message():
    found = {"host": "mail1", "status": {"failed": True, "msg": "no table"}, "role": {"drift": []}}
    assert host_of(found) == {"host": "mail1", "fault": "no table"}


def test_a_host_has_its_state_and_what_the_role_would_change():
    host = host_of({"host": "mail1", "status": STATUS, "role": {"drift": ["/etc/cron.d/vsmtprelay"]}, "role_fault": ""})
    assert host == {**STATUS, "host": "mail1", "fault": "", "drift": ["/etc/cron.d/vsmtprelay"], "drift_fault": ""}


def test_without_a_run_of_the_role_the_drift_is_unknown():
    assert host_of({"host": "mail1", "status": STATUS, "role": {}})["drift"] is None


def test_a_role_that_would_fail_has_a_reason_and_no_drift():
    host = host_of({"host": "mail1", "status": STATUS, "role": {"drift": ["x"]}, "role_fault": "no sendmail"})
    assert (host["drift"], host["drift_fault"]) == (None, "no sendmail")
