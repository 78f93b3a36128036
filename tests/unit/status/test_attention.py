# SPDX-License-Identifier: GPL-3.0-or-later
"""What needs attention on a host, in sentences, and how severe it is: the exit status of vsmtprelay status."""

from __future__ import annotations

import pytest

from ansible_collections.vsmtp.relay.dev.support.fleet_state import HOUR, MADE, engine, host, server, sharing
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing import status_text
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.status.attention import of_host, of_sharing, verdict

CASES = {
    "all is well": (sharing(), []),
    "does not share": (None, []),
    "is down": ({"fault": "logins are not shared: it is down"}, ["logins are not shared: it is down"]),
    "alone": (
        sharing(engine(connected=False, error="engine1.example.org:6380: refused", since=MADE - HOUR), alone_since=MADE - HOUR),
        [
            "goes on alone since 1 h: no engine can be used",
            "not connected to the engine engine1.example.org:6380 since 1 h: refused",
        ],
    ),
    "no reason": (
        sharing(engine(connected=False)),
        ["not connected to the engine engine1.example.org:6380 since 3 h: look into"],
    ),
    "no recorder": (
        sharing(recorder={"reachable": False, "error": "no socket"}),
        ["logins of other hosts are not recorded: no socket"],
    ),
    "a database": (sharing(failed_servers={"a": "is damaged"}), ["a: logins of other hosts are not recorded: is damaged"]),
    "an error": (sharing(engine(error="OOM")), ["the engine engine1.example.org:6380 does not do what it should: OOM"]),
    "behind": (sharing(engine(unsent=5000)), ["5,000 addresses are not sent to the engine engine1.example.org:6380 yet"]),
    "a little behind": (sharing(engine(unsent=500)), []),
    "refused": (
        sharing(engine(refused={"b": {"x": 2}, "a": {"too many": 1000, "no such address": 1}})),
        [
            "refused what a says through engine1.example.org:6380: no such address (1), too many (1,000); look whether",
            "refused what b says through engine1.example.org:6380: x (2); look whether",
        ],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_needs_attention_of_the_sharing_is_a_sentence(case):
    state, expected = CASES[case]
    sentences = [finding.text for finding in of_sharing(state, MADE)]
    assert len(sentences) == len(expected)
    for sentence, beginning in zip(sentences, expected, strict=True):
        assert sentence.startswith(beginning)


# Of addresses that wait the sharer itself says nothing, and without a status it cannot.
@pytest.mark.parametrize("case", sorted(set(CASES) - {"behind", "does not share", "is down"}))
def test_it_is_as_severe_as_the_sharer_says(case):
    state, _expected = CASES[case]
    assert verdict(of_sharing(state, MADE)) == status_text.verdict({**state, "written": MADE}, MADE)


SEVERITIES = {
    "all is well": ({}, 0),
    "no recorder": ({"recorder": "none"}, 0),
    "records the logins of other hosts": ({"recorder": "shared"}, 0),
    "the recorder is down": ({"recorder": "down"}, 2),
    "no login reaches the recorder": ({"recorder": "unproven", "recorder_faults": ["Dovecot reports nothing"]}, 2),
    "only root can prove it": ({"recorder": "unproven", "unknown": ["only root can prove it"]}, 0),
    "another Dovecot": ({"recorder_faults": ["another Dovecot reports nothing"]}, 1),
    "the sharer is down": ({"sharing": {"fault": "it is down"}}, 2),
    "an address waits": ({"sharing": sharing(engine(unsent=5000))}, 1),
    "the expiry is late": ({"expiry": {"last": MADE, "status": 0, "late": True}}, 1),
    "the expiry failed": ({"expiry": {"last": MADE, "status": 66, "late": False}}, 1),
    "no expiry yet": ({"expiry": {"last": None, "status": None, "late": False}}, 0),
    "drift": ({"drift": ["/etc/x"]}, 1),
    "the role would fail": ({"drift": None, "drift_fault": "no sendmail"}, 1),
    "a fault": ({"virtual_servers": [server(), server(fault="damaged")]}, 2),
    "no ruleset": ({"virtual_servers": [server(ruleset="missing")]}, 2),
    "not read yet": ({"virtual_servers": [server(ruleset="not read yet")]}, 1),
    "no daemon": ({"virtual_servers": [server(ruleset="no daemon")]}, 0),
    "unproven": ({"virtual_servers": [server(ruleset="unproven")]}, 0),
    "unknown": ({"virtual_servers": [server(ruleset="unknown")]}, 0),
    "the worst counts": ({"recorder": "down", "expiry": {"last": MADE, "status": 1, "late": False}}, 2),
}


@pytest.mark.parametrize("case", SEVERITIES)
def test_a_monitoring_plug_in_ends_with_the_severity(case):
    changes, expected = SEVERITIES[case]
    findings = list(of_host(host("mail1", **changes), MADE))
    assert verdict(findings) == expected
    assert bool(findings) == (expected > 0)


def test_a_host_need_not_have_what_only_a_playbook_finds():
    state = host("mail1")
    for name in ("host", "fault", "drift", "drift_fault"):
        del state[name]
    assert list(of_host(state, MADE)) == []
