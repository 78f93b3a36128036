# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole test bed: the network, its controller, guests and clients."""

import re
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from . import inotify, inventory, network, prerequisites, recipe
from .client import Client
from .errors import GuestsError
from .guest import Guest
from .namespace import Namespace, run_command
from .network import Network
from .state import State, read_record, write_record

NAME = re.compile(r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?\Z")
RESERVED = (network.BRIDGE_NAME, network.CONTROLLER_NAME, "localhost")


class Lab:
    """What runs below one state directory, started by this process or by another.

    As a context manager it brings the network up, and on leaving removes the guests and clients
    that this object made (not those it found running); the network goes with the last of them.
    """

    def __init__(self, directory: str | None = None) -> None:
        """Use the state directory DIRECTORY (default: $GUESTS_STATE, else .build/guests)."""
        self.state = State(directory)
        self.network = Network(self.state)
        self._guests: dict[str, Guest] = {}
        self._made: list[str] = []

    def __enter__(self) -> "Lab":
        """Bring the network up."""
        return self.up()

    def __exit__(self, *_: object) -> None:
        """Remove what this object made."""
        self.down(self._made)

    @property
    def controller(self) -> Namespace:
        """The namespace in which Ansible and swaks run: controller.run([...], input=, cwd=, env=)."""
        return self.network.controller

    def up(self) -> "Lab":
        """Check the host, make the key, the bridge and the controller where missing; return self.

        Raises GuestsError where the host lacks something that cannot be installed.
        """
        prerequisites.require_all()
        with self.state.locked("network"):
            self._make_key()
            self.state.control_sockets.mkdir(mode=0o700, exist_ok=True)
            self.network.up()
        return self

    def guest(self, name: str, release: str | None = None, address4: str | None = None, address6: str | None = None) -> Guest:
        """Return the guest NAME, recorded but not booted if it is new.

        release is that of the guest if it exists, else bookworm. Addresses are given without a
        prefix length; by default both come from the first free number from 10 on. Raises GuestsError on
        a bad name, and where a running guest has another release.
        """
        _check_name(name)
        if release is not None and release not in recipe.MAIL_HOSTS:
            raise GuestsError(f"no such release: {release} (there are {', '.join(recipe.MAIL_HOSTS)})")
        guest = self.guest_by_name(name)
        with self.state.locked("network"):
            file = self.state.guests / name / "guest.json"
            record = read_record(file) or {}
            wanted = {"release": release, "address4": address4, "address6": address6}
            changes = {key: value for key, value in wanted.items() if value and value != record.get(key)}
            if changes or not record:
                if guest.is_running():
                    raise GuestsError(f"the guest {name} runs already, and not with {changes}: take it down first")
                if (self.state.clients / f"{name}.json").exists():
                    raise GuestsError(f"{name} is the name of a client")
                number = self._free_number(network.FIRST_GUEST, network.FIRST_CLIENT)
                defaults = {
                    "release": recipe.RELEASES[0],
                    "address4": network.address4(number),
                    "address6": network.address6(number),
                }
                # Another release is another disk: without its image the old one is not kept.
                kept = {key: value for key, value in record.items() if not (key == "image" and "release" in changes)}
                write_record(file, {**defaults, **kept, **changes})
        if name not in self._made and not guest.is_running():
            self._made.append(name)
        return guest

    def client(
        self,
        name: str,
        address4: str | Sequence[str] | None = None,
        address6: str | Sequence[str] | None = None,
    ) -> Client:
        """Return the client NAME; makes it, or makes it anew where the addresses differ.

        Each of address4 and address6 is one address or several, with or without a prefix length;
        the first is the one that connections come from by default. With neither, an existing
        client is returned as it is and a new one gets one of each, from number 100 on. Raises
        GuestsError on a bad name or address.
        """
        _check_name(name)
        client = Client(self.state, self.network, name)
        addresses = [*_several(address4), *_several(address6)]
        for address in addresses:
            network.with_prefix(address)
        file = self.state.clients / f"{name}.json"
        with self.state.locked("network"):
            if (self.state.guests / name / "guest.json").exists():
                raise GuestsError(f"{name} is the name of a guest")
            self.network.up()
            record = read_record(file)
            if not addresses and record:
                addresses = record["addresses"]
            if not addresses:
                number = self._free_number(network.FIRST_CLIENT, network.LAST_CLIENT + 1)
                addresses = [network.address4(number), network.address6(number)]
            if not record or record["addresses"] != addresses or not client.namespace.exists():
                self.network.attach(name, addresses)
                write_record(file, {"addresses": addresses})
                if name not in self._made:
                    self._made.append(name)
        return client

    def guests(self) -> list[Guest]:
        """Return all recorded guests, running or not, by name."""
        names = sorted(file.parent.name for file in self.state.guests.glob("*/guest.json"))
        return [self.guest_by_name(name) for name in names]

    def guest_by_name(self, name: str) -> Guest:
        """Return the guest NAME without recording it: what it does fails where it is not there."""
        return self._guests.setdefault(name, Guest(self.state, self.network, name))

    def client_by_name(self, name: str) -> Client:
        """Return the client NAME without making it: what it does fails where it is not there."""
        return Client(self.state, self.network, name)

    def running(self) -> list[Guest]:
        """Return the guests that run, whoever booted them, by name."""
        return [guest for guest in self.guests() if guest.is_running()]

    def running_or_died(self) -> list[Guest]:
        """Return the guests that run, and those that ended without being stopped, by name."""
        return [guest for guest in self.guests() if guest.is_running() or guest.launched.has_died()]

    def clients(self) -> list[Client]:
        """Return all recorded clients, by name."""
        names = sorted(file.stem for file in self.state.clients.glob("*.json"))
        return [Client(self.state, self.network, name) for name in names]

    def inventory(self) -> str:
        """Return the Ansible inventory (YAML) of the running guests, for use in the controller."""
        return inventory.render(self.state, self.running())

    def boot(self, guests: Iterable[Guest], fresh: bool = True, timeout: float = 90) -> None:
        """Boot GUESTS side by side and wait until all are ready; raises GuestsError.

        Says on standard error if the host allows too few inotify instances for them. It is left to the host's administrator
        to allow more: that would stay after the guests are gone.
        """
        guests = list(guests)
        warning = inotify.warning(sum(not guest.is_running() for guest in guests))
        if warning:
            print(f"guests: {warning}", file=sys.stderr, flush=True)
        _in_parallel(lambda guest: guest.boot(fresh=fresh), guests)
        _in_parallel(lambda guest: guest.wait_until_ready(timeout), guests)

    def down(self, names: Iterable[str] | None = None) -> None:
        """Remove the guests and clients NAMES with their disks, or all of them; never an error
        that they are not there. The network goes with the last of them.
        """
        wanted = None if names is None else set(names)
        _in_parallel(Guest.remove, [guest for guest in self._all_guests() if wanted is None or guest.name in wanted])
        for client in self.clients():
            if wanted is None or client.name in wanted:
                client.remove()
        self._made = [name for name in self._made if wanted is not None and name not in wanted]
        with self.state.locked("network"):
            if wanted is None or not any([*self.state.guests.glob("*"), *self.state.clients.glob("*.json")]):
                self.network.down()
                shutil.rmtree(self.state.control_sockets, ignore_errors=True)

    def clean(self) -> None:
        """Remove everything: guests, clients, network, and the state directory with the images."""
        self.down()
        self.state.remove_tree(self.state.directory)

    def _all_guests(self) -> list[Guest]:
        """Return every guest that left anything in the state directory, half-made ones too."""
        names = sorted(path.name for path in self.state.guests.glob("*") if path.is_dir())
        return [self.guest_by_name(name) for name in names]

    def _free_number(self, first: int, end: int) -> int:
        """Return the lowest host number in FIRST..END-1 whose IPv4 address is not taken."""
        taken = {(read_record(file) or {}).get("address4") for file in self.state.guests.glob("*/guest.json")}
        for file in self.state.clients.glob("*.json"):
            taken.update(address.split("/")[0] for address in (read_record(file) or {}).get("addresses", []))
        for number in range(first, end):
            if network.address4(number) not in taken:
                return number
        raise GuestsError("no free address is left: take some guests or clients down")

    def _make_key(self) -> None:
        """Generate the key that logs in to guests as root, once."""
        key = inventory.key_file(self.state)
        if not key.exists():
            self.state.ssh.mkdir(mode=0o700, parents=True, exist_ok=True)
            comment = self.state.full_name("key")
            run_command(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(key)])


def _check_name(name: str) -> None:
    """Raise GuestsError unless NAME can be a host name here."""
    if not NAME.match(name) or name in RESERVED:
        raise GuestsError(f"not a name for a guest or client: {name!r} (lower-case letters, digits, hyphens)")


def _several(addresses: str | Sequence[str] | None) -> list[str]:
    """Return ADDRESSES as a list, be it one, several or none."""
    return [addresses] if isinstance(addresses, str) else list(addresses or ())


def _in_parallel(work: Callable[[Guest], None], guests: list[Guest]) -> None:
    """Do WORK with every guest at the same time; raises the first error after all have ended."""
    if guests:
        with ThreadPoolExecutor(len(guests)) as pool:
            for future in [pool.submit(work, guest) for guest in guests]:
                future.exception()
                future.result()
