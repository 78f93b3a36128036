# SPDX-License-Identifier: GPL-3.0-or-later
"""Permanent permissions of the inventory: whom they are for, and which virtual servers."""

from __future__ import annotations

import pytest

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import MalformedError
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.servers.permissions import permanent_keys
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.servers.virtual_servers import VirtualServers

SERVERS = VirtualServers.from_list([{"name": "main"}, {"name": "one", "root": "/srv/one", "domains": ["one.example"]}])
PRINTER = {"address": "198.51.100.7", "owner": "accounting", "reason": "prints invoices and mails them"}


def test_a_permission_is_for_all_virtual_servers_unless_it_names_some():
    office = {"address": "2001:db8::5", "virtual_servers": ["one"]}
    keys = permanent_keys([PRINTER, office], SERVERS)
    assert keys == {"main": ["198.51.100.7"], "one": ["198.51.100.7", "ipv6:2001:db8:0:0:0:0:0:5"]}


def test_an_address_that_is_declared_twice_is_there_once():
    assert permanent_keys([PRINTER, PRINTER], SERVERS)["main"] == ["198.51.100.7"]


def test_without_permissions_no_server_has_any():
    assert permanent_keys([], SERVERS) == {"main": [], "one": []}


@pytest.mark.parametrize(
    ("permission", "fault"),
    [
        ({"address": "198.51.100"}, "'198.51.100'"),
        ({"owner": "accounting"}, "needs an address"),
        ({"address": "198.51.100.7", "until": "2030-01-01"}, "has no field 'until'"),
        ({"address": "198.51.100.7", "virtual_servers": ["two"]}, "no virtual server 'two'"),
    ],
)
def test_all_that_does_not_fit_is_told_at_once(permission, fault):
    with pytest.raises(MalformedError) as error:
        permanent_keys([permission, {"address": "x"}, PRINTER], SERVERS)
    assert fault in str(error.value)
    assert "permission for 'x'" in str(error.value)
