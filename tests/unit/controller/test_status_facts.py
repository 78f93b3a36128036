# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a host for the report, from what the playbook registered."""

from __future__ import annotations

import pytest

from ansible_collections.vsmtp.relay.dev.support.fleet_state import MADE, engine, fleet, host, server, sharing
from ansible_collections.vsmtp.relay.plugins.plugin_utils.status_facts import host_of
from ansible_collections.vsmtp.relay.plugins.plugin_utils.status_page import page

STATE = host("mail1", server("main"), recorder_faults=["a second Dovecot reports nothing"], sharing=sharing(), unknown=[])
STATUS = {name: value for name, value in STATE.items() if name not in ("host", "fault", "drift", "drift_fault")}
# As one that was taken over could answer.
STRANGE = {
    "servers that are none": {"virtual_servers": 5},
    "a server that is none": {"virtual_servers": ["main"]},
    "no recorder": {"recorder": None},
    "a recorder that is a list": {"recorder": ["up"]},
    "faults that are none": {"recorder_faults": [["up"]]},
    "an expiry that is none": {"expiry": []},
    "half an expiry": {"expiry": {"last": 5}},
    "a time that is a text": {"expiry": {"last": "now", "status": 0, "late": False}},
    "counts of a kind": {"recorder_counts": {"since": MADE, "failed": 1}},
    "counts below zero": {"recorder_counts": {**STATUS["recorder_counts"], "failed": -1}},
    "no name": {"virtual_servers": [{**server(), "name": None}]},
    "a long name": {"virtual_servers": [server("x" * 20_001)]},
    "no ruleset": {"virtual_servers": [{name: value for name, value in server().items() if name != "ruleset"}]},
    "a truth for a number": {"virtual_servers": [server(entries=True)]},
    "a number without an end": {"virtual_servers": [server(entries=float("inf"))]},
    "a number that no browser has": {"virtual_servers": [server(newest=2**53)]},
    "hours of two days": {"virtual_servers": [server(ages=[1] * 49)]},
    "texts for hours": {"virtual_servers": [server(ages=["<b>"] * 25)]},
    "a window of words": {"virtual_servers": [server(window="<script>")]},
    "sharing that is none": {"sharing": "yes"},
    "sharing without engines": {"sharing": {"fault": ""}},
    "an engine that is none": {"sharing": sharing(5)},
    "refusals that are none": {"sharing": sharing(engine(refused={"mail2": 5}))},
    "sentences that are none": {"unknown": [{}]},
}


def test_a_host_that_cannot_be_reached_has_the_last_line_of_the_reason():
    found = {"host": "mail1", "status": {"unreachable": True, "msg": "Failed to connect:\nNo route to host\n"}}
    assert host_of(found) == {"host": "mail1", "fault": "unreachable: No route to host"}


def test_a_host_whose_state_cannot_be_read_has_the_module_s_message():
    found = {"host": "mail1", "status": {"failed": True, "msg": "no table"}, "role": {"drift": []}}
    assert host_of(found) == {"host": "mail1", "fault": "no table"}


def test_a_host_has_its_state_and_what_the_role_would_change():
    state = host_of({"host": "mail1", "status": STATUS, "role": {"drift": ["/etc/cron.d/vsmtprelay"]}, "role_fault": ""})
    assert state == {**STATUS, "host": "mail1", "fault": "", "drift": ["/etc/cron.d/vsmtprelay"], "drift_fault": ""}


def test_without_a_run_of_the_role_the_drift_is_unknown():
    assert host_of({"host": "mail1", "status": STATUS, "role": {}})["drift"] is None


def test_a_role_that_would_fail_has_a_reason_and_no_drift():
    state = host_of({"host": "mail1", "status": STATUS, "role": {"drift": ["x"]}, "role_fault": "no sendmail"})
    assert (state["drift"], state["drift_fault"]) == (None, "no sendmail")


@pytest.mark.parametrize("case", STRANGE)
def test_an_answer_of_another_shape_is_a_fault_of_that_host_alone(case):
    state = host_of({"host": "mail1", "status": {**STATUS, **STRANGE[case]}, "role": {"drift": []}})
    assert state == {
        "host": "mail1",
        "fault": "its answer is not that of the module relay_status_info; look whether that host was taken over",
    }
    assert "taken over" in page(fleet(state, host("mail2")))


def test_what_the_role_would_change_is_text_whatever_a_host_says():
    drift = host_of({"host": "mail1", "status": STATUS, "role": {"drift": [5, None, {"a": 1}]}})["drift"]
    assert drift == ["5", "None", "{'a': 1}"]


def test_a_host_that_gives_no_reason_is_unreachable_all_the_same():
    assert host_of({"host": "mail1", "status": {"unreachable": True, "msg": ""}})["fault"] == "unreachable: "
