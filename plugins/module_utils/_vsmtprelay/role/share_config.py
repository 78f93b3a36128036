# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The configuration of ``vsmtprelay-share`` on a host, and the reasons why the host cannot share its logins.

The inventory says who shares: ``sharing`` is what the lookup sharing_hosts returns, a mapping of ``host`` (the name of this
host in the inventory), ``servers`` (by the name of a virtual server of this host, the names of all hosts that have it and one
of this host's engines, this one included) and ``ca``, which the lookup engine_ca returns.
"""

from __future__ import annotations

import json
import re

from ..servers.shared import HOST_NAME, MOST_MINUTES
from .variables import PREFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from typing import Any

# The certificates of the authorities that signed those of the engines.
CA_FILE = "/etc/vsmtprelay/share-ca.pem"
# A host name or an address.
ENGINE_NAME = re.compile(r"[A-Za-z0-9:][A-Za-z0-9._:-]*")
LAST_PORT = 65535
LOCAL_NAMES = ("localhost", "127.0.0.1")
CERTIFICATE = "-----BEGIN CERTIFICATE-----"
PRIVATE_KEY = "PRIVATE KEY-----"
# Variables that the runs for other hosts have to find.
IN_INVENTORY = ("engines", "virtual_servers")


def share_config(variables: Mapping[str, Any], sharing: Mapping[str, Any]) -> str:
    """Return the text of the configuration of ``vsmtprelay-share``; ``variables`` are those of the role.

    A virtual server that no other host has is left out, unless that holds for all of them.
    """
    minutes = min(each for each in (variables["window"], variables["expire"], MOST_MINUTES) if each)
    shared = {name: hosts for name, hosts in sharing["servers"].items() if len(hosts) > 1} or sharing["servers"]
    config = {
        "host": sharing["host"],
        "engines": [{"host": engine["host"], "port": engine["port"]} for engine in variables["engines"]],
        "ca": CA_FILE,
        "servers": {name: {"hosts": sorted(hosts), "minutes": minutes} for name, hosts in shared.items()},
        # A host without POP and IMAP has revocations to publish. One without sendmail has to learn of them, or it would renew
        # the login of an open session that was revoked.
        "publishes": True,
        "receives": True,
    }
    return json.dumps(config, indent=1, sort_keys=True) + "\n"


def faults_of_sharing(
    variables: Mapping[str, Any], by_play: Collection[str], sharing: Mapping[str, Any], has_ca: bool
) -> list[str]:
    """Return the reasons why this host cannot share its logins, or serves nobody without it; one line each.

    ``by_play`` are the names of the variables that a play set, as opposed to the inventory. ``has_ca`` is whether the host has
    CA_FILE.
    """
    if variables["state"] == "absent":
        return []
    if not variables["engines"]:
        return list(_of_lone_host(variables))
    faults = [*_of_roles(variables), *_of_engines(variables["engines"]), *_of_ca(variables["engine_ca"], sharing["ca"], has_ca)]
    in_play = [name for name in IN_INVENTORY if name in by_play]
    if in_play:
        named = " and ".join(PREFIX + name for name in in_play)
        return [*faults, f"{named}: set by a play; with {PREFIX}engines, put it into the inventory, where other hosts look"]
    if sharing["host"] in LOCAL_NAMES or not HOST_NAME.fullmatch(sharing["host"]):
        faults.append(
            f"{PREFIX}engines: a host that shares logins needs a name of its own in the inventory, of letters, digits, "
            f"'.', '_' and '-', and {sharing['host']!r} is none"
        )
    elif not _is_shared(sharing) and not _serves_alone(variables):
        faults.append(f"{PREFIX}engines: {_nobody_shares(sharing)}, so nothing on this host could relay after a login")
    return faults


def warnings_of_sharing(variables: Mapping[str, Any], sharing: Mapping[str, Any]) -> list[str]:
    """Return what people should know of a host that can be set up and shares nothing; one line each."""
    if variables["state"] == "absent" or not variables["engines"] or _is_shared(sharing) or not _serves_alone(variables):
        return []
    return [f"{PREFIX}engines: {_nobody_shares(sharing)}"]


def _of_lone_host(variables: Mapping[str, Any]) -> Iterator[str]:
    if variables["relay"] == "none":
        yield (
            f"{PREFIX}relay is none and {PREFIX}engines is empty, so a login here would open nothing: "
            f"name the engines through which other hosts learn of it, or set {PREFIX}relay to sendmail"
        )


def _of_roles(variables: Mapping[str, Any]) -> Iterator[str]:
    if variables["relay"] == "none" and variables["recorder"] == "none":
        yield (
            f"{PREFIX}relay and {PREFIX}recorder are both none, so this host neither relays nor takes logins: "
            "set one of them, or take the host off the list"
        )


def _of_engines(engines: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    seen = set()
    for engine in engines:
        host, port = engine["host"], engine["port"]
        if not ENGINE_NAME.fullmatch(host):
            yield f"{PREFIX}engines: {host!r} is neither a host name nor an address"
        if not 1 <= port <= LAST_PORT:
            yield f"{PREFIX}engines: {host}: {port} is not a port, from 1 to {LAST_PORT}"
        if (host, port) in seen:
            yield f"{PREFIX}engines: {host} with port {port} is named twice"
        seen.add((host, port))


def _of_ca(named: str, text: str, has_ca: bool) -> Iterator[str]:
    if PRIVATE_KEY in text:
        yield f"{PREFIX}engine_ca: holds a private key, which must not leave its host: give the certificate alone"
    elif named and CERTIFICATE not in text:
        yield f"{PREFIX}engine_ca: holds no certificate in PEM format, which begins with {CERTIFICATE}"
    elif not named and not has_ca:
        yield (
            f"{PREFIX}engines: this host has no certificate of their authority: run vsmtp.relay.engine, "
            f"or give {PREFIX}engine_ca if they are not of the group {PREFIX}engine"
        )


def _is_shared(sharing: Mapping[str, Any]) -> bool:
    return any(len(hosts) > 1 for hosts in sharing["servers"].values())


def _serves_alone(variables: Mapping[str, Any]) -> bool:
    """Return whether a login on this host opens the relay of this host."""
    return variables["relay"] != "none" and variables["recorder"] != "none"


def _nobody_shares(sharing: Mapping[str, Any]) -> str:
    names = ", ".join(sharing["servers"]) or "none"
    return (
        f"no other host in the inventory has one of its virtual servers ({names}) and one of its engines: "
        f"give those that are one the same name in {PREFIX}virtual_servers"
    )
