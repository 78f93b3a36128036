# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The virtual servers of a host: their names, their files, and the logins that belong to them.

The role writes them to a table; the command and the recorder read it. The table has one line for each
server, with TABs between the fields and commas within a list, so it needs no parser to import (start-up: see
__init__).
"""

from __future__ import annotations

import os

from ..entries.addresses import key_of
from ..errors import MalformedError, UnreadableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

TABLE = "/etc/vsmtprelay/virtual_servers"
# The role writes it where logins are shared with other hosts.
SHARE = "/etc/vsmtprelay/share.json"
SERVER_FIELDS = ("name", "root", "relayers_db", "sendmail_cf", "addresses", "domains")
HEADER = "# The virtual servers of this host. Written by the role vsmtp.relay.pop_before_smtp; changes are lost.\n"
# In place of names: all virtual servers of a host. No server can have this name.
EVERY_SERVER = "*"
NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789._-")


class VirtualServer:
    """One virtual server; all its paths are absolute.

    ``addresses`` are keys as key_of() gives them, ``domains`` lower-case names.
    """

    __slots__ = SERVER_FIELDS

    def __init__(
        self,
        name: str,
        root: str = "/",
        relayers_db: str = "",
        sendmail_cf: str = "",
        addresses: Sequence[str] = (),
        domains: Sequence[str] = (),
    ) -> None:
        """Fill in the missing paths. Raises MalformedError, which names the server and the field."""
        check_name(name)
        self.name = name
        self.root = _path(name, "root", root)
        etc = "/etc/mail" if self.root == "/" else f"{self.root}/etc"
        self.relayers_db = _path(name, "relayers_db", relayers_db or f"{etc}/relayers.db")
        self.sendmail_cf = _path(name, "sendmail_cf", sendmail_cf or f"{etc}/sendmail.cf")
        try:
            self.addresses = tuple(key_of(address) for address in addresses)
        except MalformedError as error:
            raise MalformedError(f"virtual server {name!r}: addresses: {error}") from None
        self.domains = tuple(_domain(name, domain) for domain in domains)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name, lists as lists."""
        values = {field: getattr(self, field) for field in SERVER_FIELDS}
        return {field: list(value) if isinstance(value, tuple) else value for field, value in values.items()}

    @property
    def takes_the_rest(self) -> bool:
        """Whether it takes the logins that no address and no domain of another server claims."""
        return not self.addresses and not self.domains


class VirtualServers:
    """All the virtual servers of a host."""

    def __init__(self, servers: Iterable[VirtualServer]) -> None:
        """Index ``servers``. Raises MalformedError if two of them share a name, a database, an address or a domain."""
        self.servers = tuple(servers)
        self._by_name = self._index("name", lambda server: (server.name,))
        self._index("database", lambda server: (server.relayers_db,))
        self._by_address = self._index("address", lambda server: server.addresses)
        self._by_domain = self._index("domain", lambda server: server.domains)
        rest = [server for server in self.servers if server.takes_the_rest]
        self.default = rest[0] if len(rest) == 1 else None

    @classmethod
    def from_list(cls, items: Iterable[Mapping[str, Any]]) -> VirtualServers:
        """Return the servers of the role's variable: mappings with ``name`` and any other of SERVER_FIELDS.

        Raises one MalformedError that lists all missing names, unknown fields and malformed values.
        """
        servers, faults = read_list(items)
        if faults:
            raise MalformedError("; ".join(faults))
        return cls(servers)

    @classmethod
    def from_table(cls, path: str = TABLE) -> VirtualServers:
        """Return the servers of the table at ``path``. Raises as read_table() does, and MalformedError as VirtualServers()."""
        return cls(read_table(path))

    def table(self) -> str:
        """Return the text of the table."""
        return table_of(self.servers)

    def named(self, name: str) -> VirtualServer:
        """Return the server called ``name``. Raises MalformedError if there is none."""
        try:
            return self._by_name[name]
        except KeyError:
            raise MalformedError(
                f"no virtual server {name!r} on this host; there are: {', '.join(server.name for server in self.servers)}"
            ) from None

    def of_home(self, home: str) -> VirtualServer:
        """Return the server whose root is the directory ``home``, else the only one of the host, else its default.

        Raises MalformedError if none of these exists.
        """
        own = self.with_root(home)
        if own is not None:
            return own
        if len(self.servers) == 1:
            return self.servers[0]
        if self.default is None:
            raise MalformedError(
                f"this host has {len(self.servers)} virtual servers and none is the default; "
                "say which with --server, or --all, or --database"
            )
        return self.default

    def with_root(self, path: str) -> VirtualServer | None:
        """Return the server whose root is the directory ``path``, or None."""
        real = os.path.realpath(path)
        for server in self.servers:
            if os.path.realpath(server.root) == real:
                return server
        return None

    def of_database(self, path: str) -> VirtualServer | None:
        """Return the server whose database is the file at ``path``, or None."""
        absolute = os.path.abspath(path)
        for server in self.servers:
            if server.relayers_db == absolute:
                return server
        real = os.path.realpath(path)
        for server in self.servers:
            if os.path.realpath(server.relayers_db) == real:
                return server
        return None

    def of_login(self, local_address: str | None, domain: str) -> VirtualServer | None:
        """Return the server that a login belongs to, or None.

        ``local_address`` is the key of the address that the client connected to, ``domain`` the part after the
        ``@`` of the login name, or empty. The address takes precedence over the domain, both over the default.
        """
        if local_address in self._by_address:
            return self._by_address[local_address]
        return self._by_domain.get(domain.lower(), self.default)

    def chosen(self, names: Sequence[str]) -> list[VirtualServer]:
        """Return the servers named by ``names``, in the order of the table; all of them if EVERY_SERVER is among the names.

        A name without a server on this host is ignored: another host may have it.
        """
        return [server for server in self.servers if EVERY_SERVER in names or server.name in names]

    def _index(self, what: str, values_of: Any) -> dict[str | None, VirtualServer]:
        index: dict[str | None, VirtualServer] = {}
        for server in self.servers:
            for value in values_of(server):
                if value in index:
                    raise MalformedError(
                        f"virtual servers {index[value].name!r} and {server.name!r} have the same {what} {value!r}"
                    )
                index[value] = server
        return index


