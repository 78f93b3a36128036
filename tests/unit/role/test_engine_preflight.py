# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in the way of an engine: a line for each thing."""

from __future__ import annotations

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.role.engine_preflight import faults_of_engine, package_of

PEM = "-----BEGIN CERTIFICATE-----\n"
FINE = {"state": "present", "port": 6380, "names": ["engine1", "::1"], "bind": ["0.0.0.0"], "given": ["", ""], "ca": ""}
HOST = {"is_root": True, "package_manager": "dpkg", "missing_packages": []}
GIVEN = {"given": ["/x/c", "/x/k"], "ca": PEM}
CASES = {
    "fine": ({}, {}, []),
    "given": (GIVEN, {}, []),
    "an ordinary user": ({"port": 0}, {"is_root": False}, ["connect as root"]),
    "no Debian": ({"port": 0}, {"package_manager": "rpm"}, ["this host is not a Debian"]),
    "is removed": ({"state": "absent", "port": 0}, {"missing_packages": ["x"]}, []),
    "port": ({"port": 65536}, {}, ["port: 65536 is not a port"]),
    "names": ({"names": ["a b", "x\ny"]}, {}, ["names: 'a b' is neither", "names: 'x\\ny' is neither"]),
    "bind": ({"bind": ["engine1"]}, {}, ["bind: 'engine1' is not an address"]),
    "a part": (
        {**GIVEN, "ca": ""},
        {},
        ["certificate, pop_before_smtp_engine_key and pop_before_smtp_engine_ca belong together"],
    ),
    "no paths": ({**GIVEN, "given": ["c", "k"]}, {}, ["certificate: 'c' is not the absolute", "key: 'k' is not the absolute"]),
    "a key": ({**GIVEN, "ca": f"{PEM}-----BEGIN EC PRIVATE KEY-----"}, {}, ["ca: holds a private key"]),
    "no certificate": ({**GIVEN, "ca": "x"}, {}, ["ca: holds no certificate"]),
    "packages": (
        {"install_packages": False},
        {"missing_packages": ["a"]},
        ["packages are missing (a) and pop_before_smtp_engine_"],
    ),
    "packages to come": ({}, {"missing_packages": ["a"]}, []),
}


@pytest.mark.parametrize("case", CASES)
def test_each_fault_is_a_line(case):
    variables, host, expected = CASES[case]
    faults = faults_of_engine({"install_packages": True, **FINE, **variables}, {**HOST, **host})
    assert len(faults) == len(expected)
    for fault, beginning in zip(faults, expected, strict=True):
        assert fault.removeprefix("pop_before_smtp_engine_").startswith(beginning)
        assert "\n" not in fault


@pytest.mark.parametrize(
    ("candidates", "configured", "package"),
    [
        ({"valkey-server": True, "redis-server": True}, "", "valkey-server"),
        ({"valkey-server": False, "redis-server": True}, "", "redis-server"),
        ({}, "", "redis-server"),
        ({"valkey-server": True}, "redis-server", "redis-server"),
    ],
)
def test_an_engine_stays_what_it_is_and_a_new_one_is_valkey_where_there_is_one(candidates, configured, package):
    assert package_of(candidates, configured) == package
