# SPDX-License-Identifier: GPL-3.0-or-later
"""A mail client: nothing but a network namespace with addresses of its own."""

import os
import subprocess
from collections.abc import Sequence

from .errors import GuestsError
from .namespace import Namespace
from .network import Network
from .state import State, read_record


class Client:
    """A client by name; its addresses are recorded in the state directory."""

    def __init__(self, state: State, network: Network, name: str) -> None:
        """Stand for the client NAME of STATE, which Lab.client() has made."""
        self.name = name
        self._record_file = state.clients / f"{name}.json"
        self._state = state
        self.namespace: Namespace = network.namespace(name)

    @property
    def addresses(self) -> list[str]:
        """All addresses, as they were given; raises GuestsError where the client was not made."""
        record = read_record(self._record_file)
        if record is None:
            raise GuestsError(f"there is no client {self.name}: make it first (client {self.name} --address ...)")
        return record["addresses"]

    @property
    def address4(self) -> str | None:
        """The first IPv4 address without a prefix length, None if there is none."""
        return self._first(":", False)

    @property
    def address6(self) -> str | None:
        """The first IPv6 address without a prefix length, None if there is none."""
        return self._first(":", True)

    def enter(self) -> list[str]:
        """Return the words to put before a command so that it runs with this client's network."""
        if not self.namespace.exists():
            raise GuestsError(f"the client {self.name} has no namespace: make it (again) first")
        return self.namespace.enter()

    def run(self, command: Sequence[str], **options) -> subprocess.CompletedProcess[str]:
        """Run COMMAND on the host with this client's network; options as in run_command."""
        return self.namespace.run(command, **options)

    def popen(self, command: Sequence[str], cwd: str | os.PathLike[str]) -> subprocess.Popen[str]:
        """Start COMMAND on the host with this client's network in the directory CWD; its output can be read."""
        return subprocess.Popen([*self.enter(), *command], cwd=cwd, stdout=subprocess.PIPE, text=True)

    def remove(self) -> None:
        """Delete the client's namespace and record."""
        with self._state.locked("network"):
            self.namespace.delete()
            self._record_file.unlink(missing_ok=True)

    def _first(self, mark: str, wanted: bool) -> str | None:
        """Return the first address that contains MARK (or does not, if not WANTED)."""
        found = [address.split("/")[0] for address in self.addresses if (mark in address) == wanted]
        return found[0] if found else None
