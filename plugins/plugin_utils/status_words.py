# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of a fleet in words: what needs attention, and how long ago something was.

The fleet is a mapping: ``made`` in epoch seconds, and ``hosts``. Each host has its name, ``host``, and
``fault``, the reason why its state is unknown. If ``fault`` is empty, there are ``recorder``, ``expiry`` and
``virtual_servers`` as the module relay_status_info returns them, ``drift``, the changes that the role would
make there, or None if unknown, and optionally ``recorder_faults``, as that module returns them, and
``drift_fault``, the reason why the role would fail there.
"""

from __future__ import annotations

from .words import count, some

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

# At most this many of the changes that the role would make are named.
MOST_NAMED = 3
REMEDIES = {
    "missing": "has no ruleset for this server; run vsmtp.relay.site",
    "not read yet": "has the ruleset, but the running sendmail has not read it; run vsmtp.relay.site",
}


def attention(fleet: Mapping[str, Any]) -> list[str]:
    """Return what needs attention: a sentence for each thing, with the host and the remedy."""
    return [sentence for host in fleet["hosts"] for sentence in _of_host(host)]


def summary(fleet: Mapping[str, Any]) -> str:
    """Return the numbers of hosts, virtual servers and entries."""
    servers = [server for host in fleet["hosts"] for server in host.get("virtual_servers", [])]
    entries = sum(server.get("entries", 0) for server in servers)
    pinned = sum(server.get("pinned", 0) for server in servers)
    counts = [count(len(fleet["hosts"]), "host"), count(len(servers), "virtual server"), count(entries, "entry", "entries")]
    return f"{', '.join(counts)}, {pinned:,} of them in the future"


def ago(seconds: float) -> str:
    """Return ``seconds`` for people: in seconds, minutes, hours or days."""
    for size, unit, most in ((1, "s", 60), (60, "min", 60), (3600, "h", 48)):
        if seconds < size * most:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds // 86400)} d"


def expiry_of(host: Mapping[str, Any], made: int) -> str:
    """Return the state of the nightly expiry of a host, in a word or two."""
    expiry = host["expiry"]
    if expiry["late"]:
        return "late"
    if expiry["last"] is None:
        return "not yet"
    return f"status {expiry['status']}" if expiry["status"] else f"{ago(made - expiry['last'])} ago"


def drift_of(host: Mapping[str, Any]) -> str:
    """Return the number of changes that the role would make on a host, in a word or two."""
    if host.get("drift_fault"):
        return "role fails"
    drift = host["drift"]
    return "not looked at" if drift is None else str(len(drift)) if drift else "none"


def _of_host(host: Mapping[str, Any]) -> Iterator[str]:
    name = host["host"]
    if host["fault"]:
        yield f"{name}: {host['fault']}"
        return
    if host["recorder"] == "down":
        yield f"{name}: the login recorder is down; look into journalctl --unit=vsmtprelay-recorder"
    for fault in host.get("recorder_faults", ()):
        yield f"{name}: {fault}"
    expiry = host["expiry"]
    if expiry["late"]:
        yield f"{name}: last night's expiry did not run; look whether cron does"
    elif expiry["status"]:
        yield f"{name}: the last expiry ended with status {expiry['status']}; run vsmtprelay --all verify there"
    if host.get("drift_fault"):
        yield f"{name}: the role would fail there: {host['drift_fault']}"
    if host["drift"]:
        yield f"{name}: differs from what the role would install: {some(host['drift'], MOST_NAMED)}; run vsmtp.relay.site"
    for server in host["virtual_servers"]:
        if server["fault"]:
            yield f"{name}: {server['name']}: {server['fault']}"
        elif server["ruleset"] in REMEDIES:
            yield f"{name}: {server['name']}: {server['sendmail_cf']} {REMEDIES[server['ruleset']]}"
