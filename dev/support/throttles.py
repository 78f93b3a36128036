# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's sendmail slows down clients that connect often or are refused often, as any client of a test is."""

from guests.guest import Guest

from .access_map import add_to_access_map

NETWORKS = ("192.0.2", "IPv6:2001:db8:99")


def lift_throttles(guest: Guest, more: str = "") -> None:
    """Let the clients of the test bed connect as often as they like, without a pause before the greeting.

    ``more`` is another network that is theirs, of whole octets.
    """
    networks = [*NETWORKS, more.partition(".0")[0]] if more else NETWORKS
    limits = ("GreetPause", "ClientRate", "ClientConn")
    add_to_access_map(guest, [(f"{limit}:{network}", "0") for network in networks for limit in limits])