def is_shared() -> bool:
    """Return whether this host shares the logins to its virtual servers with other hosts."""
    return os.path.exists(SHARE)


def read_list(items: Iterable[Mapping[str, Any]]) -> tuple[list[VirtualServer], list[str]]:
    """Return the valid servers of the role's variable, and one line for each malformed item."""
    servers, faults = [], []
    for item in items:
        try:
            servers.append(_server_of(item))
        except MalformedError as error:
            faults.append(str(error))
    return servers, faults


def check_name(name: str) -> None:
    """Raise MalformedError unless ``name`` is a valid name of a virtual server."""
    if not name or not NAME_CHARACTERS.issuperset(name) or name[0] in "._-":
        raise MalformedError(
            f"virtual server {name!r}: a name consists of a-z, 0-9, '.', '_' and '-' and begins with a letter or digit"
        )


def read_table(path: str) -> list[VirtualServer]:
    """Return the servers of the table at ``path``.

    Raises UnreadableError if there is no table, MalformedError if a line is malformed.
    """
    try:
        with open(path, encoding="utf-8") as table:
            lines = table.read().splitlines()
    except UnicodeDecodeError:
        raise MalformedError(f"{path}: is not UTF-8 text; run the role again") from None
    except OSError as error:
        raise UnreadableError(
            f"{path}: cannot be read: {error.strerror}; name a file with --database, "
            "or let the role vsmtp.relay.pop_before_smtp set up this host"
        ) from None
    servers = []
    for number, line in enumerate(lines, 1):
        if not line or line.startswith("#"):
            continue
        fields = line.split("\t")
        if len(fields) != len(SERVER_FIELDS):
            raise MalformedError(
                f"{path}: line {number} has {len(fields)} fields instead of {len(SERVER_FIELDS)}; run the role again"
            )
        name, root, relayers_db, sendmail_cf, addresses, domains = fields
        servers.append(VirtualServer(name, root, relayers_db, sendmail_cf, _split(addresses), _split(domains)))
    return servers


def table_of(servers: Iterable[VirtualServer]) -> str:
    """Return the text of a table of ``servers``."""
    lines = [HEADER, "# " + "\t".join(SERVER_FIELDS) + "\n"]
    for server in servers:
        paths = (server.root, server.relayers_db, server.sendmail_cf)
        lines.append("\t".join((server.name, *paths, ",".join(server.addresses), ",".join(server.domains))) + "\n")
    return "".join(lines)


def departed(before: Iterable[VirtualServer], present: Iterable[VirtualServer]) -> list[VirtualServer]:
    """Return the servers of ``before`` whose sendmail.cf no server of ``present`` has, one for each sendmail.cf."""
    kept = {server.sendmail_cf for server in present}
    return [server for path, server in {server.sendmail_cf: server for server in before}.items() if path not in kept]


def _server_of(item: Mapping[str, Any]) -> VirtualServer:
    unknown = sorted(set(item) - set(SERVER_FIELDS))
    if unknown or not item.get("name"):
        fault = f"has no field {unknown[0]!r}" if unknown else "needs a name"
        raise MalformedError(f"virtual server {item.get('name')!r}: {fault}; the fields are {', '.join(SERVER_FIELDS)}")
    return VirtualServer(**{field: value for field, value in item.items() if value is not None})


def _path(name: str, field: str, text: str) -> str:
    if not text.startswith("/") or not text.isprintable():
        raise MalformedError(f"virtual server {name!r}: {field}: {text!r} is not an absolute path of printable characters")
    if ".." in text.split("/"):
        raise MalformedError(f"virtual server {name!r}: {field}: {text!r} contains '..': write the path it leads to")
    # normpath() keeps two leading slashes, as POSIX allows.
    return os.path.normpath("/" + text.lstrip("/"))


def _domain(name: str, text: str) -> str:
    domain = text.lower()
    if not domain or not NAME_CHARACTERS.issuperset(domain) or domain[0] in "._-":
        raise MalformedError(f"virtual server {name!r}: domains: {text!r} is not a domain name")
    return domain


def _split(text: str) -> list[str]:
    return text.split(",") if text else []
