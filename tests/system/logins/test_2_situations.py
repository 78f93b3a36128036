# SPDX-License-Identifier: GPL-3.0-or-later
"""What docs/logins.md says of situations: several instances, a load balancer, other services, scoped addresses."""

from __future__ import annotations

import ipaddress

import pytest

from . import settings
from .conftest import RELEASES, pairs, site
from .mail_client import Session
from .settings import HAPROXY_PORT, SECRET

# Its command starts the second Dovecot of each host: see conftest.py.
SECTION = "Several Dovecot instances"
OTHER_SERVICES = ("smtp", "submission", "sieve", "lmtp", "doveadm")


@pytest.fixture(scope="module")
def used_hosts(lab, hosts, outcomes):
    """The hosts after all other logins, each with an ordinary passdb and a port for a load balancer.

    The run of the playbook proves that both instances of each report their logins, or it fails.
    """
    for host, other in pairs(hosts):
        host.use(settings.HAPROXY, other)
    site(lab)
    return hosts


@pytest.fixture(params=RELEASES, ids=[f"Dovecot {version}" for version in RELEASES.values()])
def host(request, used_hosts):
    return used_hosts[request.param]


def is_recorded(host, user, address):
    """Log in as ``user`` on this address of the host; return whether the server let them in, and whether it is recorded."""
    source = host.new_address()
    session = host.connect("imap", source, address)
    let_in = session.log_in("PLAIN", user, SECRET).startswith("OK")
    listed = source.encode() in host.listed()
    session.close()
    return let_in, listed


def test_the_recorder_asks_the_instance_that_the_login_came_to(host):
    assert is_recorded(host, "fine", host.guest.address4) == (True, True)
    assert is_recorded(host, "whoever", host.guest.address4) == (False, False)
    # Locked in the second instance, unknown to the first one.
    assert is_recorded(host, "fine", host.second_address) == (False, False)
    assert is_recorded(host, "whoever", host.second_address) == (True, True)


def test_behind_a_load_balancer_the_address_that_it_names_is_recorded(host):
    balancer, client = host.new_address(), "198.19.0.7"
    connection = host.plain_connection(host.guest.address4, HAPROXY_PORT, balancer)
    connection.sendall(f"PROXY TCP4 {client} {host.guest.address4} 4000 143\r\n".encode())
    session = Session(connection, "imap")
    assert session.log_in("PLAIN", "fine", SECRET).startswith("OK")
    assert client.encode() in host.listed()
    assert balancer.encode() not in host.listed()
    session.close()


@pytest.mark.parametrize("service", OTHER_SERVICES)
def test_who_logs_in_to_another_service_than_pop_and_imap_is_not_recorded(host, service):
    assert not listed_by_auth_test(host, service)


def test_the_test_of_other_services_would_notice(host):
    assert listed_by_auth_test(host, "imap")


def listed_by_auth_test(host, service):
    """Have Dovecot authenticate ``fine`` for a service, as a program does that uses it for SMTP AUTH, for example."""
    source = host.new_address()
    host.guest.run(["doveadm", "auth", "test", "-x", f"service={service}", "-x", f"rip={source}", "fine", SECRET])
    return source.encode() in host.listed()


def test_an_address_with_a_scope_is_recorded_as_sendmail_looks_it_up(host):
    client, server = host.link_local_addresses()
    session = host.connect("imap", address=server)
    assert session.log_in("PLAIN", "fine", SECRET).startswith("OK")
    assert key_of(client) in host.listed()
    session.close()


def key_of(address):
    return b"ipv6:" + b":".join(b"%x" % int(group, 16) for group in ipaddress.IPv6Address(address).exploded.split(":"))
