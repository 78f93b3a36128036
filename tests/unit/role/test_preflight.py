# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in the way of the role: a line for each thing, with the name of the variable to mend."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.role.preflight import (
    BACKLOG,
    faults_of_host,
    faults_of_list,
    faults_of_variables,
)
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.role.variables import DEFAULTS

FINE = {**DEFAULTS, "virtual_servers": [{"name": "main"}]}
DOVECOT = {"version": "2.3.19.1", "auth_policy_server_url": "", "needs_no_password": False}
HOST = {
    "is_root": True,
    "sendmail": {"version": "8.17.1.9", "hash_maps": True},
    "dovecot": DOVECOT,
    "most_waiting_connections": 4096,
    "missing_packages": [],
    "missing_directory": "",
    "pam": {"missing": [], "without_account": []},
}
OURS = ["http://127.0.0.1:785/login"]

VARIABLES = {
    "fine": ({}, []),
    "fine at the edges": ({"window": 0, "expire": 0, "cron_hour": 23, "cron_minute": 59, "ignore": ["192.0.2.1", "::/0"]}, []),
    "below": ({"window": -1}, ["window: -1 is not 0 or more"]),
    "beyond": (
        {"cron_hour": 24, "cron_minute": 60},
        ["cron_hour: 24 is not from 0 to 23", "cron_minute: 60 is not from 0 to 59"],
    ),
    "metrics": ({"metrics": "metrics"}, ["metrics: 'metrics' is neither true nor false nor the absolute path"]),
    "networks": ({"ignore": ["webmail", "10.0.0.1/8"]}, ["ignore: 'webmail' is not", "ignore: '10.0.0.1/8' is not"]),
    "servers": (
        {"virtual_servers": [{"name": "A"}, {"name": "b", "root": "x"}, {"name": "c", "root": "/a/../b"}]},
        [
            "virtual_servers: virtual server 'A'",
            "virtual_servers: virtual server 'b': root",
            "virtual_servers: virtual server 'c'",
        ],
    ),
    "the same twice": (
        {"virtual_servers": [{"name": "a"}, {"name": "a", "root": "/x"}]},
        ["virtual_servers: virtual servers 'a'"],
    ),
    "not for a K line": ({"virtual_servers": [{"name": "a", "root": "/a b"}]}, ["virtual_servers: virtual server 'a': '/a b"]),
    "permissions": (
        {"permissions": [{"address": "x"}, {"address": "10.0.0.1", "virtual_servers": ["no"]}]},
        ["permissions: permission for 'x'", "permissions: permission for '10.0.0.1': no virtual server 'no'"],
    ),
}


@pytest.mark.parametrize("case", VARIABLES)
def test_each_fault_of_the_variables_is_a_line_that_begins_with_the_name(case):
    changes, expected = VARIABLES[case]
    faults = faults_of_variables({**FINE, **changes})
    assert len(faults) == len(expected)
    for fault, beginning in zip(faults, expected, strict=True):
        assert fault.startswith(f"pop_before_smtp_{beginning}")
        assert "\n" not in fault


HOSTS = {
    "fine": ({}, {}, []),
    "an ordinary user": ({"is_root": False, "sendmail": {"version": ""}}, {}, ["connect as root"]),
    "no sendmail": ({"sendmail": {"version": "", "hash_maps": False}}, {}, ["there is no sendmail"]),
    "no sendmail, and none needed": ({"sendmail": {"version": "", "hash_maps": False}}, {"relay": "none"}, []),
    "CDB alone": ({"sendmail": {"version": "8.18.1", "hash_maps": False}}, {}, ["this sendmail (8.18.1) was compiled without"]),
    "no Dovecot": ({"dovecot": {**DOVECOT, "version": "", "auth_policy_server_url": ""}}, {}, ["there is no Dovecot"]),
    "no Dovecot, and none needed": (
        {"dovecot": {**DOVECOT, "version": "", "auth_policy_server_url": ""}},
        {"recorder": "none"},
        [],
    ),
    "an old Dovecot": (
        {"dovecot": {**DOVECOT, "version": "2.2.36", "auth_policy_server_url": ""}},
        {},
        ["Dovecot 2.2.36 is not supported"],
    ),
    "ours": ({"dovecot": {**DOVECOT, "version": "2.4.1", "auth_policy_server_url": OURS[0]}}, {}, []),
    "ours with a query": (
        {"dovecot": {**DOVECOT, "version": "2.4.1", "auth_policy_server_url": f"{OURS[0]}?base=/run/dovecot2"}},
        {},
        [],
    ),
    "any password": (
        {"dovecot": {**DOVECOT, "version": "2.4.1", "auth_policy_server_url": "", "needs_no_password": True}},
        {},
        ["Dovecot accepts any password for any name"],
    ),
    "another": (
        {"dovecot": {**DOVECOT, "version": "2.4.1", "auth_policy_server_url": "http://x"}},
        {},
        ["Dovecot already asks another"],
    ),
    "a kernel with short queues": ({"most_waiting_connections": 128}, {}, ["the kernel keeps 128 waiting connections"]),
    "a kernel with short queues, and no Dovecot to fill them": ({"most_waiting_connections": 128}, {"recorder": "none"}, []),
    "packages": ({"missing_packages": ["a", "b"]}, {"install_packages": False}, ["packages are missing (a, b)"]),
    "no directory": (
        {"missing_directory": "/nowhere"},
        {"metrics": "/nowhere"},
        ["there is no directory /nowhere: install prometheus-node-exporter first, or set pop_before_smtp_metrics"],
    ),
    "packages to come": ({"missing_packages": ["a"]}, {}, []),
    "PAM": (
        {"pam": {"missing": ["/etc/pam.d/pop"], "without_account": ["/etc/pam.d/imap"]}},
        {"recorder": "pam", "pam_services": ["pop", "imap", "smtp"]},
        ["there is no /etc/pam.d/pop", "no account line in /etc/pam.d/imap", "neither pop nor imap in the name of smtp"],
    ),
    "taken away": (
        {"dovecot": {**DOVECOT, "version": "", "auth_policy_server_url": ""}, "missing_packages": ["a"]},
        {"state": "absent"},
        [],
    ),
}


@pytest.mark.parametrize("case", HOSTS)
def test_each_fault_of_the_host_is_a_line(case):
    host, variables, expected = HOSTS[case]
    faults = faults_of_host({**FINE, **variables}, {**HOST, **host}, OURS)
    assert len(faults) == len(expected)
    for fault, beginning in zip(faults, expected, strict=True):
        assert fault.startswith(beginning)


def test_a_list_that_lacks_what_an_earlier_turn_set_up_is_told():
    assert faults_of_list(FINE, []) == faults_of_list(FINE, ["main"]) == []
    (fault,) = faults_of_list(FINE, ["main", "other", "third"])
    assert fault.startswith("pop_before_smtp_virtual_servers replaces")
    assert "other, third" in fault
    assert faults_of_list({**FINE, "state": "absent"}, ["other"]) == []


def test_the_kernel_has_to_keep_as_many_connections_as_the_socket_asks_it_to():
    role = Path(__file__).parents[3] / "roles" / "pop_before_smtp" / "templates"
    asked = re.search(r"^Backlog=(\d+)$", (role / "vsmtprelay-recorder.socket.j2").read_text(encoding="utf-8"), re.MULTILINE)
    assert int(asked[1]) == BACKLOG
