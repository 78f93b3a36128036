# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of all paths in docs/logins.md."""

from __future__ import annotations

from support.made_table import MadeTable, rendered

PAGE = MadeTable("logins.md", "tests/system/logins")
HEADINGS = ("passdb", "account", "mechanism", "proxy", "let in", "recorded")


def render(outcomes, versions):
    """Return the table. ``outcomes`` is release → (path, service) → Outcome, ``versions`` release → version of Dovecot."""
    first = next(iter(outcomes.values()))
    rows = []
    for path in dict.fromkeys(path for path, _ in first):
        came_of_it = {
            version: [outcomes[release][path, service] for service in path.services] for release, version in versions.items()
        }
        let_in = _cell(came_of_it, lambda outcome, path=path: _let_in(path, outcome))
        recorded = _cell(came_of_it, lambda outcome, path=path: _recorded(path, outcome))
        rows.append([path.setting.name, path.account, path.way, path.proxy, let_in, recorded])
    return rendered(HEADINGS, rows)


def _let_in(path, outcome):
    if not outcome.let_in:
        return "no"
    return "yes, by the other host" if path.there else "yes"


def _recorded(path, outcome):
    hosts = [host for host, listed in (("yes", outcome.listed), ("by the other host", outcome.listed_there)) if listed]
    reason = path.recorded_since if outcome.listed else path.missed_since
    return " and ".join(hosts or ["no"]) + (f" ({reason})" if reason else "")


def _cell(came_of_it, word):
    """Return what ``word`` says of all outcomes, by version of Dovecot if these differ."""
    words = {version: " or ".join(sorted({word(outcome) for outcome in found})) for version, found in came_of_it.items()}
    if len(set(words.values())) == 1:
        return next(iter(words.values()))
    return ", ".join(f"{text} ({version})" for version, text in words.items())
