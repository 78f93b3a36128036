# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's sendmail slows down clients that connect often or are refused often, as any client of a test is."""

from guests.guest import Guest

from .access_map import add_to_access_map

NETWORKS = ("192.0.2", "IPv6:2001:db8:99")
# What a login costs without us is not what is tested: Debian's password hash takes 20 ms.
CHEAP_PASSWORD = """usermod -p "$(openssl passwd -1 alice-secret)" alice"""
# sendmail accepts no connections while the machine is busy.
ACCEPT_UNDER_LOAD = """sed -i 's/^#*O RefuseLA=.*/O RefuseLA=1000/' /etc/mail/sendmail.cf"""


def lift_throttles(guest: Guest, more: str = "") -> None:
    """Let the clients of the test bed connect as often as they like, without a pause before the greeting.

    ``more`` is another network that is theirs, of whole octets.
    """
    networks = [*NETWORKS, more.partition(".0")[0]] if more else NETWORKS
    limits = ("GreetPause", "ClientRate", "ClientConn")
    add_to_access_map(guest, [(f"{limit}:{network}", "0") for network in networks for limit in limits])


def bear_load(guest: Guest) -> None:
    """Let alice log in without a costly hash; sendmail, once it reads its file anew, accepts connections on a busy machine."""
    guest.run(["sh", "-ec", f"{CHEAP_PASSWORD}\n{ACCEPT_UNDER_LOAD}"])
