# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses: the key under which sendmail looks a client up, and the networks that are left out."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.entries.addresses import (
    LOOPBACK,
    Networks,
    address_of,
    key_of,
)
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import MalformedError

DOCUMENTED = "ipv6:2001:db8:0:0:0:0:0:5"


@pytest.mark.parametrize("address", ["10.11.12.13", "0.0.0.0", "255.255.255.255", "1.20.255.0"])
def test_a_dotted_quad_is_its_own_key(address):
    assert key_of(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "2001:db8::5",
        "2001:DB8::5",
        "2001:0db8:0000:0000:0000:0000:0000:0005",
        "2001:db8:0:0:0:0:0:5",
        "2001:db8:0:0::5",
        "2001:db8::0.0.0.5",
        "IPv6:2001:db8::5",
        "ipv6:2001:db8:0:0:0:0:0:5",
        "IPV6:2001:DB8::5",
    ],
)
def test_every_spelling_of_an_ipv6_address_gives_the_tagged_uncompressed_lower_case_key(address):
    assert key_of(address) == DOCUMENTED


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("::", "ipv6:0:0:0:0:0:0:0:0"),
        ("::1", "ipv6:0:0:0:0:0:0:0:1"),
        ("fe80::", "ipv6:fe80:0:0:0:0:0:0:0"),
        ("1:2:3:4:5:6:7::", "ipv6:1:2:3:4:5:6:7:0"),
        ("ABCD:EF01:2345:6789:ABCD:EF01:2345:6789", "ipv6:abcd:ef01:2345:6789:abcd:ef01:2345:6789"),
        ("2001:db8::0010", "ipv6:2001:db8:0:0:0:0:0:10"),
    ],
)
def test_an_ipv6_key_has_eight_groups_without_leading_zeros(address, key):
    assert key_of(address) == key


@pytest.mark.parametrize("address", ["::ffff:10.1.2.3", "::FFFF:10.1.2.3", "::ffff:a01:203", "IPv6:::ffff:10.1.2.3"])
def test_an_ipv4_address_mapped_into_ipv6_is_the_ipv4_client(address):
    assert key_of(address) == "10.1.2.3"


@pytest.mark.parametrize(
    "address",
    [
        *("", " ", "localhost", "mail.example.org", "10", "10.1.2", "10.1.2.3.4", "10.1.2.256", "10.1.2.-3", "10..2.3"),
        *("010.1.2.3", "10.1.2.03", "10.1.2.3 ", " 10.1.2.3", "10.1.2.3\n", "10.1.2.3\0", "10.1.2.0/24", "10.1.2.3:25"),
        *("0x0a.1.2.3", "167838211", "١٠.1.2.3", "1²7.1.2.3", "10.1.2.3,10.1.2.4", "ipv6:10.1.2.3", "IPv6:", "10,1,2,3"),
        *("2001:db8", "2001:db8:::5", "2001:db8::5::6", "2001:db8::5/64", "[2001:db8::5]", "2001:db8::5%eth0", "::g"),
        *("1:2:3:4:5:6:7:8:9", "12345::", "2001:db8::5\n", "::ffff:10.1.2.256", "::10.1.2", "ipv6:ipv6:::1", ":"),
    ],
)
def test_what_is_not_an_address_is_refused_with_its_text(address):
    with pytest.raises(MalformedError) as failure:
        key_of(address)
    assert repr(address) in str(failure.value)
    assert "\n" not in str(failure.value)
    assert failure.value.exit_status == 65


@given(st.integers(0, 2**32 - 1))
def test_every_ipv4_address_is_its_own_key(number):
    text = str(ipaddress.IPv4Address(number))
    assert key_of(text) == text


@given(st.integers(0, 2**128 - 1).filter(lambda number: number >> 32 != 0xFFFF))
def test_an_ipv6_key_is_the_same_address_and_the_key_of_itself(number):
    address = ipaddress.IPv6Address(number)
    key = key_of(address.compressed)
    assert key == key_of(address.exploded) == key_of(key)
    assert ipaddress.IPv6Address(key[len("ipv6:") :]) == address
    assert key.count(":") == 8


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_malformed_and_nothing_else(text):
    try:
        key = key_of(text)
    except MalformedError:
        return
    assert key_of(key) == key


@pytest.mark.parametrize(
    ("key", "address"),
    [
        ("10.11.12.13", "10.11.12.13"),
        (DOCUMENTED, "2001:db8::5"),
        ("ipv6:0:0:0:0:0:0:0:0", "::"),
        ("ipv6:0:0:0:0:0:0:0:1", "::1"),
        # RFC 5952: one group alone is not shortened; of two runs the longer one is, or the first.
        ("ipv6:2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("ipv6:2001:0:0:1:0:0:0:1", "2001:0:0:1::1"),
        ("ipv6:2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
    ],
)
def test_the_address_of_a_key_is_as_people_write_it(key, address):
    assert address_of(key) == address


@pytest.mark.parametrize(
    "key",
    [
        *("", "word", "mail.example.org", "10.1.2", "010.1.2.3", "10.1.2.0/24", "POP:10.1.2.3", "ipv6:", "ipv6:10.1.2.3"),
        # Addresses, and no keys: sendmail never finds them.
        *("2001:db8::5", "ipv6:2001:db8::5", "IPv6:2001:db8:0:0:0:0:0:5", "ipv6:2001:0db8:0:0:0:0:0:5"),
        "ipv6:0:0:0:0:0:ffff:a01:203",
    ],
)
def test_a_key_that_somebody_else_put_there_is_its_own_address(key):
    assert address_of(key) == key


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_the_key_of_an_address_of_a_key_is_that_key(address):
    key = key_of(str(address))
    assert key_of(address_of(key)) == key


@given(st.text(max_size=40))
def test_any_text_has_an_address(text):
    assert isinstance(address_of(text), str)


@pytest.mark.parametrize(
    ("network", "inside", "outside"),
    [
        ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
        ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
        ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
        ("2001:db8::7", "2001:db8::7", "2001:db8::8"),
        ("0.0.0.0/0", "203.0.113.1", "2001:db8::1"),
    ],
)
def test_a_network_holds_its_addresses_and_no_others(network, inside, outside):
    networks = Networks([network])
    assert key_of(inside) in networks
    assert key_of(outside) not in networks


@pytest.mark.parametrize("address", ["127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1"])
def test_loopback_is_known_in_all_its_forms(address):
    assert key_of(address) in Networks(LOOPBACK)


@pytest.mark.parametrize("network", ["", "webmail", "192.0.2.1/24", "192.0.2.0/33", "2001:db8::1/32"])
def test_what_is_not_a_network_is_refused_with_its_text(network):
    with pytest.raises(MalformedError, match="is not a network"):
        Networks([network])


def test_no_networks_hold_nothing():
    assert "10.1.2.3" not in Networks([])
