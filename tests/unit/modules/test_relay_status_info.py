# SPDX-License-Identifier: GPL-3.0-or-later
"""The module relay_status_info returns the state of the host, which tests/unit/status/test_host.py tests."""

from __future__ import annotations

import pytest
import yaml

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.servers.virtual_servers import VirtualServer, table_of
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.status import host
from ansible_collections.vsmtp.relay.plugins.modules import relay_status_info as documented

MEMBERS = (
    *("recorder", "recorder_faults", "recorder_restarts", "recorder_proven", "recorder_counts"),
    *("expiry", "sharing", "virtual_servers", "unknown"),
)


@pytest.fixture
def meant(monkeypatch):
    """Stand in for the state of the host; return the names of the virtual servers that it was asked for."""
    names = []

    def of_host(servers, now, lock_seconds):
        names.extend(server.name for server in servers)
        return {name: name for name in MEMBERS}

    monkeypatch.setattr(host, "of_host", of_host)
    return names


@pytest.mark.parametrize(("names", "expected"), [([], ["a", "b"]), (["b", "elsewhere"], ["b"])])
def test_it_returns_the_state_of_the_virtual_servers_that_are_named(run, tmp_path, meant, names, expected):
    table = tmp_path / "virtual_servers"
    table.write_text(table_of([VirtualServer("a", "/a", domains=["a.org"]), VirtualServer("b", "/b", domains=["b.org"])]))
    result = run("relay_status_info", table=str(table), names=names)
    assert {name: result[name] for name in MEMBERS} == {name: name for name in MEMBERS}
    assert meant == expected


def test_all_that_it_returns_is_documented():
    assert set(yaml.safe_load(documented.RETURN)) == set(MEMBERS)


def test_a_host_without_a_table_is_an_error(run, tmp_path):
    result = run("relay_status_info", table=str(tmp_path / "nothing"))
    assert result["failed"]
    assert "cannot be read" in result["msg"]
