# Copyright (c) 2026 The vsmtp.relay authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of a fleet as one HTML page that loads nothing: numbers, trends, what needs attention, and a table."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment
from markupsafe import Markup, escape

from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.recorder.counts_file import KINDS
from ansible_collections.vsmtp.relay.plugins.module_utils._vsmtprelay.status.words import count

from . import status_charts
from .status_history import counts_of, logins_of
from .status_rows import ENGINE_HEADS, HOST_HEADS, NUMBERS, SERVER_HEADS, STATES, engine_groups_of, groups_of
from .status_words import summary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from .status_rows import Group

TEMPLATE, STYLE, SCRIPT = (Path(__file__).with_name(f"status_page.{suffix}") for suffix in ("html.j2", "css", "js"))
# Of the history, in the charts and in their table.
MOST_REPORTS = 60
# Of the hosts that need attention: those whose sentences are shown without being asked for.
MOST_OPEN = 12
HISTORY_HEADS = ("Report", "Hosts", "Attention", "Last 24 h", "Entries", *(kind.capitalize() for kind in KINDS))
# No character that stands in an escape.
BREAKS = re.compile(r"[._/-](?=.)")
NAMES = frozenset(("Virtual server", "Engine"))
MEANINGS = (
    (
        "State",
        "broken: logins do not open the relay, or nobody knows whether they do; attention: something else is wrong",
    ),
    ("Recorder", "whether logins reach the login recorder, and how long ago it started"),
    ("Refused", "reports of logins that were malformed or had no key, since the recorder started"),
    ("Failed", "failures to write a database or to ask Dovecot about an account, since the recorder started"),
    ("Expiry", "when the nightly expiry ended, or that it failed or is late"),
    ("Drift", "the number of things that the role would change there"),
    ("Window", "how long a login opens the relay, as the sendmail.cf of the virtual server has it"),
    ("Entries", "the number of listed addresses"),
    ("Last 24 h", "how many of them logged in within a day, by hour; the last hour is on the right"),
    ("Newest, oldest", "the time since the last and the first of these logins"),
    ("Future", "how many of the entries are permissions stamped in the future"),
    ("Ruleset", "live: the running sendmail has it"),
)


class Tile(NamedTuple):
    """A number of the whole fleet: its title, the number, what belongs to it, a chart or nothing, and a tone."""

    title: str
    value: str
    note: str
    chart: str = ""
    tone: str = ""


def page(fleet: Mapping[str, Any], history: Sequence[Mapping[str, Any]] = ()) -> str:
    """Return the HTML text. ``fleet`` is described in status_words.

    ``history`` is what status_history.extended() returns, with the line of ``fleet`` as the last; without it there is no trend.
    """
    made = time.gmtime(fleet["made"])
    groups = groups_of(fleet)
    troubled = [group for group in groups if group.findings]
    numbers = {state: sum(group.state == state for group in groups) for state in STATES.values()}
    history = history[-MOST_REPORTS:]
    style, script = STYLE.read_text(encoding="utf-8"), SCRIPT.read_text(encoding="utf-8")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["breakable"] = _breakable
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        policy=_policy(style, script),
        style=Markup(style),
        script=Markup(script),
        summary=summary(fleet),
        made=time.strftime("%Y-%m-%d %H:%M UTC", made),
        made_iso=time.strftime("%Y-%m-%dT%H:%M:%SZ", made),
        tiles=list(_tiles(fleet, groups, history)),
        history=[_row_of_history(line) for line in reversed(history)],
        history_title=_history_title(history),
        history_heads=HISTORY_HEADS,
        troubled=troubled,
        troubled_title=f"{len(troubled):,} of {count(len(groups), 'host')}",
        most_open=MOST_OPEN,
        shown=[("all", f"{len(groups):,}"), *((state, f"{numbers[state]:,}") for state in reversed(STATES.values()))],
        groups=groups,
        engine_groups=engine_groups_of(fleet, groups),
        host_heads=HOST_HEADS,
        server_heads=SERVER_HEADS,
        engine_heads=ENGINE_HEADS,
        numbers=NUMBERS,
        names=NAMES,
        meanings=MEANINGS,
    )


def _breakable(name: str) -> Markup:
    """Return a name that is broken behind dots and the like, before a browser breaks it anywhere."""
    return Markup(BREAKS.sub(r"\g<0><wbr>", str(escape(name))))


def _policy(style: str, script: str) -> str:
    """Return the Content-Security-Policy: nothing but this style and this script, whatever a host put into the page."""
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)]
    sources = f"style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'"
    return f"default-src 'none'; {sources}; base-uri 'none'; form-action 'none'"


def _tiles(fleet: Mapping[str, Any], groups: Sequence[Group], history: Sequence[Mapping[str, Any]]) -> Iterator[Tile]:
    servers = [server for host in fleet["hosts"] for server in host.get("virtual_servers", [])]
    worst = max(groups, key=lambda group: group.severity, default=None)
    troubled = sum(bool(group.findings) for group in groups)
    pinned = sum(server.get("pinned", 0) for server in servers)
    yield Tile(
        "Need attention",
        f"{troubled:,}",
        _range(history, "attention") or f"of {count(len(groups), 'host')}",
        _chart(status_charts.stems, history, "attention"),
        worst.state if worst and troubled else "",
    )
    yield Tile(
        "Clients, last 24 h",
        f"{sum(map(logins_of, servers)):,}",
        _range(history, "logins") or "by their last login",
        _chart(status_charts.line, history, "logins"),
    )
    ages = [sum(hours) for hours in zip(*(server["ages"][:-1] for server in servers if "ages" in server))]
    if ages:
        yield Tile("Clients, last hour", f"{ages[0]:,}", "by hour of the last day", status_charts.bars(ages[::-1]))
    yield Tile(
        "Entries",
        f"{sum(server.get('entries', 0) for server in servers):,}",
        _range(history, "entries") or f"{pinned:,} in the future",
        _chart(status_charts.line, history, "entries"),
    )
    known = [counts for counts in map(counts_of, fleet["hosts"]) if counts]
    for kind, title in (("refused", "Refused reports"), ("failed", "Failures")):
        number, note = sum(counts[kind] for counts in known), "since each recorder started"
        if history and history[-1][kind] is not None:
            number, note = history[-1][kind], "since the report before"
        yield Tile(title, f"{number:,}", note, _chart(status_charts.stems, history, kind), "notable" if number else "")


def _points(history: Sequence[Mapping[str, Any]], name: str) -> list[tuple[int, int]]:
    """Return times and values. With clocks that were set, a later report can have an earlier time."""
    return sorted((line["made"], line[name]) for line in history if line[name] is not None)


def _chart(draw: Callable[[Sequence[tuple[int, int]]], Markup], history: Sequence[Mapping[str, Any]], name: str) -> str:
    points = _points(history, name)
    return draw(points) if len(points) > 1 else ""


def _range(history: Sequence[Mapping[str, Any]], name: str) -> str:
    values = [value for _made, value in _points(history, name)]
    return f"{min(values):,} to {max(values):,}" if len(values) > 1 else ""


def _history_title(history: Sequence[Mapping[str, Any]]) -> str:
    if not history:
        return ""
    if len(history) == 1:
        return "The history begins with this report"
    return f"The last {len(history)} reports, since {_minute(min(line['made'] for line in history))}"


def _row_of_history(line: Mapping[str, Any]) -> list[str]:
    names = ("hosts", "attention", "logins", "entries", *KINDS)
    return [_minute(line["made"]), *("" if line[name] is None else f"{line[name]:,}" for name in names)]


def _minute(made: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(made))
