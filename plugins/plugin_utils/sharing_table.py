# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which hosts of the inventory share the logins of which virtual servers.

Each host needs the names of the others, and to read the variables of a host takes a millisecond and more. With a thousand
hosts, each of which reads those of all, that would be a million of them. So the first host that needs the table of a run
makes it and leaves it in the directory that Ansible creates for the run, and the others read it there. They are other
processes, and with the strategy free no host is the first by design: the first one to have the lock is.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os

from ansible.errors import AnsibleError

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import MalformedError, printable
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.role.variables import DEFAULTS, PREFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

# The group of the inventory with the hosts that the playbook vsmtp.relay.engine sets up.
GROUP = f"{PREFIX}engine"
ENGINES = f"{PREFIX}engines"
SERVERS = f"{PREFIX}virtual_servers"
STATE = f"{PREFIX}state"
# As in the argument specification of the role.
DEFAULT_PORT = 6380


def table_of_run(directory: str, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what ``make`` returns; in all processes that give the same ``directory`` and ``name``, it is called once.

    ``directory`` belongs to one run of Ansible. Raises MalformedError as ``make`` does, in all of them.
    """
    path = os.path.join(directory, f"vsmtprelay-{hashlib.sha256(name.encode()).hexdigest()[:16]}.json")
    with _alone(f"{path}.lock") as alone:
        if alone:
            with contextlib.suppress(OSError, ValueError), open(path, encoding="utf-8") as file:
                return _checked(json.load(file))
        try:
            made = make()
        except MalformedError as error:
            made = {"fault": str(error)}
        if alone:
            with contextlib.suppress(OSError):
                with open(f"{path}.new", "w", encoding="utf-8") as file:
                    json.dump(made, file)
                os.replace(f"{path}.new", path)
        return _checked(made)


def table_of(hostvars: Mapping[str, Mapping[str, Any]], hosts: Iterable[str], default: Callable[[str], str]) -> dict[str, Any]:
    """Return the table of all ``hosts`` that share their logins.

    It has ``engines``, by host the sorted list of its engines as text, and ``servers``, by the name of a virtual server the
    hosts that have it. ``default`` returns the name of the virtual server of a host that names none.

    Raises MalformedError if a variable of a host cannot be evaluated.
    """
    engines: dict[str, list[str]] = {}
    servers: dict[str, list[str]] = {}
    for host in hosts:
        variables = hostvars[host]
        used = sorted(_engines_of(host, variables)) if ENGINES in variables else []
        if not used or _value(host, variables, STATE) == "absent":
            continue
        engines[host] = used
        for name in _names_of(host, variables) or [default(host)]:
            servers.setdefault(name, []).append(host)
    return {"engines": engines, "servers": servers}


def servers_of(table: Mapping[str, Any], host: str) -> dict[str, list[str]]:
    """Return, by the name of each virtual server of ``host``, all hosts that have it and an engine of this host."""
    engines = table["engines"]
    own = set(engines.get(host, []))
    if not own:
        return {}
    near = {other for other, used in engines.items() if not own.isdisjoint(used)}
    return {name: [other for other in hosts if other in near] for name, hosts in table["servers"].items() if host in hosts}


def users_of(table: Mapping[str, Any], names: Iterable[str], port: int) -> list[str]:
    """Return the hosts that share their logins through the engine with one of ``names`` and ``port``."""
    engines = {_engine(name, port) for name in names}
    return [host for host, used in table["engines"].items() if not engines.isdisjoint(used)]


def unknown_engines(table: Mapping[str, Any], known: Iterable[tuple[str, int]]) -> list[str]:
    """Return the engines that hosts use and that are not ``known``, by name and port; each as text."""
    engines = {_engine(name, port) for name, port in known}
    return sorted({engine for used in table["engines"].values() for engine in used} - engines)


def _engine(name: Any, port: Any) -> str:
    return f"{name} {port}"


def _engines_of(host: str, variables: Mapping[str, Any]) -> Iterator[str]:
    for engine in _value(host, variables, ENGINES) or []:
        if not isinstance(engine, dict) or "host" not in engine:
            raise MalformedError(f"{ENGINES} of {host}: {engine!r} is not an engine: write it as {{host: …, port: …}}")
        yield _engine(engine["host"], engine.get("port", DEFAULT_PORT))


def _names_of(host: str, variables: Mapping[str, Any]) -> list[str]:
    """Return the names of the virtual servers; the run for that host reports what is malformed."""
    items = _value(host, variables, SERVERS) or []
    return [str(item["name"]) for item in items if isinstance(item, dict) and item.get("name")]


def _value(host: str, variables: Mapping[str, Any], name: str) -> Any:
    if name not in variables:
        return DEFAULTS[name[len(PREFIX) :]]
    try:
        return variables[name]
    except AnsibleError as error:
        raise MalformedError(f"{name} of {host} cannot be evaluated: {printable(str(error))}") from None


def _checked(table: dict[str, Any]) -> dict[str, Any]:
    if "fault" in table:
        raise MalformedError(table["fault"])
    return table


@contextlib.contextmanager
def _alone(path: str) -> Iterator[bool]:
    """Hold the lock at ``path`` in this block; the value is whether that is possible."""
    try:
        file = open(path, "w", encoding="utf-8")  # noqa: SIM115
    except OSError:
        yield False
        return
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield True
