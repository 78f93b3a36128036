# SPDX-License-Identifier: GPL-3.0-or-later
"""The isolated network: a bridge in a namespace of its own and one namespace per participant."""

import hashlib
import ipaddress
from collections.abc import Iterable

from .errors import GuestsError
from .namespace import Namespace, run_command
from .state import State

SUBNET4 = "192.0.2.0/24"
SUBNET6 = "2001:db8:99::/64"
CONTROLLER = 2
FIRST_GUEST = 10
FIRST_CLIENT = 100
LAST_CLIENT = 199
ELSEWHERE = 200
"""Numbers of hosts: from ELSEWHERE on stand names of the outside, which nobody answers for."""
BRIDGE_NAME = "bridge"
CONTROLLER_NAME = "ctl"


def address4(number: int) -> str:
    """Return the IPv4 address of host NUMBER (0..255)."""
    return f"192.0.2.{number}"


def address6(number: int) -> str:
    """Return the IPv6 address of host NUMBER, with the same decimal digits at its end."""
    return f"2001:db8:99::{number}"


def with_prefix(address: str) -> str:
    """Return ADDRESS with a prefix length: its own if it has one, else /24 or /64.

    Raises GuestsError where it is no IP address.
    """
    try:
        interface = ipaddress.ip_interface(address)
    except ValueError as error:
        raise GuestsError(str(error)) from error
    if "/" in address:
        return str(interface)
    return f"{interface.ip}/{24 if interface.version == 4 else 64}"


class Network:
    """The namespaces of one state directory."""

    def __init__(self, state: State) -> None:
        """Name the bridge and the controller of STATE; creates nothing."""
        self.state = state
        self.bridge = self.namespace(BRIDGE_NAME)
        self.controller = self.namespace(CONTROLLER_NAME)

    def namespace(self, name: str) -> Namespace:
        """Return the namespace of the participant NAME."""
        return Namespace(self.state.full_name(name))

    def up(self) -> None:
        """Make the bridge and the controller where they are missing. Hold the network lock."""
        if not self.bridge.exists():
            self.bridge.create()
            self.bridge.ip("link add bridge type bridge stp_state 0 forward_delay 0", "link set bridge up")
        if not self.controller.exists():
            self.attach(CONTROLLER_NAME, [address4(CONTROLLER), address6(CONTROLLER)])

    def attach(self, name: str, addresses: Iterable[str], answers_everyone: bool = False) -> Namespace:
        """Make the namespace NAME anew, on the bridge, with ADDRESSES (the first is preferred).

        With answers_everyone it reaches addresses outside of the subnet too, as long as they are on
        the bridge. Hold the network lock. Raises CommandFailed.
        """
        namespace = self.namespace(name)
        digest = hashlib.sha256(name.encode()).hexdigest()
        port = f"p{digest[:10]}"
        hardware = ":".join(["02", *(digest[place : place + 2] for place in range(0, 10, 2))])
        namespace.create()
        run_command(["ip", "-netns", self.bridge.name, "link", "delete", port], check=False)
        self.bridge.ip(
            f"link add {port} type veth peer name eth0 address {hardware} netns {namespace.name}",
            f"link set {port} master bridge up",
        )
        # Duplicate address detection would keep an IPv6 address unusable for a second or two.
        lines = ["link set eth0 up"]
        lines += [f"address add {with_prefix(address)} dev eth0{nodad(address)}" for address in addresses]
        # "replace" is silent about the route that an address brought along.
        lines += [f"route replace {SUBNET4} dev eth0", f"route replace {SUBNET6} dev eth0"]
        if answers_everyone:
            lines += ["route replace 0.0.0.0/0 dev eth0", "route replace ::/0 dev eth0"]
        namespace.ip(*lines)
        self._forget_neighbours()
        return namespace

    def down(self) -> None:
        """Delete every namespace of this state directory. Hold the network lock."""
        for namespace in self._all():
            namespace.delete()

    def _all(self) -> list[Namespace]:
        """Return every namespace of this state directory."""
        return [Namespace(file.name) for file in sorted(self.bridge.file.parent.glob(self.state.full_name("*")))]

    def _forget_neighbours(self) -> None:
        """Make all forget which hardware had which address: it would take them half a minute to find out."""
        for namespace in self._all():
            run_command(["ip", "-netns", namespace.name, "neigh", "flush", "all"], check=False)


def nodad(address: str) -> str:
    """Return the word for ip(8) that turns duplicate address detection off for ADDRESS."""
    return " nodad" if ":" in address else ""
