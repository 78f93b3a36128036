# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""``vsmtprelay status``: the state of this host in one screen or as JSON, with the exit status of a monitoring plug-in."""

from __future__ import annotations

import json
import os
import sys
import time

from ..errors import printable
from ..sharing.status_text import ATTENTION, BROKEN, FINE
from ..status import host
from ..status.attention import of_host, of_server, verdict
from ..status.table import (
    ENGINE_HEADS,
    ENGINE_NUMBERS,
    SERVER_HEADS,
    SERVER_NUMBERS,
    aligned,
    engine_rows,
    expiry_word,
    server_cells,
    totals,
)
from .json_document import head_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ..servers.virtual_servers import VirtualServer
    from ..status.attention import Finding

WORDS = {FINE: "fine", ATTENTION: "needs attention", BROKEN: "broken"}
# Of virtual servers, and of sentences: with more of them it is no longer one screen.
MOST_ROWS = 12
MOST_SENTENCES = 6
# What a virtual server has in the JSON, also if it is unknown.
SERVER_MEMBERS = ("ruleset", "window", "entries", "pinned", "permanent", "oldest", "newest", "ages")


def report(servers: Sequence[VirtualServer], lock_seconds: float, as_json: bool) -> int:
    """Print the state of this host with ``servers``, and return FINE, ATTENTION or BROKEN.

    The databases are waited for at most ``lock_seconds``. Raises RelayError if systemctl cannot be run.
    """
    now = int(time.time())
    state = host.of_host(servers, now, lock_seconds)
    findings = list(of_host(state, now))
    if as_json:
        sys.stdout.write(_json(state, findings, now))
    else:
        sys.stdout.write("".join(f"{printable(line)}\n" for line in lines(state, findings, now)))
    return verdict(findings)


def lines(state: Mapping[str, Any], findings: Sequence[Finding], now: int) -> list[str]:
    """Return the lines that people read. The first one alone says how it is: monitoring shows that one."""
    servers = state["virtual_servers"]
    word = WORDS[verdict(findings)]
    if findings:
        worst = max(findings, key=lambda finding: finding.severity)
        more = f" (and {len(findings) - 1:,} more)" if len(findings) > 1 else ""
        text = [f"{word}: {worst.text}{more}"]
    else:
        text = [f"{word}: {totals(servers)}"]
    shown = servers
    if len(servers) > MOST_ROWS:
        # Those that need attention come first; sorting leaves the others in their order.
        shown = sorted(servers, key=lambda server: -verdict(of_server(server)))[:MOST_ROWS]
    text += ["", *aligned(SERVER_HEADS, SERVER_NUMBERS, [_printable(server_cells(server, now)) for server in shown])]
    if len(servers) > len(shown):
        text.append(f"and {len(servers) - len(shown):,} more virtual servers, which --json shows")
    engines = [_printable(row) for row in engine_rows(state["sharing"], now)]
    if engines:
        text += ["", *aligned(ENGINE_HEADS, ENGINE_NUMBERS, engines)]
    text += ["", f"recorder: {state['recorder']}", f"expiry: {expiry_word(state['expiry'], now)}"]
    if findings:
        text.append(totals(servers))
    text += _list(f"Needs attention ({len(findings):,}):", [finding.text for finding in findings])
    return text + _list(f"Unknown to this user ({len(state['unknown']):,}):", state["unknown"])


def _list(head: str, sentences: Sequence[str]) -> list[str]:
    if not sentences:
        return []
    more = [f"- and {len(sentences) - MOST_SENTENCES:,} more, which --json shows"] if len(sentences) > MOST_SENTENCES else []
    return ["", head, *(f"- {sentence}" for sentence in sentences[:MOST_SENTENCES]), *more]


def _printable(cells: Sequence[str]) -> list[str]:
    return [printable(cell) for cell in cells]


def _json(state: Mapping[str, Any], findings: Sequence[Finding], now: int) -> str:
    """Return the document, with a line for each virtual server."""
    members = {
        **head_of("status", now),
        "host": os.uname().nodename,
        "status": verdict(findings),
        "attention": [finding.text for finding in findings],
        **state,
    }
    servers = members.pop("virtual_servers")
    known = [json.dumps({**server, **{name: server.get(name) for name in SERVER_MEMBERS}}) for server in servers]
    return f'{json.dumps(members)[:-1]}, "virtual_servers": [\n' + ",\n".join(known) + "\n]}\n"
