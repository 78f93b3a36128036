# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of a fleet in words: what needs attention, and how long ago something was.

The fleet is a mapping: ``made`` in epoch seconds, and ``hosts``. Each host has its name, ``host``, and
``fault``, the reason why its state is unknown. If ``fault`` is empty, there are ``recorder``, ``expiry`` and
``virtual_servers`` as the module relay_status_info returns them, ``drift``, the changes that the role would
make there, or None if unknown, and optionally ``recorder_faults``, ``recorder_counts``, ``sharing`` and ``unknown``, as
that module returns them, and ``drift_fault``, the reason why the role would fail there.
"""

from __future__ import annotations

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.status_text import ATTENTION
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.status.attention import Finding, of_host
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.status.table import totals
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.status.words import count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# What only root can know, where the playbook connects as another user.
BECOME = "connect as root, or use --become"


def attention(fleet: Mapping[str, Any]) -> list[str]:
    """Return what needs attention: a sentence for each thing, with the host and the remedy."""
    return [f"{host['host']}: {finding.text}" for host in fleet["hosts"] for finding in findings_of(host, fleet["made"])]


def findings_of(host: Mapping[str, Any], made: int) -> list[Finding]:
    """Return what needs attention on a host; ``made`` is the time of the report in epoch seconds.

    To what ``vsmtprelay status`` finds there, this adds what is unknown since the playbook connects as another user than root.
    """
    unknown = [Finding(ATTENTION, f"{sentence}; {BECOME}") for sentence in host.get("unknown", ())]
    return [*of_host(host, made), *unknown]


def summary(fleet: Mapping[str, Any]) -> str:
    """Return the numbers of hosts, virtual servers and entries."""
    servers = [server for host in fleet["hosts"] for server in host.get("virtual_servers", [])]
    return f"{count(len(fleet['hosts']), 'host')}, {totals(servers)}"


def drift_of(host: Mapping[str, Any]) -> str:
    """Return the number of changes that the role would make on a host, in a word or two."""
    if host.get("drift_fault"):
        return "role fails"
    drift = host["drift"]
    return "not looked at" if drift is None else str(len(drift)) if drift else "none"
