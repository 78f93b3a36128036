# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What needs attention on a host, in sentences with the remedy.

A host is a mapping: ``recorder``, ``recorder_faults``, ``expiry``, ``sharing`` and ``virtual_servers`` as the module
relay_status_info returns them. For a playbook's report it also has ``fault``, the reason why nothing more is known,
``drift`` and ``drift_fault``; plugin_utils/status_words describes these.
"""

from __future__ import annotations

from typing import NamedTuple

from ..sharing.status_text import ATTENTION, BROKEN, FINE
from .state import MISSING, NOT_READ
from .words import ago, count, some

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

# At most this many of the changes that the role would make are named.
MOST_NAMED = 3
REMEDIES = {
    MISSING: "has no ruleset for this server; run vsmtp.relay.site",
    NOT_READ: "has the ruleset, but the running sendmail has not read it; run vsmtp.relay.site",
}
# More addresses than one transaction takes wait.
MANY_UNSENT = 500


class Finding(NamedTuple):
    """One thing that needs attention: ``severity`` is ATTENTION or BROKEN, ``text`` a sentence without the name of the host.

    BROKEN: logins do not open the relay, of this host or from other hosts, or nobody knows whether they do.
    """

    severity: int
    text: str


def verdict(findings: Iterable[Finding]) -> int:
    """Return FINE, ATTENTION or BROKEN: the exit status of a monitoring plug-in."""
    return max((finding.severity for finding in findings), default=FINE)


def of_host(host: Mapping[str, Any], made: int) -> Iterator[Finding]:
    """Yield each thing that needs attention on a host; ``made`` is the time of its state in epoch seconds."""
    if host.get("fault"):
        yield Finding(BROKEN, host["fault"])
        return
    if host["recorder"] == "down":
        yield Finding(BROKEN, "the login recorder is down; look into journalctl --unit=vsmtprelay-recorder")
    for fault in host.get("recorder_faults", ()):
        # With another word than unproven it is about a second Dovecot.
        yield Finding(BROKEN if host["recorder"] == "unproven" else ATTENTION, fault)
    yield from of_sharing(host.get("sharing"), made)
    expiry = host["expiry"]
    if expiry["late"]:
        yield Finding(ATTENTION, "last night's expiry did not run; look whether cron does")
    elif expiry["status"]:
        yield Finding(ATTENTION, f"the last expiry ended with status {expiry['status']}; run vsmtprelay --all verify there")
    if host.get("drift_fault"):
        yield Finding(ATTENTION, f"the role would fail there: {host['drift_fault']}")
    if host.get("drift"):
        drift = some(host["drift"], MOST_NAMED)
        yield Finding(ATTENTION, f"differs from what the role would install: {drift}; run vsmtp.relay.site")
    for server in host["virtual_servers"]:
        yield from of_server(server)


def of_server(server: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what needs attention of one virtual server."""
    ruleset = server.get("ruleset")
    if server["fault"]:
        yield Finding(BROKEN, f"{server['name']}: {server['fault']}")
    elif ruleset in REMEDIES:
        severity = BROKEN if ruleset == MISSING else ATTENTION
        yield Finding(severity, f"{server['name']}: {server['sendmail_cf']} {REMEDIES[ruleset]}")


def of_sharing(sharing: Mapping[str, Any] | None, made: int) -> Iterator[Finding]:
    """Yield what needs attention of the sharing of logins; ``sharing`` is None if the host does not share them.

    BROKEN is what ``vsmtprelay-share --status`` calls so.
    """
    if not sharing:
        return
    if sharing["fault"]:
        yield Finding(BROKEN, sharing["fault"])
        return
    alone = sharing["alone_since"]
    if alone is not None:
        yield Finding(BROKEN, f"goes on alone since {ago(made - alone)}: no engine can be used, so logins reach no other host")
    if not sharing["recorder"]["reachable"]:
        yield Finding(BROKEN, f"logins of other hosts are not recorded: {sharing['recorder']['error']}")
    for server, reason in sorted(sharing["failed_servers"].items()):
        yield Finding(ATTENTION, f"{server}: logins of other hosts are not recorded: {reason}")
    for engine in sharing["engines"]:
        for sentence in _of_engine(engine, made):
            yield Finding(ATTENTION, sentence)


def _of_engine(engine: Mapping[str, Any], made: int) -> Iterator[str]:
    name, error = engine["engine"], engine["error"] or ""
    # The sharer's own lines begin with the name.
    error = error[len(name) + 2 :] if error.startswith(f"{name}: ") else error
    if not engine["connected"]:
        reason = error or "look into journalctl --unit=vsmtprelay-share"
        yield f"not connected to the engine {name} since {ago(made - engine['since'])}: {reason}"
    elif error:
        yield f"the engine {name} does not do what it should: {error}"
    elif engine["unsent"] > MANY_UNSENT:
        yield f"{count(engine['unsent'], 'address', 'addresses')} are not sent to the engine {name} yet"
    for origin, reasons in sorted(engine["refused"].items()):
        why = ", ".join(f"{reason} ({number:,})" for reason, number in sorted(reasons.items()))
        yield f"refused what {origin} says through {name}: {why}; look whether that host was taken over"
