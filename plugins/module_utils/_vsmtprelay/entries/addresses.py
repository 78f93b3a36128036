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

from ..errors import MalformedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

IPV6_TAG = "ipv6:"


def key_of(address: str) -> str:
    """Return the key under which sendmail looks up ``address``.

    It accepts dotted quads, and IPv6 in every spelling of RFC 4291 section 2.2, with or without sendmail's
    ``IPv6:`` tag. An IPv4-mapped IPv6 address (``::ffff:10.1.2.3``) becomes the dotted quad, which is how
    sendmail sees that client.

    Raises MalformedError for anything else: host names, networks, ports, zone identifiers, octets with
    leading zeros.
    """
    text = address.lower()
    tagged = text.startswith(IPV6_TAG)
    if tagged:
        text = text[len(IPV6_TAG) :]
    if ":" in text:
        return _ipv6_key(address, text)
    if tagged or not _is_dotted_quad(text):
        raise _malformed(address)
    return text


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
    try:
        is_ours = key_of(key) == key
    except MalformedError:
        return key
    if not is_ours or not key.startswith(IPV6_TAG):
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

        self._networks = []
        for text in texts:
            try:
                self._networks.append(ipaddress.ip_network(text))
            except ValueError as error:
                raise MalformedError(f"{text!r} is not a network: {error}") from None

    def __contains__(self, key: str) -> bool:
        """Return whether the address of ``key``, a result of key_of(), lies in one of the networks."""
        import ipaddress

        address = ipaddress.ip_address(key[len(IPV6_TAG) :] if key.startswith(IPV6_TAG) else key)
        return any(address in network for network in self._networks)


LOOPBACK = ("127.0.0.0/8", "::1/128")


def _is_dotted_quad(text: str) -> bool:
    octets = text.split(".")
    return len(octets) == 4 and all(
        octet.isdigit() and octet.isascii() and len(octet) <= 3 and str(int(octet)) == octet and int(octet) <= 255
        for octet in octets
    )


def _ipv6_key(address: str, text: str) -> str:
    import ipaddress

    last = text.rpartition(":")[2]
    # Before Python 3.9.5, ipaddress accepts leading zeros in the dotted part.
    if "%" in text or ("." in last and not _is_dotted_quad(last)):
        raise _malformed(address)
    try:
        parsed = ipaddress.IPv6Address(text)
    except ValueError:
        raise _malformed(address) from None
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return IPV6_TAG + ":".join(f"{int(group, 16):x}" for group in parsed.exploded.split(":"))


def _malformed(address: str) -> MalformedError:
    return MalformedError(
        f"{address!r} is not an IP address: write a dotted quad such as 10.11.12.13, or IPv6 such as 2001:db8::5"
    )
