# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's sendmail slows down clients that connect often or are refused often, as any client of a test is."""

from guests.guest import Guest

ACCESS = "/etc/mail/access"
NETWORKS = ("192.0.2", "IPv6:2001:db8:99")


def lift_throttles(guest: Guest, more: str = "") -> None:
    """Let the clients of the test bed connect as often as they like, without a pause before the greeting.

    ``more`` is another network that is theirs, of whole octets.
    """
    networks = [*NETWORKS, more.partition(".0")[0]] if more else NETWORKS
    lines = [f"{limit}:{network}\t0\n" for network in networks for limit in ("GreetPause", "ClientRate", "ClientConn")]
    guest.write(ACCESS, guest.read(ACCESS) + "".join(lines))
    guest.run(["makemap", "hash", ACCESS], input=guest.read(ACCESS))
