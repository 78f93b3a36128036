# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The configuration of the sharer, which the role writes: this host, the engines, and the hosts of each virtual server."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from ..errors import MalformedError, UnreadableError
from ..files import text_file
from ..servers.shared import HOST_NAME, MOST_MINUTES
from ..servers.virtual_servers import SHARE
from .merge import MS_OF_A_MINUTE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LARGEST_BYTES = 64 << 20
SERVER = re.compile(r"[a-z0-9][a-z0-9._-]*", re.ASCII)


class Engine(NamedTuple):
    """The address of an engine."""

    host: str
    port: int

    @property
    def name(self) -> str:
        """How it is called in the status and in the store."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class SharedServer(NamedTuple):
    """A virtual server: ``hosts`` are those that may speak for it, ``window`` is how long a login lasts, in ms."""

    name: str
    hosts: frozenset[str]
    window: int


class Configuration(NamedTuple):
    """The configuration; ``ca`` is the path of the certificates that engines are checked with."""

    host: str
    engines: tuple[Engine, ...]
    ca: str
    servers: tuple[SharedServer, ...]
    publishes: bool
    receives: bool

    def origins(self) -> list[str]:
        """Return the other hosts that may speak for a virtual server of this host, in order."""
        return sorted(set().union(*(server.hosts for server in self.servers)) - {self.host})

    def windows(self) -> dict[str, int]:
        """Return how long a login lasts, in ms, for each virtual server."""
        return {server.name: server.window for server in self.servers}

    def longest_window(self) -> int:
        """Return the longest time, in ms, that a login lasts on any of the virtual servers."""
        return max((server.window for server in self.servers), default=0)


def load(path: str = SHARE) -> Configuration:
    """Return the configuration in the file at ``path``. Raises UnreadableError, MalformedError."""
    content = text_file.read(path, LARGEST_BYTES)
    if content is None:
        raise UnreadableError(f"{path}: no such file; run the role with pop_before_smtp_engines")
    try:
        members = json.loads(content.decode())
    except (ValueError, RecursionError):
        raise MalformedError(f"{path}: is not JSON; run the role again") from None
    try:
        return _configuration(members)
    except MalformedError as error:
        raise MalformedError(f"{path}: {error}; run the role again") from None


def _configuration(members: Any) -> Configuration:
    _require(isinstance(members, dict), "is not a JSON object")
    engines = members.get("engines")
    _require(isinstance(engines, list) and bool(engines), "engines is not a list of engines")
    servers = members.get("servers")
    _require(isinstance(servers, dict) and bool(servers), "servers is not an object of virtual servers")
    ca = members.get("ca")
    _require(isinstance(ca, str) and bool(ca), "ca is not a path")
    switches = [members.get(name, True) for name in ("publishes", "receives")]
    _require(all(isinstance(each, bool) for each in switches), "publishes and receives are true or false")
    return Configuration(
        host=_host(members.get("host")),
        engines=tuple(dict.fromkeys(map(_engine, engines))),
        ca=ca,
        servers=tuple(_server(name, servers[name]) for name in sorted(servers)),
        publishes=switches[0],
        receives=switches[1],
    )


def _engine(members: Any) -> Engine:
    _require(isinstance(members, dict), "an engine is not an object with host and port")
    host, port = members.get("host"), members.get("port")
    _require(isinstance(host, str) and bool(host) and host.isprintable(), "the host of an engine is not a name")
    _require(isinstance(port, int) and not isinstance(port, bool) and 0 < port < 65536, "the port of an engine is not a port")
    return Engine(host, port)


def _server(name: str, members: Any) -> SharedServer:
    _require(bool(SERVER.fullmatch(name)), f"{name!r} is not the name of a virtual server")
    _require(isinstance(members, dict), f"the virtual server {name} is not an object with hosts and minutes")
    hosts, minutes = members.get("hosts"), members.get("minutes")
    _require(isinstance(hosts, list), f"the hosts of the virtual server {name} are not a list")
    _require(
        isinstance(minutes, int) and not isinstance(minutes, bool) and 0 < minutes <= MOST_MINUTES,
        f"the minutes of the virtual server {name} are not a number from 1 to {MOST_MINUTES}",
    )
    return SharedServer(name, frozenset(map(_host, hosts)), minutes * MS_OF_A_MINUTE)


def _host(name: Any) -> str:
    _require(isinstance(name, str) and bool(HOST_NAME.fullmatch(name)), f"{name!r} is not the name of a host")
    return str(name)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise MalformedError(message)
