# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rows of the page of the fleet's state: a group for each host, with a row for each of its virtual servers or engines."""

from __future__ import annotations

from typing import NamedTuple

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.errors import printable
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.sharing.status_text import ATTENTION, BROKEN, FINE
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.status import table
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.status.attention import of_server, verdict
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.status.host import UNKNOWN
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.status.words import ago

from . import status_charts
from .status_history import counts_of, logins_of
from .status_words import drift_of, findings_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.status.attention import Finding

STATES = {FINE: "fine", ATTENTION: "attention", BROKEN: "broken"}
# Columns of numbers are sorted as such, from the largest on.
HOST_HEADS = ("Host", "State", "Recorder", "Refused", "Failed", "Expiry", "Drift")
SERVER_HEADS = ("Virtual server", "Window", "Entries", "Last 24 h", "Newest", "Oldest", "Future", "Ruleset")
ENGINE_HEADS = ("Engine", "Connected", "Since", "Lag", "Unsent", "Refused")
NUMBERS = frozenset(
    ("Refused", "Failed", "Window", "Entries", "Last 24 h", "Newest", "Oldest", "Future", "Since", "Lag", "Unsent")
)


class Cell(NamedTuple):
    """A cell: the head of its column, its text, the value by which it is sorted if not by its text, its tone and its chart."""

    head: str
    text: str
    value: float | None = None
    tone: str = ""
    chart: str = ""


class Group(NamedTuple):
    """The rows of a host, at least one. ``key`` is the same in all tables; with a ``fault`` nothing else is known."""

    key: int
    host: str
    severity: int
    findings: Sequence[Finding]
    fault: str
    cells: Sequence[Cell]
    rows: Sequence[Sequence[Cell]]

    @property
    def state(self) -> str:
        """The word for the severity."""
        return STATES[self.severity]


def groups_of(fleet: Mapping[str, Any]) -> list[Group]:
    """Return the groups of all hosts, those with the worst state first. ``fleet`` is described in status_words."""
    groups = [_group(key, host, fleet["made"]) for key, host in enumerate(fleet["hosts"])]
    # Sorting leaves hosts of the same state in their order, that of the inventory.
    return sorted(groups, key=lambda group: -group.severity)


def engine_groups_of(fleet: Mapping[str, Any], groups: Sequence[Group]) -> list[Group]:
    """Return ``groups`` with a row for each engine, without the hosts that share no logins or of which nothing is known."""
    found = []
    for group in groups:
        rows = list(_engine_rows(fleet["hosts"][group.key].get("sharing"), fleet["made"]))
        if rows:
            found.append(group._replace(fault="", cells=(), rows=rows))
    return found


def window_word(minutes: int | None) -> str:
    """Return a window for people; 0 has no end, and without a ruleset there is none."""
    if minutes is None:
        return "none"
    if not minutes:
        return "no end"
    return f"{minutes} min" if minutes % 60 else f"{minutes // 60:,} h"


def _group(key: int, host: Mapping[str, Any], made: int) -> Group:
    findings = [finding._replace(text=printable(finding.text)) for finding in findings_of(host, made)]
    severity = verdict(findings)
    name, fault = printable(host["host"]), printable(host["fault"])
    state = _cell("State", STATES[severity], severity, STATES[severity])
    if fault:
        return Group(key, name, severity, findings, fault, (state,), ((),))
    counts, expiry, drift = counts_of(host), host["expiry"], host["drift"]
    recorder = host["recorder"]
    age = None if expiry["last"] is None else made - expiry["last"]
    cells = (
        state,
        _cell(
            "Recorder",
            f"{recorder} {ago(made - counts['since'])}" if counts else recorder,
            tone="broken" if recorder in ("down", "unproven") else "",
        ),
        *(_counted(kind, counts) for kind in ("refused", "failed")),
        _cell("Expiry", table.expiry_word(expiry, made), age, "attention" if expiry["late"] or expiry["status"] else ""),
        _cell(
            "Drift", drift_of(host), None if drift is None else len(drift), "attention" if drift or host["drift_fault"] else ""
        ),
    )
    rows = [_server_cells(server, made) for server in host["virtual_servers"]]
    return Group(key, name, severity, findings, "", cells, rows or [()])


def _counted(kind: str, counts: Mapping[str, int] | None) -> Cell:
    if counts is None:
        return _cell(kind.capitalize(), "?")
    return _cell(kind.capitalize(), f"{counts[kind]:,}", counts[kind], "notable" if counts[kind] else "")


def _server_cells(server: Mapping[str, Any], made: int) -> Sequence[Cell]:
    texts = dict(zip(table.SERVER_HEADS, table.server_cells(server, made)))
    window = server.get("window")
    unknown = server["fault"] or server["ruleset"] == UNKNOWN
    tone = STATES[verdict(of_server(server))]
    values: dict[str, float | None] = {"entries": server.get("entries"), "future": server.get("pinned")}
    for end in ("newest", "oldest"):
        values[end] = None if server.get(end) is None else made - server[end]
    logins = logins_of(server) if "ages" in server and not server["fault"] else None
    counted = [
        _cell("Entries", texts["entries"], values["entries"]),
        _cell("Last 24 h", "" if logins is None else f"{logins:,}", logins),
        *(_cell(end.capitalize(), texts[end], values[end]) for end in ("newest", "oldest", "future")),
    ]
    if logins:
        counted[1] = counted[1]._replace(chart=status_charts.bars(server["ages"][-2::-1]))
    return [
        _cell("Virtual server", texts["virtual server"]),
        # A window without an end is the longest.
        _cell("Window", "?" if window is None and unknown else window_word(window), float("inf") if window == 0 else window),
        *counted,
        _cell("Ruleset", texts["ruleset"], tone="" if tone == STATES[FINE] else tone),
    ]


def _engine_rows(sharing: Mapping[str, Any] | None, made: int) -> Iterator[Sequence[Cell]]:
    engines = sharing["engines"] if sharing and not sharing["fault"] else []
    for engine, texts in zip(engines, table.engine_rows(sharing, made)):
        name, connected, since, lag, unsent, refused = texts
        number = sum(sum(reasons.values()) for reasons in engine["refused"].values())
        yield [
            _cell("Engine", name),
            _cell("Connected", connected, tone="" if connected == "yes" else "attention"),
            _cell("Since", since, made - engine["since"]),
            _cell("Lag", lag, engine["lag_ms"]),
            _cell("Unsent", unsent, engine["unsent"]),
            _cell("Refused", refused, number, tone="attention" if number else ""),
        ]


def _cell(head: str, text: str, value: float | None = None, tone: str = "") -> Cell:
    return Cell(head, printable(text), value, tone or ("zero" if value == 0 else ""))
