# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Addresses, and the keys under which sendmail looks them up.

sendmail looks up ``${client_addr}``, which the map folds to lower case. For IPv4 this is the dotted quad.
For IPv6, as Debian builds sendmail, it is ``IPv6:`` and the eight groups without ``::`` (anynet_ntop() in
libsm and conf.c, with _FFR/``UseCompressedIPv6Addresses`` off). An IPv6 key in any other spelling is
never found.
"""

from __future__ import annotations

# What socket and struct wrap; start-up: see __init__
from _socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from _struct import unpack

from ..errors import MalformedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

IPV6_TAG = "ipv6:"
# The beginning of an IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2).
MAPPED = bytes(10) + b"\xff\xff"


def key_of(address: str) -> str:
    """Return the key under which sendmail looks up ``address``.

    It accepts dotted quads, and IPv6 in every spelling of RFC 4291 section 2.2, with or without sendmail's
    ``IPv6:`` tag. An IPv4-mapped IPv6 address (``::ffff:10.1.2.3``) becomes the dotted quad, which is how
    sendmail sees that client.

    Raises MalformedError for anything else: host names, networks, ports, zone identifiers, octets with
    leading zeros.
    """
    try:
        # The C library's parser accepts exactly what is wanted (inet_pton(3)), and takes the least time.
        inet_pton(AF_INET, address)
        return address
    except (OSError, ValueError):
        pass
    text = address.lower()
    if text.startswith(IPV6_TAG):
        text = text[len(IPV6_TAG) :]
    try:
        packed = inet_pton(AF_INET6, text)
    except (OSError, ValueError):
        raise _malformed(address) from None
    if packed.startswith(MAPPED):
        return inet_ntop(AF_INET, packed[len(MAPPED) :])
    return IPV6_TAG + ":".join([f"{group:x}" for group in unpack(">8H", packed)])


def is_key(text: str) -> bool:
    """Return whether ``text`` is an address as key_of() writes it."""
    try:
        return key_of(text) == text
    except MalformedError:
        return False


def without_scope(address: str) -> str:
    """Return ``address`` without the scope of an IPv6 address, as in ``fe80::1%eth0`` (RFC 4007 section 11).

    Dovecot 2.4 reports it (net_ip2addr() in its lib/net.c); sendmail looks a client up without it (anynet_ntoa() in conf.c).
    """
    return address.partition("%")[0] if ":" in address else address


def address_of(key: str) -> str:
    """Return the address of ``key`` for people: IPv6 as in RFC 5952, IPv4 unchanged. The inverse of key_of().

    A key that key_of() never returns was stored by another program and may not be an address: it is
    returned unchanged.
    """
    if not key.startswith(IPV6_TAG) or not is_key(key):
        return key
    import ipaddress

    return str(ipaddress.IPv6Address(key[len(IPV6_TAG) :]))


class Networks:
    """A set of networks; ``key in networks`` holds for a key whose address lies in one of them."""

    def __init__(self, texts: Iterable[str]) -> None:
        """``texts`` are networks (``192.0.2.0/24``, ``2001:db8::/32``) or single addresses.

        Raises MalformedError for a text that is neither, or that has host bits set.
        """
        import ipaddress

        # The length of an address in bytes, the prefix as a number, and how many bits come after it.
        self._networks: list[tuple[int, int, int]] = []
        for text in texts:
            try:
                network = ipaddress.ip_network(text)
            except ValueError as error:
                raise MalformedError(f"{text!r} is not a network: {error}") from None
            rest = network.max_prefixlen - network.prefixlen
            self._networks.append((network.max_prefixlen // 8, int(network.network_address) >> rest, rest))

    def __contains__(self, key: str) -> bool:
        """Return whether the address of ``key``, a result of key_of(), lies in one of the networks."""
        is_ipv6 = key.startswith(IPV6_TAG)
        packed = inet_pton(AF_INET6, key[len(IPV6_TAG) :]) if is_ipv6 else inet_pton(AF_INET, key)
        address, length = int.from_bytes(packed, "big"), len(packed)
        return any(address >> rest == prefix for size, prefix, rest in self._networks if size == length)


LOOPBACK = ("127.0.0.0/8", "::1/128")


def _malformed(address: str) -> MalformedError:
    return MalformedError(
        f"{address!r} is not an IP address: write a dotted quad such as 10.11.12.13, or IPv6 such as 2001:db8::5"
    )
