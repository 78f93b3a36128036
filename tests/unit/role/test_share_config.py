# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of vsmtprelay-share, and every reason why a host cannot share its logins: a line for each."""

from __future__ import annotations

import json

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.role.share_config import (
    CA_FILE,
    faults_of_sharing,
    share_config,
    warnings_of_sharing,
)
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.role.variables import DEFAULTS
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.servers.shared import MOST_MINUTES

ENGINE = {"host": "engine1.example.org", "port": 6380}
SHARES = {**DEFAULTS, "virtual_servers": [{"name": "customers"}], "engines": [ENGINE]}
SHARING = {"host": "mail1", "servers": {"customers": ["mail1", "mail2"]}, "ca": ""}
ALONE = {**SHARING, "servers": {"customers": ["mail1"], "staff": ["mail1"]}}
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
LIST = "pop_before_smtp_engines: "


def test_the_configuration_names_the_hosts_of_each_server_that_others_have():
    sharing = {**SHARING, "servers": {"customers": ["mail2", "mail1"], "staff": ["mail1"]}}
    assert json.loads(share_config(SHARES, sharing)) == {
        "host": "mail1",
        "engines": [ENGINE],
        "ca": CA_FILE,
        "servers": {"customers": {"hosts": ["mail1", "mail2"], "minutes": 1440}},
        "publishes": True,
        "receives": True,
    }


def test_a_host_with_which_no_other_one_shares_yet_has_its_own_servers():
    servers = json.loads(share_config(SHARES, ALONE))["servers"]
    assert {name: server["hosts"] for name, server in servers.items()} == {"customers": ["mail1"], "staff": ["mail1"]}


@pytest.mark.parametrize(
    ("window", "expire", "minutes"),
    [(720, 1440, 720), (0, 60, 60), (60, 0, 60), (0, 0, MOST_MINUTES), (30, 20, 20), (0, 10**6, MOST_MINUTES)],
)
def test_a_login_lasts_until_the_window_or_cron_ends_it(window, expire, minutes):
    config = json.loads(share_config({**SHARES, "window": window, "expire": expire}, SHARING))
    assert config["servers"]["customers"]["minutes"] == minutes


CASES = {
    "shares": ({}, [], SHARING, []),
    "shares, with a certificate of its own": ({"engine_ca": "/x"}, [], {**SHARING, "ca": PEM}, []),
    "does not share": ({"engines": []}, [], ALONE, []),
    "only reads mail, alone": (
        {"engines": [], "relay": "none"},
        [],
        ALONE,
        ["pop_before_smtp_relay is none and pop_before_smtp_engines is empty"],
    ),
    "is removed": ({"engines": [], "relay": "none", "state": "absent"}, [], ALONE, []),
    "only reads mail": ({"relay": "none"}, [], SHARING, []),
    "only relays": ({"recorder": "none"}, [], SHARING, []),
    "does neither": (
        {"relay": "none", "recorder": "none"},
        [],
        SHARING,
        ["pop_before_smtp_relay and pop_before_smtp_recorder are both none"],
    ),
    "only reads mail, and nobody shares": ({"relay": "none"}, [], ALONE, [f"{LIST}no other host in the inventory has"]),
    "only relays, and nobody shares": ({"recorder": "none"}, [], ALONE, [f"{LIST}no other host in the inventory has"]),
    "does both, and nobody shares": ({}, [], ALONE, []),
    "engines of a play": ({}, ["engines", "window"], ALONE, [f"{LIST}set by a play"]),
    "all of a play": (
        {},
        ["engines", "virtual_servers"],
        ALONE,
        ["pop_before_smtp_engines and pop_before_smtp_virtual_servers: set by a play"],
    ),
    "localhost": ({}, [], {**SHARING, "host": "localhost"}, [f"{LIST}a host that shares logins needs a name of its own"]),
    "capitals": ({}, [], {**SHARING, "host": "Mail1.Example.ORG"}, []),
    "a pattern": ({}, [], {**SHARING, "host": "mail*"}, [f"{LIST}a host that shares logins needs a name of its own"]),
    "an address of IPv6": ({}, [], {**SHARING, "host": "2001:db8::5"}, [f"{LIST}a host that shares logins needs"]),
    "no name": ({"engines": [{"host": "a b", "port": 1}]}, [], SHARING, [f"{LIST}'a b' is neither"]),
    "a text for a unit": (
        {"engines": [{"host": "a\n[Service]", "port": 1}]},
        [],
        SHARING,
        [f"{LIST}'a\\n[Service]' is neither"],
    ),
    "no port": (
        {"engines": [{"host": "a", "port": 0}, {"host": "::1", "port": 65536}]},
        [],
        SHARING,
        [f"{LIST}a: 0", f"{LIST}"],
    ),
    "twice": ({"engines": [ENGINE, ENGINE]}, [], SHARING, [f"{LIST}engine1.example.org with port 6380 is named twice"]),
    "two": ({"engines": [ENGINE, {**ENGINE, "port": 6381}]}, [], SHARING, []),
    "a key": (
        {"engine_ca": "x"},
        [],
        {**SHARING, "ca": f"{PEM}-----BEGIN PRIVATE KEY-----\n"},
        ["pop_before_smtp_engine_ca: holds a"],
    ),
    "no certificate": ({"engine_ca": "x"}, [], {**SHARING, "ca": "x"}, ["pop_before_smtp_engine_ca: holds no certificate"]),
}


@pytest.mark.parametrize("case", CASES)
def test_each_reason_why_a_host_cannot_share_is_a_line(case):
    changes, by_play, sharing, expected = CASES[case]
    faults = faults_of_sharing({**SHARES, **changes}, by_play, sharing, has_ca=True)
    assert len(faults) == len(expected)
    for fault, beginning in zip(faults, expected, strict=True):
        assert fault.startswith(beginning)
        assert "\n" not in fault


def test_a_host_needs_the_certificate_of_the_engines_authority():
    (fault,) = faults_of_sharing(SHARES, [], SHARING, has_ca=False)
    assert "run vsmtp.relay.engine, or give pop_before_smtp_engine_ca" in fault
    assert faults_of_sharing({**SHARES, "engine_ca": "x"}, [], {**SHARING, "ca": PEM}, has_ca=False) == []


def test_a_host_that_does_both_and_shares_nothing_is_warned_of_that():
    (warning,) = warnings_of_sharing(SHARES, ALONE)
    assert warning.startswith(f"{LIST}no other host in the inventory has one of its virtual servers (customers, staff)")
    for changes in ({"relay": "none"}, {"state": "absent"}, {"engines": []}):
        assert warnings_of_sharing({**SHARES, **changes}, ALONE) == []
    assert warnings_of_sharing(SHARES, SHARING) == []
    (warning,) = warnings_of_sharing(SHARES, {**SHARING, "servers": {}})
    assert "(none)" in warning
